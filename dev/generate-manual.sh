#!/bin/sh
# Writes the pages of the manual into a folder, from the programs' own trees of commands: `generate-manual.sh FOLDER`.
# Takes the programs of the release build; `man -l FOLDER/etcdctl.1` shows one.
set -eu
folder="${1:?usage: $0 FOLDER}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
cd "$(dirname "$0")/.."
for program in etcdctl; do
    swift build -c release --product "$program"
    "$(swift build -c release --show-bin-path)/$program" __manual "$folder"
done
echo "$(find "$folder" -name '*.1' | wc -l) pages in $folder"
