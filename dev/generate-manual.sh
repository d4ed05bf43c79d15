#!/bin/sh
# Writes the pages of the manual into a folder, from the programs' own trees of commands: `generate-manual.sh FOLDER`.
# Takes the programs of the release build; `man -l FOLDER/etcdctl.1` shows one.
set -eu
folder="${1:?usage: $0 FOLDER}"
cd "$(dirname "$0")/.."
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
swift build -c release --product etcdctl
"$(swift build -c release --show-bin-path)/etcdctl" __manual "$folder"
echo "$(find "$folder" -name '*.1' | wc -l) pages in $folder"
