#!/bin/sh
# Unpacks cosign from a newer Debian release into .build-image/cosign, where the tests of signatures look for it; it is a
# program without dependencies. Where that cannot be had, the tests that need it say so and are skipped.
set -eu
cd "$(dirname "$0")/.."
release=trixie
target=$PWD/.build-image/cosign
[ -x "$target/usr/bin/cosign" ] && exit 0
command -v cosign >/dev/null && exit 0
uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
[ -n "$uri" ] || { echo "no Debian archive is configured: no cosign" >&2; exit 0; }
state=$target/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release main" >"$state/sources.list"
apt_with_state() {
    apt-get -qq -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$state/lists" -o Dir::Cache="$state/cache" -o APT::Sandbox::User=root "$@"
}
cd "$state"
if apt_with_state update && apt_with_state download cosign; then
    dpkg-deb -x cosign_*.deb "$target"
else
    echo "cosign is not to be had from Debian $release" >&2
fi
rm -rf "$state"
