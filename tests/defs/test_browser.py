"""What an operator sees in Dagster's UI, in a real browser."""

import contextlib
import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from hydro_pipeline.defs.launch import materialize
from tests.support.areas import set_up

pytestmark = pytest.mark.slow

DAYS = 8
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOWN = 60_000
"""Longest wait for something to be seen, milliseconds."""


@pytest.fixture(scope="module")
def executable():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs one of the browsers {', '.join(BROWSERS)}")
    return found


@pytest.fixture(scope="module")
def ui(season, tmp_path_factory):
    """Address of the UI of an instance in which eight days were run."""
    folder = tmp_path_factory.mktemp("ui")
    shipped = files("hydro_pipeline.defs") / "dagster.yaml"
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text(shipped.read_text())
    environment = {
        "HYDRO_ROOT": str(folder / "root"),
        "HYDRO_CATALOG": str(season.directory / "items.json"),
        "DAGSTER_HOME": str(folder / "home"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        set_up(season)
        materialize("farm", season.first_day, season.first_day + dt.timedelta(DAYS - 1))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(sys.executable).with_name("dagster-webserver")
    process = subprocess.Popen(
        [script, "-m", "hydro_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url, process):
    for _ in range(120):
        assert process.poll() is None, "the webserver ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/server_info", timeout=5):
            return
        time.sleep(1)
    pytest.fail(f"{url} did not answer")


@pytest.fixture(scope="module")
def page(executable):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(SHOWN)
        expect.set_options(timeout=SHOWN)
        yield page
        browser.close()


def test_graph_leads_from_composite_to_statistics(ui, page):
    page.goto(f"{ui}/assets/farm/field_stats?view=lineage&lineageScope=upstream")
    for name in ("composite", "fields", "field_stats"):
        expect(page.get_by_text(name, exact=True).last).to_be_visible()


def test_partition_bar_is_filled(season, ui, page):
    page.goto(f"{ui}/assets/farm/composite?view=partitions")
    expect(page.get_by_text(f"Materialized ({DAYS})")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()
    expect(page.get_by_text(str(season.first_day)).first).to_be_visible()


def test_thumbnail_is_seen_and_opens_large(season, ui, page):
    day = season.first_day + dt.timedelta(DAYS - 1)
    page.goto(f"{ui}/assets/farm/composite?view=partitions&partition={day}")
    glance = page.locator('img[src^="data:image/webp"]').first
    expect(glance).to_be_visible()
    assert glance.evaluate("image => image.naturalWidth") > 30
    if picture := os.environ.get("UI_SCREENSHOT"):
        page.screenshot(path=picture)
    pictures = page.locator('img[src^="data:image/png"]')
    before = pictures.count()
    page.get_by_text("[Show Markdown]").first.click()
    expect(pictures).to_have_count(before + 1)
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert sorted(widths)[0] > 100


def test_checks_are_seen_to_pass(ui, page):
    page.goto(f"{ui}/assets/farm/composite?view=checks")
    for name in (
        "carried_forward",
        "values_in_range",
        "scenes_recorded",
        "scenes_usable",
        "valid_share_kept",
    ):
        expect(page.get_by_text(name).first).to_be_visible()
