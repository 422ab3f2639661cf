"""The manifests of k8s/: valid, restricted, and used alike by kubectl and by Terraform."""

import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from hydro_pipeline.area.area import Area
from hydro_pipeline.fields.fields import parse_fields
from tests.support.deployment import K8S, KUBERNETES, check_pod, plain_secrets, pods, values

SETS = ("minio", "postgres", "seed")
MANIFESTS = [
    path
    for name in SETS
    for path in sorted((K8S / name).glob("*.yaml"))
    if path.name != "kustomization.yaml"
]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_manifest_is_valid_and_its_pods_restricted(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    assert not list(plain_secrets(manifest))
    for pod in pods(manifest):
        assert pod["automountServiceAccountToken"] is False
        check_pod(pod)


@pytest.mark.parametrize("name", SETS)
def test_kustomization_lists_every_manifest(name: str) -> None:
    listed = yaml.safe_load((K8S / name / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [p.name for p in MANIFESTS if p.parent.name == name]


@pytest.mark.parametrize("name", SETS)
def test_kustomization_builds(name: str) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on the PATH")
    built = subprocess.run(
        ["kubectl", "kustomize", K8S / name], check=True, capture_output=True, text=True
    ).stdout
    for manifest in yaml.safe_load_all(built):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_dask_cluster_has_valid_restricted_pods_of_the_deployments_image() -> None:
    spec = yaml.safe_load((K8S / "dask" / "cluster.yaml").read_text())["spec"]
    for part in ("worker", "scheduler"):
        pod = spec[part]["spec"]
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": part}, "spec": pod},
            KUBERNETES,
            strict=True,
        )
        check_pod(pod)
        seed = yaml.safe_load((K8S / "seed" / "job.yaml").read_text())["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == seed["containers"][0]["image"]
        assert pod["containers"][0]["args"][:2] == ["dask", part]


@pytest.mark.parametrize("name", ["minio", "postgres"])
def test_data_is_on_a_claim_and_services_and_policies_find_their_pods(name: str) -> None:
    found = {
        m["kind"]: m
        for m in (yaml.safe_load(p.read_text()) for p in MANIFESTS if p.parent.name == name)
    }
    stateful, service, policy = (
        found[k]["spec"] for k in ("StatefulSet", "Service", "NetworkPolicy")
    )
    labels = stateful["template"]["metadata"]["labels"]
    container = stateful["template"]["spec"]["containers"][0]
    claims = {c["metadata"]["name"] for c in stateful["volumeClaimTemplates"]}
    assert "data" in claims & {m["name"] for m in container["volumeMounts"]}
    assert service["selector"] == stateful["selector"]["matchLabels"] == labels
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["ingress"][0]["ports"][0]["port"] == container["ports"][0]["containerPort"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


def test_seeded_fields_lie_in_the_seeded_area() -> None:
    west, south, east, north = map(float, (K8S / "seed/demo.bbox").read_text().split(","))
    area = Area.from_bbox("demo", (west, south, east, north))
    assert max(area.grid.shape) * area.resolution < 10_000
    reading = parse_fields("demo.geojson", (K8S / "seed/demo.geojson").read_bytes())
    assert len(reading.fields) == 8
    assert not reading.problems
    for field in reading.fields:
        x0, y0, x1, y1 = field.geometry.bounds
        assert west < x0 < x1 < east
        assert south < y0 < y1 < north


def test_database_of_the_chart_is_the_one_of_the_manifests() -> None:
    chart = values()["postgresql"]
    stateful = yaml.safe_load((K8S / "postgres/statefulset.yaml").read_text())
    container = stateful["spec"]["template"]["spec"]["containers"][0]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert chart["postgresqlHost"] == stateful["metadata"]["name"]
    assert chart["postgresqlUsername"] == env["POSTGRES_USER"]
    assert chart["postgresqlDatabase"] == env["POSTGRES_DB"]
    assert container["image"] == f"{chart['image']['repository']}:{chart['image']['tag']}"


def test_manifest_chart_gives_back_what_it_is_given() -> None:
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")
    texts = [p.read_text() for p in MANIFESTS if p.parent.name == "minio"]
    with helm.Chart.load(str(K8S / "manifests")) as chart:
        rendered = chart.render({"manifests": texts}, name="minio", namespace="hydro")
    (text,) = rendered.values()
    assert [d for d in yaml.safe_load_all(text) if d] == [yaml.safe_load(t) for t in texts]
