"""Settings: one clear error for each wrong value, before any work."""

import pytest
from pydantic import ValidationError

from hydro_pipeline.cli.terminal import settings_rows
from hydro_pipeline.errors import SettingError
from hydro_pipeline.settings import EARTH_SEARCH, Settings, ZonalWeights


def test_defaults():
    settings = Settings.load()
    assert settings.root == "./hydro-data"
    assert settings.catalog == EARTH_SEARCH
    assert settings.clear_classes == (2, 4, 5, 6, 7)
    assert settings.cloud_buffer_m == 60
    assert settings.max_age_days is None
    assert (settings.latency_days, settings.lookback_days) == (2, 14)
    assert settings.zonal_weights is ZonalWeights.COVERAGE
    assert settings.requester_pays is False
    with pytest.raises(ValidationError, match="frozen"):
        settings.latency_days = 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HYDRO_ROOT", "gs://bucket"),
        ("HYDRO_ROOT", "s3://"),
        ("HYDRO_ROOT", "s3:/bucket"),
        ("HYDRO_AREAS", "a,b c"),
        ("HYDRO_START_DATE", "yesterday"),
        ("HYDRO_CLEAR_CLASSES", "4,x"),
        ("HYDRO_CLEAR_CLASSES", "0"),
        ("HYDRO_CLEAR_CLASSES", "12"),
        ("HYDRO_CLEAR_CLASSES", ","),
        ("HYDRO_CLOUD_BUFFER_M", "-1"),
        ("HYDRO_CLOUD_BUFFER_M", "wide"),
        ("HYDRO_MAX_AGE_DAYS", "-3"),
        ("HYDRO_ZONAL_WEIGHTS", "center"),
        ("HYDRO_OFFSET_CHECK", "maybe"),
        ("HYDRO_LATENCY_DAYS", "1.5"),
        ("HYDRO_SKIP_AFTER_FAILURES", "0"),
        ("HYDRO_DASK_SCHEDULER", "host:8786"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        Settings.load()
    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert value.split(",")[-1] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("cloud_buffer_m", 5000),
        ("max_age_days", 32767),
        ("latency_days", 60),
        ("lookback_days", 90),
    ],
)
def test_a_value_from_none_to_the_most(name, most):
    for value in (0, most):
        assert getattr(Settings.load(**{name: value}), name) == value
    for value in (-1, most + 1):
        with pytest.raises(SettingError, match=f"HYDRO_{name.upper()}={value}"):
            Settings.load(**{name: value})


def test_a_scene_may_be_skipped_after_its_first_failure():
    assert Settings.load(skip_after_failures=1).skip_after_failures == 1


def test_every_wrong_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("HYDRO_LATENCY_DAYS", "x")
    monkeypatch.setenv("HYDRO_ZONAL_WEIGHTS", "y")
    with pytest.raises(SettingError, match=r"HYDRO_ZONAL_WEIGHTS.*; HYDRO_LATENCY_DAYS"):
        Settings.load()


def test_half_a_pair_of_keys(monkeypatch):
    monkeypatch.setenv("HYDRO_S3_ACCESS_KEY_ID", "key")
    with pytest.raises(SettingError, match="set both, or neither") as caught:
        Settings.load()
    assert "key'" not in str(caught.value)


def test_empty_is_unset(monkeypatch):
    for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "START_DATE", "MAX_AGE_DAYS", "AREAS"):
        monkeypatch.setenv(f"HYDRO_{name}", "")
    settings = Settings.load()
    assert settings.s3_endpoint_url is None
    assert settings.s3_access_key_id is None
    assert settings.start_date is None
    assert settings.max_age_days is None
    assert settings.areas == ()


def test_keys_do_not_show():
    settings = Settings.load(s3_access_key_id="id", s3_secret_access_key="hush")
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("catalog", "is_api"),
    [
        (EARTH_SEARCH, True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.0.0.1/items.json", False),
        ("items.json", False),
        ("s3://bucket/items.json", False),
    ],
)
def test_what_kind_of_catalog(catalog, is_api):
    assert Settings.load(catalog=catalog).catalog_is_api is is_api


SECRET = "sw0rd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("catalog", f"https://stac.example.com/v1?token={SECRET}"),
        ("catalog", f"https://me:{SECRET}@stac.example.com/v1?token={SECRET}"),
        ("catalog", f"https://stac.example.com/v1#{SECRET}"),
        ("s3_endpoint_url", f"https://me:{SECRET}@minio:9000"),
        ("ui_url", f"https://{SECRET}@ui.example.com"),
        ("dask_scheduler", f"tls://me:{SECRET}@host:8786"),
        ("catalog_login", SECRET),
    ],
)
def test_secrets_in_addresses_are_refused_without_being_shown(name, value):
    with pytest.raises(SettingError, match=f"HYDRO_{name.upper()}=") as error:
        Settings.load(**{name: value})
    assert SECRET not in str(error.value)


def test_a_login_in_the_catalogs_address_is_kept_apart(monkeypatch):
    monkeypatch.setenv("HYDRO_CATALOG", f"https://me%40home:{SECRET}%2F@stac.example.com/v1")
    settings = Settings.load()
    assert settings.catalog == "https://stac.example.com/v1"
    assert settings.catalog_login.get_secret_value() == f"me@home:{SECRET}/"
    for text in (repr(settings), str(settings_rows(settings)), settings.model_dump_json()):
        assert SECRET not in text


def test_a_file_of_authorities_is_one(tmp_path):
    with pytest.raises(SettingError, match=r"HYDRO_CA_FILE=.*No such file"):
        Settings.load(ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(SettingError, match="holds no certificate"):
        Settings.load(ca_file=str(tmp_path / "empty.pem"))
