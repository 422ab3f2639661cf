"""The values of the Dagster chart: only keys that it has, one image, no secrets."""

import copy
import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deployment import K8S, KUBERNETES, plain_secrets, values

# Every key of the chart that k8s/values.yaml may rely on, as it is in the chart's own values.yaml
# and templates at 1.13. `*` stands for Kubernetes' own objects and for free-form maps.
POD = {
    "image": {"repository", "tag", "pullPolicy"},
    "env": "*",
    "envConfigMaps": "*",
    "envSecrets": "*",
    "podSecurityContext": "*",
    "securityContext": "*",
    "volumes": "*",
    "volumeMounts": "*",
    "resources": "*",
    "readinessProbe": "*",
    "livenessProbe": "*",
    "startupProbe": "*",
    "annotations": "*",
}
THREADS = {"useThreads", "numWorkers"}
CHART: dict[str, Any] = {
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName"},
    "serviceAccount": {"create": "*", "annotations": "*"},
    "dagsterWebserver": POD | {"nameOverride": "*", "service": {"type", "port"}},
    "dagsterDaemon": POD
    | {
        "enabled": "*",
        "heartbeatTolerance": "*",
        "runCoordinator": {"enabled", "type"},
        "runMonitoring": {
            "enabled",
            "startTimeoutSeconds",
            "cancelTimeoutSeconds",
            "maxRuntimeSeconds",
            "pollIntervalSeconds",
            "maxResumeRunAttempts",
            "freeSlotsAfterRunEndSeconds",
        },
        "runRetries": {"enabled", "maxRetries", "retryOnAssetOrOpFailure"},
        "schedules": THREADS,
        "sensors": THREADS,
    },
    "dagster-user-deployments": {
        "enabled": "*",
        "enableSubchart": "*",
        "deployments": POD
        | {
            "name": "*",
            "dagsterApiGrpcArgs": "*",
            "port": "*",
            "includeConfigInLaunchedRuns": {"enabled"},
        },
    },
    "runLauncher": {
        "type": "*",
        "config": {
            "k8sRunLauncher": {
                "imagePullPolicy": "*",
                "loadInclusterConfig": "*",
                "failPodOnRunFailure": "*",
                "labels": "*",
                "runK8sConfig": {
                    "containerConfig": "*",
                    "podSpecConfig": "*",
                    "podTemplateSpecMetadata": "*",
                    "jobSpecConfig": "*",
                },
            }
        },
    },
    "concurrency": {
        "enabled": "*",
        "pools": {"granularity", "defaultLimit"},
        "runs": {"maxConcurrentRuns"},
    },
    "computeLogManager": {
        "type": "*",
        "config": {
            "s3ComputeLogManager": {
                "bucket",
                "prefix",
                "endpointUrl",
                "skipEmptyFiles",
                "uploadInterval",
            }
        },
    },
    "generatePostgresqlPasswordSecret": "*",
    "postgresql": {
        "enabled": "*",
        "image": {"registry", "repository", "tag", "pullPolicy"},
        "postgresqlHost": "*",
        "postgresqlUsername": "*",
        "postgresqlDatabase": "*",
        "service": {"port"},
        "shmVolume": {"enabled"},
    },
    "busybox": {"image": {"repository", "tag", "pullPolicy"}},
    "generateCeleryConfigSecret": "*",
    "rabbitmq": {"enabled"},
    "redis": {"enabled", "internal"},
    "flower": {"enabled"},
    "ingress": {"enabled"},
    "telemetry": {"enabled"},
    "retention": {
        "enabled": "*",
        "schedule": {"purgeAfterDays": "*"},
        "sensor": {"purgeAfterDays": "*"},
    },
    "additionalInstanceConfig": "*",
    "migrate": {"enabled"},
    "extraManifests": "*",
}


def unknown_keys(values: Any, known: Any, at: str = "") -> Iterator[str]:
    """Dotted paths of keys in `values` that `known` does not hold."""
    if known == "*":
        return
    if isinstance(values, list):
        for value in values:
            yield from unknown_keys(value, known, at)
        return
    for key, value in values.items():
        if key not in known:
            yield f"{at}{key}"
        elif isinstance(known, dict):
            yield from unknown_keys(value, known[key], f"{at}{key}.")


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
