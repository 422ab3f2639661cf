"""The values of the Dagster chart: only keys that it has, one image, no secrets."""

import copy
import os
from importlib.metadata import version

import kubernetes_validate
import pytest
import yaml

from tests.support.chart_keys import CHART, unknown_keys
from tests.support.deployment import K8S, KUBERNETES, plain_secrets, values


@pytest.mark.parametrize("overlays", [(), ("values-minikube.yaml",), ("values-eks.yaml",)])
def test_values_use_keys_that_the_chart_has(overlays: tuple[str, ...]) -> None:
    merged = values(*overlays)
    assert not list(unknown_keys(merged, CHART))
    assert not list(plain_secrets(merged))


def test_unknown_keys_are_found() -> None:
    wrong = copy.deepcopy(values())
    wrong["dagsterDaemon"]["runMonitoring"]["pollSeconds"] = 1
    wrong["dagster-user-deployments"]["deployments"][0]["replicas"] = 2
    assert list(unknown_keys(wrong, CHART)) == [
        "dagsterDaemon.runMonitoring.pollSeconds",
        "dagster-user-deployments.deployments.replicas",
    ]
    assert list(plain_secrets({"env": [{"name": "A_PASSWORD", "value": "x"}], "secretKey": "x"}))


def test_versions_of_chart_package_and_image_agree() -> None:
    assert f"version {version('dagster')}:" in (K8S / "values.yaml").read_text()
    merged = values()
    images = [
        merged["dagsterWebserver"]["image"],
        merged["dagsterDaemon"]["image"],
        merged["dagster-user-deployments"]["deployments"][0]["image"],
    ]
    assert images == 3 * [
        {
            "repository": "hydro-pipeline",
            "tag": version("hydro-pipeline"),
            "pullPolicy": "IfNotPresent",
        }
    ]


def test_chart_itself_renders_with_our_values() -> None:
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")
    path = os.environ.get("DAGSTER_CHART")
    if not path:
        pytest.skip("DAGSTER_CHART does not name a copy of the Dagster chart")
    with helm.Chart.load(path) as chart:
        rendered = chart.render(values("values-minikube.yaml"), name="dagster", namespace="hydro")
    for text in rendered.values():
        for manifest in filter(None, yaml.safe_load_all(text)):
            kubernetes_validate.validate(manifest, KUBERNETES, strict=False)
            assert manifest["kind"] != "ConfigMap" or not list(plain_secrets(manifest))
