"""What the values lead to: Dagster's instance, the pods of the runs, the long-lived pods."""

import json
import re
from ipaddress import ip_address, ip_network
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


def snake_key(key: str) -> str:
    """A key from the chart's camelCase to dagster.yaml's snake_case."""
    return re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", key)


def snake(tree: Any) -> Any:
    """Keys to dagster.yaml's, as the templates do."""
    if isinstance(tree, dict):
        return {snake_key(k): snake(v) for k, v in tree.items()}
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
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": False}
    launcher = merged["runLauncher"]["config"]["k8sRunLauncher"]
    as_given = ("labels", "volumes", "volumeMounts")
    named = ("envConfigMaps", "envSecrets")
    config = snake(
        {k: v for k, v in launcher.items() if k not in (*as_given, *named, "runK8sConfig")}
    ) | {
        **{snake_key(k): launcher[k] for k in as_given},
        "env_secrets": [e["name"] for e in launcher["envSecrets"]],
        "env_config_maps": ["dagster-pipeline-env"]
        + [e["name"] for e in launcher["envConfigMaps"]],
        "run_k8s_config": {snake_key(k): v for k, v in launcher["runK8sConfig"].items()},
        "service_account_name": merged["global"]["serviceAccountName"],
        "job_namespace": "hydro",
        "dagster_home": merged["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": merged["global"]["postgresqlSecretName"],
    }
    schema = K8sRunLauncher.config_type()  # type: ignore[no-untyped-call]
    processed = process_config(schema, config)
    assert processed.success, processed.errors
    context: dict[str, Any] = {}
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
    assert pod["automountServiceAccountToken"] is False
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


def test_long_lived_pods_are_restricted_and_limited() -> None:
    merged = values()
    (code_server,) = merged["dagster-user-deployments"]["deployments"]
    for part in (merged["dagsterWebserver"], merged["dagsterDaemon"], code_server):
        check_pod(
            {
                "securityContext": part["podSecurityContext"],
                "volumes": part["volumes"],
                "containers": [part],
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
    assert [m["kind"] for m in manifests] == [
        "LimitRange",
        "NetworkPolicy",
        "Job",
        "NetworkPolicy",
    ]
    assert manifests[2]["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


def egress(merged: dict[str, Any]) -> dict[str, Any]:
    """The policy of where pods may connect to."""
    (policy,) = (m for m in merged["extraManifests"] if m["metadata"]["name"] == "hydro-egress")
    return policy["spec"]  # type: ignore[no-any-return]


def chosen(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector matches."""
    meets = {"In": lambda v, of: v in of, "NotIn": lambda v, of: v not in of}
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
        meets[e["operator"]](labels.get(e["key"]), e["values"])
        for e in selector.get("matchExpressions", [])
    )


def reaches(spec: dict[str, Any], address: str, port: int) -> bool:
    """Whether a policy lets pods connect to an address outside of what selectors match."""
    to = ip_address(address)
    return any(
        to in ip_network(block["cidr"])
        and not any(to in ip_network(without) for without in block.get("except", []))
        for rule in spec["egress"]
        if port in [p["port"] for p in rule["ports"] if p["protocol"] == "TCP"]
        for block in (t["ipBlock"] for t in rule["to"] if "ipBlock" in t)
    )


@pytest.mark.parametrize(
    ("address", "port", "allowed"),
    [
        ("35.85.200.1", 443, True),
        ("2600:1f14::1", 443, True),
        ("35.85.200.1", 80, False),
        ("169.254.169.254", 443, False),
        ("169.254.169.254", 80, False),
        ("169.254.170.2", 443, False),
        ("fd00:ec2::254", 443, False),
        ("fe80::1", 443, False),
        ("::1", 443, False),
        ("::ffff:169.254.169.254", 443, False),
        ("64:ff9b::a9fe:a9fe", 443, False),
        ("2002:a9fe:a9fe::", 443, False),
        ("127.0.0.1", 443, False),
        ("10.96.0.1", 443, False),
        ("172.20.0.1", 443, False),
        ("192.168.49.2", 443, False),
        ("100.64.0.1", 443, False),
        ("0.0.0.0", 443, False),
        ("224.0.0.1", 443, False),
    ],
)
def test_pods_reach_public_https_and_nothing_private(
    address: str, port: int, allowed: bool
) -> None:
    assert reaches(egress(values()), address, port) is allowed


def test_egress_is_limited_for_runs_code_and_jobs_and_open_to_store_database_and_dns() -> None:
    merged = values()
    spec = egress(merged)
    assert spec["policyTypes"] == ["Egress"]
    seed = yaml.safe_load((ROOT / "k8s/seed/job.yaml").read_text())
    (code_server,) = merged["dagster-user-deployments"]["deployments"]
    for labels in (
        run_job(merged)["spec"]["template"]["metadata"]["labels"],
        seed["spec"]["template"]["metadata"]["labels"],
        code_server["labels"] | {"app.kubernetes.io/name": "dagster-user-deployments"},
    ):
        assert chosen(spec["podSelector"], labels)
    for name in ("minio", "postgres"):
        service = yaml.safe_load((ROOT / f"k8s/{name}/service.yaml").read_text())["spec"]
        assert not chosen(spec["podSelector"], service["selector"])
        assert any(
            chosen(to["podSelector"], service["selector"])
            and {"port": service["ports"][0]["port"], "protocol": "TCP"} in rule["ports"]
            for rule in spec["egress"]
            for to in rule["to"]
            if "podSelector" in to and "namespaceSelector" not in to
        )
    inside = [to for r in spec["egress"] for to in r["to"] if "podSelector" in to]
    assert all(to["podSelector"]["matchLabels"] for to in inside)
    (dns,) = (to for to in inside if "namespaceSelector" in to)
    assert dns["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
