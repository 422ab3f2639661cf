"""What the values lead to: Dagster's instance, the pods of the runs, the long-lived pods."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from kubernetes.client import ApiClient  # type: ignore[import-untyped]

from tests.support.deployment import KUBERNETES, ROOT, check_pod, plain_secrets, pods, values


class Launcher(SimpleNamespace):
    """A run launcher's configuration without its cluster; what is not set is None."""

    def __getattr__(self, name: str) -> None:
        return None


def snake(tree: Any) -> Any:
    """Keys from the chart's camelCase to dagster.yaml's snake_case, as the templates do."""
    if isinstance(tree, dict):
        return {
            re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", k): snake(v) for k, v in tree.items()
        }
    return tree


def instance_config(merged: dict[str, Any]) -> dict[str, Any]:
    """The parts of the chart's dagster.yaml that follow from our values."""
    daemon = merged["dagsterDaemon"]
    config: dict[str, Any] = snake(
        {
            "concurrency": {k: v for k, v in merged["concurrency"].items() if k != "enabled"},
            "runMonitoring": daemon["runMonitoring"],
            "runRetries": daemon["runRetries"],
            "schedules": daemon["schedules"],
            "sensors": daemon["sensors"],
            "telemetry": merged["telemetry"],
            "retention": {k: v for k, v in merged["retention"].items() if k != "enabled"},
        }
    )
    extra: dict[str, Any] = merged["additionalInstanceConfig"]
    return config | extra


def test_instance_is_the_local_one_but_for_its_storage(tmp_path: Path) -> None:
    config = instance_config(values())
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    loaded, _ = dagster_instance_config(str(tmp_path))
    assert loaded["concurrency"]["pools"]["default_limit"] == 1
    local = yaml.safe_load((ROOT / "hydro_pipeline/defs/dagster.yaml").read_text())
    for key in ("concurrency", "run_retries", "schedules", "sensors", "telemetry", "freshness"):
        assert config[key] == local[key], key
    for key, value in local["run_monitoring"].items():
        assert config["run_monitoring"][key] == value, key


@pytest.mark.parametrize("overlays", [("values-minikube.yaml",), ("values-eks.yaml",)])
def test_logs_go_to_the_bucket_of_the_data(overlays: tuple[str, ...]) -> None:
    manager = values(*overlays)["computeLogManager"]
    assert manager["type"] == "S3ComputeLogManager"
    config = snake(manager["config"]["s3ComputeLogManager"])
    schema = S3ComputeLogManager.config_type()  # type: ignore[no-untyped-call]
    assert process_config(schema, config).success
    assert ("endpoint_url" in config) == (overlays == ("values-minikube.yaml",))


def run_job(merged: dict[str, Any]) -> dict[str, Any]:
    """The Job of a run, made by dagster_k8s from what the chart's templates make of our values."""
    deployment = merged["dagster-user-deployments"]["deployments"][0]
    account = merged["global"]["serviceAccountName"]
    launcher = merged["runLauncher"]["config"]["k8sRunLauncher"]
    config = snake({k: v for k, v in launcher.items() if k not in ("labels", "runK8sConfig")}) | {
        "labels": launcher["labels"],
        "run_k8s_config": {
            re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", k): v
            for k, v in launcher["runK8sConfig"].items()
        },
        "service_account_name": account,
        "job_namespace": "hydro",
        "dagster_home": merged["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": merged["global"]["postgresqlSecretName"],
    }
    schema = K8sRunLauncher.config_type()  # type: ignore[no-untyped-call]
    processed = process_config(schema, config)
    assert processed.success, processed.errors
    context = {
        "k8s": {
            "image_pull_policy": deployment["image"]["pullPolicy"],
            "env_config_maps": ["dagster-hydro-pipeline-user-env"]
            + [e["name"] for e in deployment["envConfigMaps"]],
            "env_secrets": [e["name"] for e in deployment["envSecrets"]],
            "env": deployment["env"],
            "volume_mounts": deployment["volumeMounts"],
            "volumes": deployment["volumes"],
            **({"resources": deployment["resources"]} if "resources" in deployment else {}),
            "namespace": "hydro",
            "service_account_name": account,
            "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
        }
    }
    run = SimpleNamespace(
        job_code_origin=SimpleNamespace(
            repository_origin=SimpleNamespace(container_context=context)
        ),
        tags={},
    )
    merged_context = K8sContainerContext.create_for_run(
        run,  # type: ignore[arg-type]
        Launcher(**processed.value),  # type: ignore[arg-type]
        include_run_tags=True,
    )
    job = construct_dagster_k8s_job(
        job_config=DagsterK8sJobConfig(
            job_image="hydro-pipeline:0.1.0",
            dagster_home=config["dagster_home"],
            instance_config_map=config["instance_config_map"],
            postgres_password_secret=config["postgres_password_secret"],
        ),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run-1",
        user_defined_k8s_config=merged_context.run_k8s_config,
        component="run_worker",
    )
    return ApiClient().sanitize_for_serialization(job)  # type: ignore[no-any-return]


@pytest.mark.parametrize("overlays", [(), ("values-minikube.yaml",), ("values-eks.yaml",)])
def test_pod_of_a_run_has_what_the_values_promise(overlays: tuple[str, ...]) -> None:
    merged = values(*overlays)
    job = run_job(merged)
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (0, 7200)
    (pod,) = pods(job)
    check_pod(pod)
    assert pod["serviceAccountName"] == "hydro"
    container = pod["containers"][0]
    wanted = merged["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["containerConfig"]
    assert container["resources"] == wanted["resources"]
    sources = json.dumps(container["envFrom"])
    assert '{"configMapRef": {"name": "hydro"}}' in sources
    assert '{"secretRef": {"name": "hydro"}}' in sources
    env = {e["name"]: e for e in container["env"]}
    assert env["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"]["optional"] is True
    assert env["DAGSTER_PG_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "hydro-postgres"
    assert not list(plain_secrets(job))


def test_resources_of_the_code_server_would_win_over_those_of_the_runs() -> None:
    merged = values()
    merged["dagster-user-deployments"]["deployments"][0]["resources"] = {"limits": {"cpu": "9"}}
    (pod,) = pods(run_job(merged))
    assert pod["containers"][0]["resources"]["limits"]["cpu"] == "9"


def test_long_lived_pods_are_restricted_and_limited() -> None:
    merged = values()
    (code_server,) = merged["dagster-user-deployments"]["deployments"]
    limits = next(m for m in merged["extraManifests"] if m["kind"] == "LimitRange")
    (default,) = limits["spec"]["limits"]
    for part, resources in (
        (merged["dagsterWebserver"], merged["dagsterWebserver"]["resources"]),
        (merged["dagsterDaemon"], merged["dagsterDaemon"]["resources"]),
        (code_server, {"requests": default["defaultRequest"], "limits": default["default"]}),
    ):
        check_pod(
            {
                "securityContext": part["podSecurityContext"],
                "volumes": part["volumes"],
                "containers": [part | {"resources": resources}],
            }
        )
        assert part["envSecrets"] == part["envConfigMaps"] == [{"name": "hydro"}]
    port = merged["dagsterWebserver"]["service"]["port"]
    assert port >= 1024
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert merged["dagsterWebserver"][probe]["httpGet"]["port"] == port


def test_extra_manifests_are_valid() -> None:
    merged = values()
    text = yaml.safe_dump_all(merged["extraManifests"], width=1000)
    for key in ("repository", "tag"):
        text = text.replace(
            f"{{{{ .Values.dagsterWebserver.image.{key} }}}}",
            merged["dagsterWebserver"]["image"][key],
        )
    assert "{{" not in text
    manifests = list(yaml.safe_load_all(text))
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        for pod in pods(manifest):
            check_pod(pod)
    assert [m["kind"] for m in manifests] == ["LimitRange", "NetworkPolicy", "Job"]
    assert manifests[2]["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
