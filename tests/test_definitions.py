"""What Dagster is told when it loads the definitions: of no area, of broken ones, of settings."""

import pytest

from hydro_pipeline import definitions
from hydro_pipeline.area.area import Area
from hydro_pipeline.defs.names import key
from hydro_pipeline.errors import AreaError, SettingError, StoreAccessError
from hydro_pipeline.usecases.pipeline import Pipeline


def test_definitions_of_a_fresh_clone_say_how_to_begin(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HYDRO_ROOT", str(tmp_path))
    assert not definitions.defs().resolve_all_asset_keys()
    assert "hydro area set" in caplog.text


def test_definitions_say_at_once_which_setting_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRO_ROOT", str(tmp_path))
    monkeypatch.setenv("HYDRO_LATENCY_DAYS", "soon")
    with pytest.raises(SettingError, match="HYDRO_LATENCY_DAYS='soon'"):
        definitions.defs()


def test_definitions_say_at_once_that_the_store_cannot_be_reached(monkeypatch, s3):
    for name, value in {**s3.environment, "HYDRO_ROOT": "s3://no-such-bucket/x"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreAccessError, match="no-such-bucket"):
        definitions.defs()


def test_definitions_of_unknown_areas_alone_fail(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRO_ROOT", str(tmp_path))
    monkeypatch.setenv("HYDRO_AREAS", "atlantis")
    with pytest.raises(AreaError, match="hydro area set atlantis"):
        definitions.defs()


def test_broken_area_does_not_hold_back_another(settings, monkeypatch, caplog):
    pipeline = Pipeline(settings)
    pipeline.put_area(Area.from_bbox("farm", (5.0, 51.0, 5.02, 51.02)))
    pipeline.store.put("inputs/broken/area.geojson", b"{")
    monkeypatch.setenv("HYDRO_ROOT", settings.root)
    keys = definitions.defs().resolve_all_asset_keys()
    assert {key("farm", "composite"), key("farm", "field_stats")} < set(keys)
    assert "broken" in caplog.text
