"""Every key of the Dagster chart that k8s/values.yaml may rely on.

As it is in the chart's own values.yaml and templates at 1.13. `*` stands for scalars, for
Kubernetes' own objects and for free-form maps.
"""

from collections.abc import Iterator
from typing import Any

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
    "imagePullSecrets": "*",
    "dagster-user-deployments": {
        "imagePullSecrets": "*",
        "enabled": "*",
        "enableSubchart": "*",
        "deployments": POD
        | {
            "name": "*",
            "dagsterApiGrpcArgs": "*",
            "port": "*",
            "labels": "*",
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
                "envConfigMaps": "*",
                "envSecrets": "*",
                "volumes": "*",
                "volumeMounts": "*",
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
