"""Buckets of the S3 server that the tests start."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from hydro_pipeline.settings import Settings


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of a moto server on loopback."""

    name: str
    endpoint: str
    client: Any
    """A boto3 S3 client of the server."""

    @property
    def environment(self) -> dict[str, str]:
        """The `HYDRO_*` variables that lead to the bucket, for child processes."""
        return {
            "HYDRO_ROOT": f"s3://{self.name}/data",
            "HYDRO_S3_ENDPOINT_URL": self.endpoint,
            "HYDRO_S3_REGION": "us-east-1",
            "HYDRO_S3_ACCESS_KEY_ID": "testing",
            "HYDRO_S3_SECRET_ACCESS_KEY": "testing",
        }

    def settings(self, **overrides: Any) -> Settings:
        """Settings whose root is in the bucket, with `overrides` by field name."""
        ours = {k.removeprefix("HYDRO_").lower(): v for k, v in self.environment.items()}
        return Settings.load(**(ours | overrides))

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Put what a root in a directory holds under a prefix, so that it is one in the bucket."""
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(folder)
            if path.is_file() and key.parts[0] != ".locks":
                body = path.read_bytes()
                self.client.put_object(Bucket=self.name, Key=f"{prefix}/{key}", Body=body)

    def keys(self) -> list[str]:
        """Every key in the bucket, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(o["Key"] for page in pages for o in page.get("Contents", []))


def make_bucket(s3_server: str) -> Bucket:
    """A new, empty, versionless bucket on the server."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(name, s3_server, client)
