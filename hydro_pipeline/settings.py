"""The `HYDRO_*` environment, read and validated once."""

import datetime as dt
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hydro_pipeline import indices
from hydro_pipeline.errors import SettingError
from hydro_pipeline.outside.urls import check_address, shown
from hydro_pipeline.product import Product
from hydro_pipeline.sensors import SENTINEL_2, sensor

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"

CommaSeparated = NoDecode


class ZonalWeights(StrEnum):
    """How much a pixel counts in a field."""

    COVERAGE = "coverage"
    """The fraction of the pixel that the field covers, 0 to 1."""
    CENTRE = "centre"
    """1 where the pixel's centre lies in the field, else 0."""


class OffsetCheck(StrEnum):
    """What to do when a scene's pixels contradict its offset flag."""

    WARN = "warn"
    FAIL = "fail"
    OFF = "off"


class Settings(BaseSettings):
    """All settings. Each is the environment variable `HYDRO_<NAME>`.

    Raises `SettingError` from `Settings.load` when a value cannot be used.
    """

    model_config = SettingsConfigDict(env_prefix="HYDRO_", frozen=True, extra="ignore")

    root: str = Field(
        default="./hydro-data",
        description="Where everything is stored: a directory, or `s3://bucket/prefix`.",
    )
    s3_endpoint_url: str | None = Field(
        default=None, description="Endpoint of an S3-compatible server; unset: AWS."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: SecretStr | None = Field(
        default=None, description="Access key; unset: the default AWS credential chain."
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="Secret key that belongs to the access key."
    )
    catalog: str = Field(
        default=EARTH_SEARCH,
        description="Root of a STAC API, or path or URL of a static ItemCollection "
        "whose asset hrefs are relative to it.",
    )
    catalog_login: SecretStr | None = Field(
        default=None,
        description="`name:password` of the catalog, sent to its own host alone; may stand in its "
        "address too.",
    )
    trusted: Annotated[tuple[str, ...], CommaSeparated] = Field(
        default=(),
        description="Hosts inside a network or without TLS, and folders of this machine, that "
        "imagery is read from though the catalog is elsewhere, comma separated.",
    )
    ca_file: str | None = Field(
        default=None,
        description="Certificates (PEM) of private authorities, trusted besides the public ones by "
        "catalog, imagery and bucket; workers of a Dask cluster need it at the same path.",
    )
    collection: str = Field(default=SENTINEL_2.collection, description="STAC collection to search.")
    variables: Annotated[tuple[str, ...], CommaSeparated] = Field(
        default=("ndvi",),
        description="What is measured, comma separated: indices and bands by name (`hydro "
        "variables` lists them); maps and short tables show the first.",
    )
    areas: Annotated[tuple[str, ...], CommaSeparated] = Field(
        default=(), description="Names of the areas, comma separated; unset: all areas in the root."
    )
    start_date: dt.date | None = Field(
        default=None,
        description="First day of every cube; unset: the first day that is run.",
    )
    clear_classes: Annotated[tuple[int, ...], CommaSeparated] = Field(
        default=SENTINEL_2.mask.clear,
        description="Scene classification (SCL) classes that count as clear, comma separated.",
    )
    cloud_buffer_m: float = Field(
        default=SENTINEL_2.mask.buffer_m,
        ge=0,
        le=5000,
        description="Pixels this near to a cloud or its shadow are not clear, metres.",
    )
    max_age_days: int | None = Field(
        default=None,
        ge=0,
        le=32767,
        description="A carried value older than this becomes nodata, days; unset: never.",
    )
    zonal_weights: ZonalWeights = Field(
        default=ZonalWeights.COVERAGE,
        description="How a pixel counts in a field: `coverage` (its covered fraction) "
        "or `centre` (1 if its centre is inside).",
    )
    offset_check: OffsetCheck = Field(
        default=OffsetCheck.WARN,
        description="When a scene's pixels contradict its offset flag: `warn`, `fail` or `off`.",
    )
    requester_pays: bool = Field(
        default=False, description="Pay for reads of `s3://` imagery in requester-pays buckets."
    )
    latency_days: int = Field(
        default=2,
        ge=0,
        le=60,
        description="Days to wait for a day's scenes to be published before it is run.",
    )
    lookback_days: int = Field(
        default=14, ge=0, le=90, description="How many days back late scenes are looked for."
    )
    skip_after_failures: int | None = Field(
        default=None,
        ge=1,
        description="After so many final failures of a day in a row it is made without the scene "
        "that failed; unset: the operator decides, by `hydro scenes skip`.",
    )
    dask_scheduler: str | None = Field(
        default=None,
        description="Address of a Dask scheduler, `tcp://host:8786`, whose workers read and "
        "compute; unset: threads of the run itself.",
    )
    alert_webhook: SecretStr | None = Field(
        default=None, description="Slack-compatible URL that failures are posted to; unset: off."
    )
    ui_url: str = Field(
        default="http://127.0.0.1:3000",
        description="Address of the Dagster UI, for the links in alerts.",
    )

    @model_validator(mode="before")
    @classmethod
    def _login_of_catalog(cls, values: Any) -> Any:
        """A login in the catalog's address becomes the setting that is never shown."""
        source = values.get("catalog")
        match = isinstance(source, str) and re.match(r"(https?://)([^/?#]*)@(.*)", source, re.S)
        if not match:
            return values
        name, _, password = match[2].partition(":")
        login = f"{unquote(name)}:{unquote(password)}"
        return {**values, "catalog": match[1] + match[3], "catalog_login": login}

    @field_validator("areas", "clear_classes", "trusted", "variables", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "start_date",
        "max_age_days",
        "skip_after_failures",
        "dask_scheduler",
        "s3_endpoint_url",
        "s3_access_key_id",
        "s3_secret_access_key",
        "alert_webhook",
        "catalog_login",
        "ca_file",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("areas")
    @classmethod
    def _area_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise ValueError(f"area name {name!r} may only hold letters, digits and _")
        return value

    @field_validator("collection")
    @classmethod
    def _known_collection(cls, value: str) -> str:
        return sensor(value).collection

    @field_validator("variables")
    @classmethod
    def _known_variables(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        of = sensor(info.data.get("collection", SENTINEL_2.collection))
        return tuple(variable.name for variable in indices.variables(value, of))

    @field_validator("clear_classes")
    @classmethod
    def _scl_classes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(not 1 <= c <= 11 for c in value):
            raise ValueError("give SCL classes from 1 to 11, for example 4,5,6")
        return tuple(sorted(set(value)))

    @field_validator("dask_scheduler")
    @classmethod
    def _scheduler_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(tcp|tls|ws|wss)://[^/@\s]+:\d+/?", value):
            raise ValueError("give the address of a Dask scheduler, for example tcp://host:8786")
        return value

    @field_validator("catalog")
    @classmethod
    def _catalog_address(cls, value: str) -> str:
        if value.startswith(("http://", "https://")):
            check_address(value)
        return value

    @field_validator("s3_endpoint_url", "ui_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            check_address(value)
        return value

    @field_validator("catalog_login")
    @classmethod
    def _name_and_password(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" not in value.get_secret_value():
            raise ValueError("give name:password")
        return value

    @field_validator("ca_file")
    @classmethod
    def _certificates(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                text = Path(value).read_bytes()
            except OSError as error:
                raise ValueError(f"cannot be read: {error.strerror}") from None
            if b"-----BEGIN CERTIFICATE-----" not in text:
                raise ValueError("holds no certificate in PEM")
        return value

    @field_validator("root")
    @classmethod
    def _root(cls, value: str) -> str:
        value = value.rstrip("/") or "/"
        if value.startswith("s3:"):
            if not value.removeprefix("s3://").split("/")[0] or not value.startswith("s3://"):
                raise ValueError("give s3://bucket or s3://bucket/prefix")
        elif "://" in value:
            raise ValueError("give a directory or s3://bucket/prefix")
        return value

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Settings from the environment, with `overrides` by field name on top.

        Raises `SettingError` naming every wrong variable and its value.
        """
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            problems = "; ".join(
                f"HYDRO_{'_'.join(str(p) for p in e['loc'][:1]).upper()}={_input(e)}: "
                f"{e['msg'].removeprefix('Value error, ')}"
                for e in error.errors(include_url=False)
            )
            raise SettingError(problems) from None
        if (settings.s3_access_key_id is None) != (settings.s3_secret_access_key is None):
            raise SettingError(
                "HYDRO_S3_ACCESS_KEY_ID and HYDRO_S3_SECRET_ACCESS_KEY: set both, or neither"
            )
        return settings

    @property
    def product(self) -> Product:
        """What is measured, by these settings."""
        return indices.product(
            self.variables, sensor(self.collection), self.clear_classes, self.cloud_buffer_m
        )

    @property
    def catalog_is_api(self) -> bool:
        """True if `catalog` is a STAC API root, False if it is a static ItemCollection."""
        return self.catalog.startswith(("http://", "https://")) and Path(
            self.catalog
        ).suffix.lower() not in {".json", ".geojson"}


def _input(error: Any) -> str:
    """What was given, as people may see it."""
    name = str(error["loc"][0]) if error["loc"] else ""
    field = Settings.model_fields.get(name)
    if field is not None and "SecretStr" in str(field.annotation):
        return "(hidden)"
    return shown(repr(error.get("input")))
