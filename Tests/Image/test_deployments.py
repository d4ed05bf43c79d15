"""The files to deploy with: each is checked against its schema."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from conftest import ROOT

CONTAINER = ROOT / "container"

# What the Prometheus operator's definition says about the fields used; it ships no package with the whole schema.
SERVICE_MONITOR = {
    "type": "object", "required": ["apiVersion", "kind", "metadata", "spec"], "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"}, "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object", "required": ["selector", "endpoints"], "additionalProperties": False,
            "properties": {
                "selector": {"type": "object", "additionalProperties": False, "properties": {
                    "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}},
                "namespaceSelector": {"type": "object", "additionalProperties": False, "properties": {
                    "any": {"type": "boolean"}, "matchNames": {"type": "array", "items": {"type": "string"}}}},
                "endpoints": {"type": "array", "minItems": 1, "items": {
                    "type": "object", "additionalProperties": False, "properties": {
                        "port": {"type": "string"}, "path": {"type": "string"}, "scheme": {"enum": ["http", "https"]},
                        "interval": {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"},
                        "scrapeTimeout": {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}}}},
            },
        },
    },
}


def documents(name):
    return list(yaml.safe_load_all((CONTAINER / "kubernetes" / name).read_text()))


def test_compose_file():
    tool = Path(sys.executable).parent / "check-jsonschema"
    run = subprocess.run(
        [sys.executable, str(tool), "--builtin-schema", "vendor.compose-spec", str(CONTAINER / "compose.yaml")],
        capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_kubernetes_objects():
    found = documents("etcd.yaml")
    for each in found:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    kinds = [each["kind"] for each in found]
    assert {"StatefulSet", "PodDisruptionBudget", "NetworkPolicy", "Service"} <= set(kinds)
    broken = next(each for each in found if each["kind"] == "StatefulSet")
    broken["spec"]["template"]["spec"]["containers"][0]["livenessProbes"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


def test_service_monitor_finds_the_service():
    monitor, = documents("service-monitor.yaml")
    jsonschema.validate(monitor, SERVICE_MONITOR)
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = [
        each for each in documents("etcd.yaml")
        if each["kind"] == "Service" and wanted <= each["metadata"].get("labels", {}).items()]
    assert len(chosen) == 1
    assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in chosen[0]["spec"]["ports"]]


def test_selectors_ports_and_mounts_fit_together():
    found = {}
    for each in documents("etcd.yaml"):
        found.setdefault(each["kind"], []).append(each)
    statefulset, = found["StatefulSet"]
    pod = statefulset["spec"]["template"]
    labels = pod["metadata"]["labels"]
    container, = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    for service in found["Service"]:
        assert service["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert statefulset["spec"]["serviceName"] in [each["metadata"]["name"] for each in found["Service"]]
    assert found["PodDisruptionBudget"][0]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert found["NetworkPolicy"][0]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        assert container[probe]["httpGet"]["port"] in ports
    volumes = {each["name"] for each in pod["spec"]["volumes"]}
    claims = {each["metadata"]["name"] for each in statefulset["spec"]["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes | claims


def test_kubeadm_files():
    """kubeadm's own types are not in Kubernetes' schema: what is used of them is spelled out here."""
    initial, cluster = documents("kubeadm.yaml")
    assert initial["apiVersion"] == cluster["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert initial["kind"] == "InitConfiguration" and set(initial) == {"apiVersion", "kind", "patches"}
    assert set(initial["patches"]) == {"directory"}
    assert cluster["kind"] == "ClusterConfiguration" and set(cluster) == {"apiVersion", "kind", "etcd"}
    assert set(cluster["etcd"]["local"]) <= {"imageRepository", "imageTag", "dataDir"}
    patch = yaml.safe_load((CONTAINER / "kubernetes/kubeadm-patches/etcd+strategic.yaml").read_text())
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "etcd"},
        "spec": {**patch["spec"], "containers": [{"name": "etcd", "image": "x"}]}}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_systemd_unit(tmp_path):
    unit = (CONTAINER / "etcd.service").read_text()
    # The checker wants to see the program and cannot see manual pages that are not installed.
    unit = unit.replace("/usr/bin/etcd", "/bin/true").replace("Documentation=man:etcd(1)\n", "")
    path = tmp_path / "etcd.service"
    path.write_text(unit)
    run = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True)
    assert run.returncode == 0 and not run.stderr, run.stderr
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-500:]


def test_sysusers():
    run = subprocess.run(
        ["systemd-sysusers", "--dry-run", str(CONTAINER / "debian/sysusers.conf")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
