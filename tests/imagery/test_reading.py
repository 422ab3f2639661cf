"""Files that fail: the right pixels by trying again, or one error that names scene and file."""

import datetime as dt
import json
import os
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioIOError

from hydro_pipeline.errors import (
    CatalogUnavailableError,
    SceneError,
    SceneGoneError,
    SceneReadError,
)
from hydro_pipeline.imagery import gdal, reading
from hydro_pipeline.imagery.load import load, tiling_of
from hydro_pipeline.parallel import Tries
from hydro_pipeline.scenes.catalog import open_catalog
from hydro_pipeline.scenes.doors import Doors
from hydro_pipeline.scenes.http import Limits
from hydro_pipeline.scenes.scene import Scene
from hydro_pipeline.settings import Settings
from hydro_pipeline.simulation.answers import Answer
from hydro_pipeline.simulation.season import simulate
from hydro_pipeline.simulation.server import Fault, Request, StandIn
from hydro_pipeline.usecases.pipeline import Pipeline
from hydro_pipeline.usecases.status import status
from tests.support.areas import days_of
from tests.support.noise_scenes import ANYWHERE, computed
from tests.support.product import select

TRIES = reading.TRIES


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    options = {"MAX_RETRY": "1", "RETRY_DELAY": "0.01", "TIMEOUT": "1"}
    options = {f"GDAL_HTTP_{name}": value for name, value in options.items()}
    monkeypatch.setattr(gdal, "GDAL_OPTIONS", gdal.GDAL_OPTIONS | options)
    monkeypatch.setattr(reading, "TRIES", Tries(attempts=3, first_delay=0.01))


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """Four days, two of them with scenes; red of one tile is noise, too large to come in one go."""
    directory = tmp_path_factory.mktemp("season")
    made = simulate(directory, first_day=dt.date(2024, 4, 1), days=4, size_km=2, n_fields=3)
    for path in directory.glob("*31UES*/B04.tif"):
        with rasterio.open(path) as file:
            profile = file.profile
            red = np.random.default_rng(1).integers(1, 10_000, file.shape).astype(np.uint16)
        kept = ("width", "height", "count", "dtype", "crs", "transform", "nodata")
        options = {name: profile[name] for name in kept}
        with rasterio.open(path, "w", driver="COG", blocksize=128, **options) as file:
            file.write(red, 1)
    return made


@pytest.fixture
def api(season):
    with StandIn(season.directory) as stand_in:
        yield stand_in


@pytest.fixture
def scenes(api, season):
    catalog = open_catalog(Settings.load(catalog=api.url))
    found = catalog.scenes(season.area("farm"), season.first_day, season.first_day)
    return select(found[season.first_day]).scenes


def read(scenes, season, **settings):
    made = load(
        scenes,
        season.area("farm"),
        Settings.load(cloud_buffer_m=0, trusted=ANYWHERE, **settings),
        tiling_of(season.area("farm")),
    )
    return computed(made)


@pytest.fixture(scope="module")
def truth(season):
    catalog = open_catalog(Settings.load(catalog=str(season.directory / "items.json")))
    found = catalog.scenes(season.area("farm"), season.first_day, season.first_day)
    return read(select(found[season.first_day]).scenes, season)


def on_red(fault: Fault, *attempts: int, part: str = ""):
    """The fault on these attempts (none given: all) at a part of the first scene's red file.

    The part is `head` (HEAD requests), `header` (its first bytes), `blocks`, or anything.
    """

    def hook(request: Request) -> Fault | None:
        if not re.search(r"31UES.*B04", request.path):
            return None
        spans = request.headers.get("range", "")
        at = "head" if request.method == "HEAD" else "header" if "=0-" in spans else "blocks"
        wanted = part in ("", at) and (not attempts or request.attempt in attempts)
        return fault if wanted else None

    return hook


def same(got, truth) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(got, truth, strict=True))


FAULTS = {
    "429": (Fault(status=429), ""),
    "500": (Fault(status=500), ""),
    "502": (Fault(status=502), "blocks"),
    "503": (Fault(status=503), ""),
    "504": (Fault(status=504), "header"),
    "silence": (Fault(delay_s=1.2), "header"),
    "header reset": (Fault(reset_mid_body=True), "header"),
    "blocks reset": (Fault(reset_mid_body=True), "blocks"),
    "header cut": (Fault(truncate=100), "header"),
    "blocks cut": (Fault(truncate=1000), "blocks"),
    "nothing sent": (Fault(truncate=0), "blocks"),
    "header too short": (Fault(wrong_content_length=-500), "header"),
    "blocks too short": (Fault(wrong_content_length=-500), "blocks"),
    "file said too short": (Fault(wrong_content_length=-5000), "head"),
    "blocks too long": (Fault(wrong_content_length=500), "blocks"),
    "HTML": (Fault(html=True), "header"),
    "HTML for blocks": (Fault(html=True), "blocks"),
}


@pytest.mark.parametrize(("fault", "part"), FAULTS.values(), ids=FAULTS.keys())
def test_what_passes_is_tried_again(api, scenes, season, truth, fault, part):
    api.fault = on_red(fault, 1, part=part)
    assert same(read(scenes, season), truth)
    assert any(api.fault(request) for request in api.requests)


def test_a_read_is_tried_four_times_with_waits_that_double(monkeypatch):
    waits = []
    monkeypatch.setattr(reading, "TRIES", TRIES)
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)

    def fail(path):
        raise RasterioIOError("reset")

    known = Settings.load(trusted="127.0.0.1")
    with pytest.raises(SceneReadError, match=r"\(4 tries\): reset"):
        reading.read_with_retries("S", "http://127.0.0.1:9/a.tif", Doors.of(known), fail)
    assert waits == [1, 2, 4]


HARMLESS = {"header reset", "header too short", "file said too short", "blocks too long"}
"""All that is needed of the file comes through none the less."""


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - HARMLESS))
def test_what_does_not_pass_is_one_error_and_no_pixel(api, scenes, season, truth, name):
    fault, part = FAULTS[name]
    api.fault = on_red(fault, part=part)
    started = time.monotonic()
    with pytest.raises(SceneReadError) as raised:
        read(scenes, season)
    assert time.monotonic() - started < 30
    message, scene = str(raised.value), next(s for s in scenes if "31UES" in s.id)
    assert message.startswith(
        f"scene {scene.id}: {scene.files['red']} could not be read (3 tries): "
    )
    assert "\n" not in message
    api.fault = None  # GDAL must not remember the failure
    assert same(read(scenes, season), truth)


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_does_no_harm_changes_no_pixel(api, scenes, season, truth, name):
    fault, part = FAULTS[name]
    api.fault = on_red(fault, part=part)
    assert same(read(scenes, season), truth)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_is_final_is_not_tried_again(api, scenes, season, truth, status):
    api.fault = on_red(Fault(status=status))
    with pytest.raises(
        SceneGoneError, match=rf"B04\.tif could not be read \(1 try\): .*{status}"
    ) as raised:
        read(scenes, season)
    assert not raised.value.retryable
    assert sum("31UES" in r.path and "B04" in r.path for r in api.requests) == 1
    api.fault = None
    assert same(read(scenes, season), truth)


@pytest.mark.parametrize(
    ("status", "code", "kind", "tries"),
    [
        (403, "AccessDenied", SceneGoneError, 1),
        (403, "SignatureDoesNotMatch", SceneGoneError, 1),
        (404, "NoSuchKey", SceneGoneError, 1),
        (404, "NoSuchBucket", SceneGoneError, 1),
        (500, "InternalError", SceneReadError, 3),
    ],
)
def test_what_is_final_in_s3(api, bucket, season, monkeypatch, status, code, kind, tries):
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>-</Message></Error>".encode()
    answer = Answer(status, body, "application/xml")
    monkeypatch.setattr(api, "_answer", lambda request, fault: answer)
    with pytest.raises(kind, match=rf"could not be read \({tries} tr"):
        read(bucket, season)


def test_files_on_this_machine_that_are_missing_cut_or_something_else(season, tmp_path, scenes):
    def local(content: bytes | None) -> Scene:
        path = tmp_path / "scene" / "B04.tif"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        folder = season.directory / scenes[0].id
        hrefs = {"nir": str(folder / "B08.tif"), "scl": str(folder / "SCL.tif")}
        return replace(scenes[0], files={"red": str(path), **hrefs})

    whole = (season.directory / scenes[0].id / "B04.tif").read_bytes()
    assert read([local(whole)], season)[0].any()
    for content in (None, b"", b"<html>", whole[:100], whole[: len(whole) // 2]):
        with pytest.raises(SceneReadError, match=r"scene S2.*B04\.tif could not be read \(1 try\)"):
            read([local(content)], season)


def ingest(pipeline, season, **options):
    return list(pipeline.ingest_days("farm", days_of(season), **options))


def stored(pipeline):
    folders = ("inputs", "cubes", "scenes", "field_stats")
    objects = [o for folder in folders for o in pipeline.store.listing(folder)]
    return {o.key: pipeline.store.get(o.key) for o in objects if ".failed." not in o.key}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=503), SceneReadError),
        (Fault(status=404), SceneGoneError),
        (Fault(truncate=1000), SceneReadError),
    ],
)
def test_a_day_that_cannot_be_read_is_not_stored_and_the_retry_goes_on(
    api, season, tmp_path, fault, kind
):
    settings = Settings.load(root=str(tmp_path / "root"), catalog=api.url)
    pipeline = Pipeline(settings)
    pipeline.put_area(season.area("farm"))
    bad = season.first_day + dt.timedelta(2)
    name = f"{bad:%Y%m%d}"
    api.fault = lambda request: fault if request.kind == "cog" and name in request.path else None
    with pytest.raises(kind, match=rf"scene S2\w+_{name}_0_L2A: http.*{name}.* could not"):
        ingest(pipeline, season, run_id="run")
    assert pipeline.open("farm").cube.days == [season.first_day, season.first_day + dt.timedelta(1)]
    before = stored(pipeline)
    with pytest.raises(kind):
        ingest(pipeline, season, run_id="run", resume=True)
    assert stored(pipeline) == before
    assert f"scenes/farm/{bad}.json" not in before
    (note,) = status(pipeline.open("farm"), bad).notes
    assert (note.day, note.step, note.times, note.cause) == (bad, "day", 2, kind.__name__)
    assert name in note.error
    api.fault = None
    reports = ingest(pipeline, season, run_id="run", resume=True)
    assert reports[0].day == bad
    assert status(pipeline.open("farm"), bad).notes == ()
    clean = Pipeline(Settings.load(root=str(tmp_path / "clean"), catalog=api.url))
    clean.put_area(season.area("farm"))
    for report, expected in zip(reports, ingest(clean, season)[2:], strict=True):
        np.testing.assert_array_equal(report.preview, expected.preview)


def test_a_catalog_that_renamed_an_asset_is_no_day_without_scenes(season, tmp_path):
    document = json.loads((season.directory / "items.json").read_text())
    bad = season.first_day + dt.timedelta(2)
    for feature in document["features"]:
        if feature["properties"]["datetime"].startswith(str(bad)):
            feature["assets"]["nir08"] = feature["assets"].pop("nir")
    path = season.directory / "renamed.json"
    path.write_text(json.dumps(document))
    pipeline = Pipeline(Settings.load(root=str(tmp_path / "root"), catalog=str(path)))
    pipeline.put_area(season.area("farm"))
    with pytest.raises(SceneError, match=rf"farm {bad}: all of \d scenes .*no asset 'nir' or"):
        ingest(pipeline, season)
    assert pipeline.open("farm").cube.last_day == bad - dt.timedelta(1)
    (note,) = status(pipeline.open("farm"), bad).notes
    assert (note.day, note.cause, note.times) == (bad, "SceneError", 1)
    assert "nir08" in note.error


def test_a_catalog_that_fails_leaves_the_store_as_it_is(api, season, tmp_path, monkeypatch):
    settings = Settings.load(root=str(tmp_path / "root"), catalog=api.url)
    pipeline = Pipeline(settings)
    impatient = open_catalog(settings, Limits(attempts=2, first_delay=0.01))
    monkeypatch.setattr(pipeline, "catalog", lambda _area: impatient)
    pipeline.put_area(season.area("farm"))
    before = stored(pipeline)
    api.fault = lambda request: Fault(status=503)
    with pytest.raises(CatalogUnavailableError):
        ingest(pipeline, season)
    assert stored(pipeline) == before


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRET",
    "AWS_SECRET_ACCESS_KEY": "very-secret",
    "AWS_SESSION_TOKEN": "very-secret-token",
    "AWS_S3_ENDPOINT": "127.0.0.1:9",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HYDRO_S3_ACCESS_KEY_ID": "hydro-secret",
    "HYDRO_S3_SECRET_ACCESS_KEY": "hydro-secret",
}


@pytest.fixture
def secrets(monkeypatch, tmp_path):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password very-secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))


def refuse_credentials(request: Request) -> Fault | None:
    shown = f"{request.path} {dict(request.headers)} {request.body}"
    if "authorization" in request.headers or "secret" in shown.lower():
        return Fault(status=401)
    return None


def test_no_key_of_the_private_bucket_reaches_gdal_or_the_catalog(
    secrets, api, season, tmp_path, truth, monkeypatch
):
    seen = []
    original = rasterio.open

    def spy(*args, **kwargs):
        seen.append(rasterio.env.getenv() if rasterio.env.hasenv() else {})
        return original(*args, **kwargs)

    monkeypatch.setattr(rasterio, "open", spy)
    api.fault = refuse_credentials
    settings = Settings.load(catalog=api.url, cloud_buffer_m=0)
    found = open_catalog(settings).scenes(season.area("farm"), season.first_day, season.first_day)
    assert same(read(select(found[season.first_day]).scenes, season), truth)
    assert len(seen) >= 6
    for options in seen:
        assert options["AWS_NO_SIGN_REQUEST"] == "YES"
        assert not any("secret" in str(value).lower() for value in options.values())


@pytest.fixture
def bucket(api, scenes, monkeypatch):
    """The season's files as `s3://cogs/...`, a stand-in for the public bucket."""
    place = {"endpoint_url": api.origin.removeprefix("http://"), "region_name": "us-west-2"}
    monkeypatch.setattr(gdal, "PUBLIC_S3", place)
    options = {"AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    monkeypatch.setattr(gdal, "GDAL_OPTIONS", gdal.GDAL_OPTIONS | options)

    def moved(scene: Scene) -> Scene:
        hrefs = {
            band: f"s3://{href.removeprefix(api.origin + '/')}"
            for band, href in scene.files.items()
        }
        return replace(scene, files=hrefs)

    return [moved(scene) for scene in scenes]


def test_the_public_bucket_is_read_unsigned(secrets, api, bucket, season, truth):
    api.fault = refuse_credentials
    assert same(read(bucket, season), truth)
    assert all("x-amz-request-payer" not in r.headers for r in api.requests)


def test_requester_pays_is_a_setting(secrets, api, bucket, season, truth, monkeypatch):
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    api.reset_counts()
    assert same(read(bucket, season, requester_pays=True), truth)
    for request in api.requests:
        assert request.headers["x-amz-request-payer"] == "requester"
        assert "AKIASECRET" in request.headers["authorization"]
    assert os.environ["AWS_S3_ENDPOINT"] == "127.0.0.1:9"
