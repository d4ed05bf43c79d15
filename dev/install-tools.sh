#!/bin/sh
# Installs the Debian packages that a purpose needs and that are missing: `install-tools.sh build`, `… test` or `… image`.
set -eu
cd "$(dirname "$0")/.."
case "${1:-build}" in
build) list=dev/debian-packages-build.txt ;;
test) list=dev/debian-packages-test.txt ;;
image) list=dev/debian-packages-image.txt ;;
*) echo "usage: $0 build|test|image" >&2; exit 2 ;;
esac
missing=""
for package in $(grep -v '^#' "$list"); do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
command -v apt-get >/dev/null || { echo "please install:$missing" >&2; exit 1; }
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
