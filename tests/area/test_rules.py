"""What is an area's own is stored with it, and wins over the environment."""

import json

import pytest

from hydro_pipeline.area.area import Area
from hydro_pipeline.area.rules import rules_of
from hydro_pipeline.area.settings import settings_of
from hydro_pipeline.errors import AreaError
from hydro_pipeline.settings import Settings

BOX = (5.0, 51.0, 5.02, 51.02)


def area(**given):
    return Area.from_bbox("farm", BOX, rules=rules_of("farm", given))


def test_rules_come_back_from_the_stored_area():
    made = area(variables="ndmi,nir", cloud_buffer_m=0.0, max_age_days=30)
    again = Area.from_geojson("farm", made.to_geojson())
    assert again == made
    assert again.rules == (
        ("variables", "ndmi,nir"), ("cloud_buffer_m", "0.0"), ("max_age_days", "30"),
    )  # fmt: skip


def test_an_area_without_rules_is_stored_as_ever():
    stored = json.loads(area().to_geojson())["properties"]
    assert stored.keys() == {"name", "crs", "resolution"}


def test_rules_win_over_the_settings_and_all_else_stays(monkeypatch):
    monkeypatch.setenv("HYDRO_CLOUD_BUFFER_M", "20")
    monkeypatch.setenv("HYDRO_VARIABLES", "evi")
    settings = Settings.load(root="here", zonal_weights="centre", alert_webhook="https://x.example")
    assert settings_of(area(), settings) is settings
    own = settings_of(area(variables="ndmi,nir", clear_classes="4,5"), settings)
    assert own.variables == ("ndmi", "nir")
    assert own.clear_classes == (4, 5)
    assert own.cloud_buffer_m == 20
    assert own.product.names == ("ndmi", "nir", "observed_on")
    same = set(Settings.model_fields) - {"variables", "clear_classes"}
    assert {n: getattr(own, n) for n in same} == {n: getattr(settings, n) for n in same}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"variables": "lst"}, "area farm: in its own rules, HYDRO_VARIABLES='lst': there is no"),
        ({"max_age_days": "soon"}, "area farm: in its own rules, HYDRO_MAX_AGE_DAYS='soon'"),
        ({"collection": "modis"}, "HYDRO_COLLECTION='modis': the collection 'modis' is not known"),
    ],
)
def test_a_wrong_rule_is_told_with_the_area(given, sentence):
    with pytest.raises(AreaError) as refused:
        settings_of(area(**given), Settings.load())
    assert sentence in str(refused.value)


def test_a_rule_that_is_not_known_is_refused():
    document = json.loads(area().to_geojson())
    document["properties"]["rules"] = {"haze": "off"}
    with pytest.raises(AreaError, match="rules that are not known, haze; known are collection"):
        Area.from_geojson("farm", json.dumps(document))
    document["properties"]["rules"] = ["variables"]
    with pytest.raises(AreaError, match=r"its rules are .*, no object"):
        Area.from_geojson("farm", json.dumps(document))
