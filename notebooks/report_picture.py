"""Takes the picture of the demo's report page, in Chromium: run `make demo` first."""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from hydro_pipeline.cli.demo import AREA, DATA
from hydro_pipeline.report.page import write_report
from hydro_pipeline.settings import Settings
from hydro_pipeline.usecases.pipeline import Pipeline

LATE_FIELD = "L01"
TO = Path(__file__).parent / "pictures" / "report.png"


def main() -> None:
    """Write `pictures/report.png`: the page on its last day, a late field chosen."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    report = write_report(Pipeline(Settings.load(root=str(DATA))).open(AREA))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1360, "height": 1010})
        page.goto(Path(report.url).resolve().as_uri())
        page.wait_for_selector("body[data-ready]")
        page.click("#earlier")
        page.locator("#rows tr", has_text=LATE_FIELD).click()
        page.evaluate("scrollTo(0, 0)")
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(TO, optimize=True)


if __name__ == "__main__":
    main()
