"""terraform/aws applied to a server that stands in for AWS, and destroyed again."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.support.terraform import TERRAFORM, needs_terraform, terraform

OIDC = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"
MIRRORS = [
    os.environ.get("TF_PLUGIN_MIRROR", ""),
    "/opt/tf-plugins",
    "~/.terraform.d/plugins",
    "/usr/share/terraform/plugins",
]
"""Where a filesystem mirror of providers may be."""


def mirror() -> Path:
    """A filesystem mirror with the AWS provider; skips the test where there is none."""
    for text in filter(None, MIRRORS):
        path = Path(text).expanduser()
        if any(path.glob("*/hashicorp/aws/5.*")):
            return path
    pytest.skip("no mirror with hashicorp/aws 5 (set TF_PLUGIN_MIRROR)")


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str], str]]:
    """A copy of terraform/aws that talks to a moto server; its environment; the server's URL."""
    plugins = mirror()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    directory = tmp_path / "aws"
    shutil.copytree(TERRAFORM / "aws", directory, ignore=shutil.ignore_patterns(".terraform*"))
    (directory / "server_override.tf").write_text(f"""
provider "aws" {{
  access_key                  = "test"
  secret_key                  = "test"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {{
    s3  = "{url}"
    iam = "{url}"
    sts = "{url}"
  }}
}}
""")
    configuration = tmp_path / "terraformrc"
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{plugins}" }}\n}}\n'
    )
    variables = {"bucket": "my-hydro", "oidc_provider_arn": OIDC, "keep_old_versions_days": 9}
    (directory / "terraform.tfvars.json").write_text(json.dumps(variables))
    yield directory, {"TF_CLI_CONFIG_FILE": str(configuration)}, url
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_terraform
def test_bucket_and_role_are_made_once_as_described_and_destroyed(
    aws: tuple[Path, dict[str, str], str],
) -> None:
    directory, env, url = aws
    terraform(directory, "init", env=env)
    terraform(directory, "validate", env=env)
    terraform(directory, "apply", "-auto-approve", env=env)
    again = terraform(directory, "plan", "-detailed-exitcode", "-no-color", env=env)
    assert "No changes." in again
    outputs = {
        k: v["value"]
        for k, v in json.loads(terraform(directory, "output", "-json", env=env)).items()
    }
    assert outputs["platform"]["service_account_annotations"] == {
        "eks.amazonaws.com/role-arn": outputs["role_arn"]
    }
    check_bucket(client("s3", url))
    check_role(client("iam", url), outputs)
    terraform(directory, "destroy", "-auto-approve", env=env)
    left = {bucket["Name"] for bucket in client("s3", url).list_buckets()["Buckets"]}
    assert "my-hydro" not in left, "moto keeps the buckets of a process's other tests too"
    assert client("iam", url).list_roles()["Roles"] == []
    assert client("iam", url).list_policies(Scope="Local")["Policies"] == []


def client(service: str, url: str) -> Any:
    """A client of the server."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def check_bucket(s3: Any) -> None:
    bucket = {"Bucket": "my-hydro"}
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    block = s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    rules = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]}
    ours = rules["hydro-pipeline"]
    assert ours["NoncurrentVersionExpiration"]["NoncurrentDays"] == 9
    assert ours["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
    assert rules["dagster-logs"]["Filter"]["Prefix"] == "dagster-logs/"
    policy = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    statement = policy[0] if isinstance(policy, list) else policy
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def check_role(iam: Any, outputs: dict[str, Any]) -> None:
    name = outputs["role_arn"].split("/")[-1]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    (statement,) = trust if isinstance(trust, list) else [trust]
    issuer = OIDC.split("oidc-provider/")[1]
    assert statement["Condition"]["StringEquals"] == {
        f"{issuer}:sub": "system:serviceaccount:hydro:hydro",
        f"{issuer}:aud": "sts.amazonaws.com",
    }
    version = iam.get_policy_version(PolicyArn=outputs["policy_arn"], VersionId="v1")
    statements = version["PolicyVersion"]["Document"]["Statement"]
    allowed = {s["Sid"]: s for s in statements}
    assert set(allowed) == {"Bucket", "Objects"}
    assert allowed["Objects"]["Resource"] == "arn:aws:s3:::my-hydro/*"
    assert not any("*" in a for s in statements for a in s["Action"])
