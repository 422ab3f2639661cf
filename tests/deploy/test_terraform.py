"""The Terraform roots: names resolve, the platform's values are right, the bucket can be made."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import kubernetes_validate
import pytest
import yaml

from tests.support.chart_keys import CHART, unknown_keys
from tests.support.deployment import K8S, KUBERNETES, ROOT, overlay, plain_secrets, values
from tests.support.terraform import TERRAFORM, needs_terraform, terraform

PLATFORM = TERRAFORM / "modules" / "platform"
MODULES = [TERRAFORM, TERRAFORM / "existing", PLATFORM, TERRAFORM / "aws"]
NAMES = [p.relative_to(TERRAFORM).as_posix() for p in MODULES]


def blocks(directory: Path, kind: str) -> dict[str, Any]:
    """Blocks of a kind in a module, by their labels joined with a dot."""
    found: dict[str, Any] = {}
    for path in sorted(directory.glob("*.tf")):
        for block in hcl2.loads(path.read_text()).get(kind, []):
            found |= dict(labelled(block, 2 if kind in ("resource", "data") else 1))
    return found


def labelled(block: dict[str, Any], labels: int) -> Iterator[tuple[str, Any]]:
    """The bodies in a block of `labels` nested labels, each with its labels."""
    for name, body in block.items():
        if labels == 1:
            yield name.strip('"'), body
        else:
            yield from (
                (f"{name}.{rest}".replace('"', ""), b) for rest, b in labelled(body, labels - 1)
            )


def local_names(directory: Path) -> set[str]:
    """Names of all locals of a module."""
    bodies = [
        b for p in directory.glob("*.tf") for b in hcl2.loads(p.read_text()).get("locals", [])
    ]
    return {name for body in bodies for name in body if not name.startswith("__")}


def code(directory: Path) -> str:
    """All code of a module, without comments and without the texts of strings that are no code."""
    text = "\n".join(p.read_text() for p in sorted(directory.glob("*.tf")))
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("directory", MODULES, ids=NAMES)
def test_every_reference_resolves_and_every_variable_is_used(directory: Path) -> None:
    text = code(directory)
    variables, resources, data = (
        set(blocks(directory, kind)) for kind in ("variable", "resource", "data")
    )
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    assert set(re.findall(r"\blocal\.(\w+)", text)) == local_names(directory)
    kinds = r"(?:kubernetes|helm|random|minikube|aws)_\w+|terraform_data"
    used = set(re.findall(rf"(?<![\w./-])((?:{kinds})\.\w+)", text))
    assert used <= resources
    assert set(re.findall(r"\bdata\.(\w+\.\w+)", text)) == data
    for name, output in re.findall(r"\bmodule\.(\w+)\.(\w+)", text):
        assert output in blocks(source(directory, name), "output")


def source(directory: Path, module: str) -> Path:
    """Directory of a module that is called in another."""
    path: str = blocks(directory, "module")[module]["source"].strip('"')
    return (directory / path).resolve()


@pytest.mark.parametrize("directory", MODULES[:2], ids=NAMES[:2])
def test_inputs_of_the_platform_exist_and_no_required_one_is_missing(directory: Path) -> None:
    given = {
        k
        for k in blocks(directory, "module")["platform"]
        if not k.startswith("__") and k not in ("source", "depends_on")
    }
    variables = blocks(source(directory, "platform"), "variable")
    assert given <= set(variables)
    assert {name for name, body in variables.items() if "default" not in body} <= given


def test_every_variable_of_the_platform_can_be_set_on_an_existing_cluster() -> None:
    platform, existing = blocks(PLATFORM, "variable"), blocks(TERRAFORM / "existing", "variable")
    assert set(platform) == set(existing) - {"kubeconfig", "context"}
    for name, body in platform.items():
        assert body["type"] == existing[name]["type"], name
        assert body.get("sensitive") == existing[name].get("sensitive"), name
        if name != "minio_storage":
            assert body.get("default", "none") == existing[name].get("default", "none"), name


@pytest.mark.parametrize("directory", MODULES, ids=NAMES)
def test_providers_are_declared_pinned_and_block_style(directory: Path) -> None:
    used = {r.split("_")[0] for r in blocks(directory, "resource")} - {"terraform"}
    (terraform,) = (
        t for p in directory.glob("versions.tf") for t in hcl2.loads(p.read_text())["terraform"]
    )
    (required,) = terraform["required_providers"]
    declared = {k for k in required if not k.startswith("__")}
    assert used <= declared
    assert ("minikube" in declared) == (directory == TERRAFORM)
    assert not any("kubernetes_manifest" in r for r in blocks(directory, "resource"))
    for name in declared & {"kubernetes", "helm"}:
        assert "< 3" in required[name]["version"]
    assert "kubernetes = {" not in code(directory).split("required_providers")[1].split("}\n}")[1]


def test_secrets_are_generated_or_sensitive_and_no_output_shows_them() -> None:
    for directory in MODULES:
        for name, body in blocks(directory, "variable").items():
            if re.search("key_id|secret_access|webhook|password", name):
                assert body["sensitive"] is True
                assert body["default"] in (None, "null")
        outputs = json.dumps(blocks(directory, "output"))
        assert not re.search("random_password|secret|webhook|access_key|client_", outputs)
    for name, body in blocks(PLATFORM, "resource").items():
        if name.startswith(("kubernetes_config_map", "helm_release")):
            assert not re.search("password|secret_access|webhook|key_id", json.dumps(body)), name


def test_defaults_are_those_of_the_manifests() -> None:
    variables = blocks(PLATFORM, "variable")
    for name in ("minio", "postgres"):
        text = (K8S / name / "statefulset.yaml").read_text()
        assert f"image: {variables[f'{name}_image']['default'].strip(chr(34))}\n" in text
        assert f"storage: {variables[f'{name}_storage']['default'].strip(chr(34))}\n" in text
    chart = values()
    for name in ("postgresql", "busybox"):
        image = chart[name]["image"]
        variable = variables["postgres_image" if name == "postgresql" else "busybox_image"]
        assert variable["default"].strip('"') == f"{image['repository']}:{image['tag']}"
    version = variables["dagster_chart_version"]["default"].strip('"')
    assert f"version {version}:" in (K8S / "values.yaml").read_text()


@needs_terraform
def test_code_is_formatted() -> None:
    terraform(TERRAFORM, "fmt", "-check", "-recursive", "-diff")


@needs_terraform
def test_the_image_is_named_after_every_file_that_goes_into_it(tmp_path: Path) -> None:
    """A file more of any kind, one changed or moved, is another image; caches are not."""
    text = (TERRAFORM / "main.tf").read_text()
    (locals_,) = re.findall(r"^locals \{.*?^\}", text, re.DOTALL | re.MULTILINE)
    given = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    for name in (*given, "Dockerfile", ".dockerignore"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.py[cod]")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path)
    files = {p for p in tmp_path.rglob("*") if p.is_file()}
    directory = tmp_path / "terraform"
    directory.mkdir()
    (directory / "main.tf").write_text(
        f"{locals_}\nvariable image {{\n  default = null\n}}\n"
        "output all {\n  value = [local.sources, local.image]\n}\n"
    )

    def image() -> tuple[set[Path], str]:
        terraform(directory, "apply", "-auto-approve", "-no-color")
        sources, name = json.loads(terraform(directory, "output", "-json", "all"))
        return {tmp_path / source for source in sources}, name

    sources, name = image()
    assert sources == files
    page = tmp_path / "hydro_pipeline" / "report"
    (page / "__pycache__").mkdir()
    (page / "__pycache__" / "x.cpython-312.pyc").write_text("x")
    (page / "x.pyc").write_text("x")
    assert image() == (sources, name)
    names = {name}
    for new, body in (("new.kind", "x"), ("new.kind", "y"), ("moved.kind", "y")):
        (page / new).write_text(body)
        sources, name = image()
        assert sources == files | {page / new}
        names.add(name)
        (page / new).unlink()
    assert len(names) == 4


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's variables and locals, which need no provider, with the locals as output."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not on the PATH")
    top = tmp_path_factory.mktemp("platform")
    shutil.copytree(K8S, top / "k8s")
    directory = top / "terraform" / "modules" / "platform"
    directory.mkdir(parents=True)
    for name in ("variables.tf", "locals.tf"):
        shutil.copy(PLATFORM / name, directory)
    shown = ["settings", "seed", "manifests", "seed_job", "dagster_values", "size_values", "root"]
    body = "\n".join(f"{name} = local.{name}" for name in shown)
    (directory / "output.tf").write_text(f'output "all" {{\n value = {{\n{body}\n }}\n}}\n')
    terraform(directory, "init")
    return directory


def evaluate(platform: Path, **variables: Any) -> Any:
    """The locals that follow from variables."""
    (platform / "terraform.tfvars.json").write_text(
        json.dumps({"image": "example.org:5000/hydro:1.2.3"} | variables)
    )
    terraform(platform, "apply", "-auto-approve", "-no-color")
    return json.loads(terraform(platform, "output", "-json", "all"))


def test_platform_with_minio(platform: Path) -> None:
    got = evaluate(
        platform,
        minio_image="example.org/s3:1",
        minio_storage="5Gi",
        max_concurrent_runs=7,
        settings={"HYDRO_LATENCY_DAYS": "3"},
    )
    assert got["settings"] == {
        "HYDRO_ROOT": "s3://hydro",
        "HYDRO_S3_ENDPOINT_URL": "http://minio:9000",
        "HYDRO_S3_REGION": "us-east-1",
        "HYDRO_START_DATE": "2026-06-01",
        "HYDRO_LATENCY_DAYS": "3",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    assert got["seed"] == {
        "demo.bbox": (K8S / "seed/demo.bbox").read_text(),
        "demo.geojson": (K8S / "seed/demo.geojson").read_text(),
    }
    merged = overlay(overlay(values(), got["dagster_values"]), got["size_values"])
    assert not list(unknown_keys(merged, CHART))
    assert not list(plain_secrets(merged))
    images = [merged[part]["image"] for part in ("dagsterWebserver", "dagsterDaemon")] + [
        merged["dagster-user-deployments"]["deployments"][0]["image"]
    ]
    wanted = {"repository": "example.org:5000/hydro", "tag": "1.2.3", "pullPolicy": "IfNotPresent"}
    assert images == [wanted] * 3
    assert merged["concurrency"]["runs"]["maxConcurrentRuns"] == 7
    assert merged["serviceAccount"]["create"] is False
    job = merged["extraManifests"][2]["spec"]["template"]["spec"]["containers"][0]
    assert job["image"] == "example.org:5000/hydro:1.2.3"
    manifests = [yaml.safe_load(t) for t in got["manifests"]["minio"]]
    original = [
        yaml.safe_load((K8S / "minio" / f"{n}.yaml").read_text())
        for n in ("service", "statefulset", "networkpolicy", "configmap", "user")
    ]
    pod = original[1]["spec"]
    for manifest in (original[1], original[4]):
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "example.org/s3:1"
    original[4]["metadata"]["annotations"] = manifests[4]["metadata"]["annotations"]
    assert original[4]["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    pod["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "5Gi"
    assert manifests == original
    seed = yaml.safe_load(got["seed_job"])
    kubernetes_validate.validate(seed, KUBERNETES, strict=True)
    assert seed["spec"]["template"]["spec"]["serviceAccountName"] == "hydro"
    assert (
        seed["spec"]["template"]["spec"]["containers"][0]["image"] == "example.org:5000/hydro:1.2.3"
    )
    assert seed["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"


def test_platform_with_another_bucket_digests_and_private_places(platform: Path) -> None:
    digest = "@sha256:" + "0a" * 32
    got = evaluate(
        platform,
        bucket="fields",
        image=f"example.org:5000/hydro:1.2.3{digest}",
        postgres_image=f"docker.io/library/postgres:17.6{digest}",
        private_egress=[{"cidr": "10.1.2.3/32", "port": 8443}],
    )
    *_, configmap, user = (yaml.safe_load(t) for t in got["manifests"]["minio"])
    allowed = json.loads(configmap["data"]["policy.json"])["Statement"]
    assert [s["Resource"] for s in allowed] == [["arn:aws:s3:::fields"], ["arn:aws:s3:::fields/*"]]
    env = user["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "BUCKET", "value": "fields"} in env
    merged = overlay(values(), got["dagster_values"])
    assert merged["dagsterDaemon"]["image"]["tag"] == f"1.2.3{digest}"
    assert merged["dagsterDaemon"]["image"]["repository"] == "example.org:5000/hydro"
    assert merged["postgresql"]["image"]["tag"] == f"17.6{digest}"
    rules = {m["metadata"]["name"]: m for m in merged["extraManifests"]}["hydro-egress"]["spec"]
    assert rules["egress"][0] == {
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "ports": [{"port": 8443, "protocol": "TCP"}, {"port": 8443, "protocol": "UDP"}],
    }
    given = {m["metadata"]["name"]: m for m in values()["extraManifests"]}
    assert rules["egress"][1:] == given["hydro-egress"]["spec"]["egress"]


def test_the_namespace_enforces_restricted_pods() -> None:
    labels = blocks(PLATFORM, "resource")["kubernetes_namespace_v1.this"]["metadata"][0]["labels"]
    found = {k.strip('"'): v.strip('"') for k, v in labels.items()}
    assert found["pod-security.kubernetes.io/enforce"] == "restricted"


def test_providers_that_are_at_hand_are_locked() -> None:
    text = (TERRAFORM / "aws" / ".terraform.lock.hcl").read_text()
    assert 'provider "registry.terraform.io/hashicorp/aws"' in text
    assert re.search(r'"h1:[A-Za-z0-9+/]{43}="', text)


def test_platform_with_a_bucket_of_aws(platform: Path) -> None:
    got = evaluate(
        platform,
        object_store="external",
        bucket="fields",
        prefix="ndvi/eu",
        s3_region="us-west-2",
        areas={"valley": {"bbox": "5.0,51.0,5.1,51.1"}},
    )
    assert got["settings"] == {
        "HYDRO_ROOT": "s3://fields/ndvi/eu",
        "HYDRO_S3_REGION": "us-west-2",
        "HYDRO_START_DATE": "2026-06-01",
        "AWS_DEFAULT_REGION": "us-west-2",
    }
    assert got["seed"] == {"valley.bbox": "5.0,51.0,5.1,51.1"}
    merged = overlay(values("values-eks.yaml"), got["dagster_values"])
    logs = merged["computeLogManager"]["config"]["s3ComputeLogManager"]
    assert (logs["bucket"], logs["prefix"]) == ("fields", "ndvi/eu/dagster-logs")
    assert "endpointUrl" not in logs


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"image": "hydro"}, "repository:tag"),
        ({"object_store": "gcs"}, "either minio or external"),
        ({"start_date": "2026-02-30"}, "is a day"),
        ({"areas": {"a-b": {"bbox": "1,2,3,4"}}}, "Area names"),
        ({"areas": {"a": {"bbox": "1,2,3"}}}, "four numbers"),
        ({"settings": {"HYDRO_S3_SECRET_ACCESS_KEY": "x"}}, "no secrets"),
        ({"s3_access_key_id": "x"}, "or neither"),
        ({"s3_endpoint_url": "minio:9000"}, "http(s)"),
        ({"prefix": "/a"}, "without a slash"),
        ({"image": "hydro:1@sha256:abc"}, "repository:tag"),
        ({"private_egress": [{"cidr": "10.1.2.3", "port": 443}]}, "cidr"),
    ],
)
def test_platform_refuses(platform: Path, variables: dict[str, Any], message: str) -> None:
    text = json.dumps({"image": "hydro:1"} | variables)
    (platform / "terraform.tfvars.json").write_text(text)
    said = terraform(platform, "plan", "-no-color", check=False)
    assert message in " ".join(said.replace("│", "").split())
