"""A headless Chromium for tests, which skip where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
         "device_scale_factor": 2}  # fmt: skip

TIMED = """
new MutationObserver(() => {
  if (document.body?.dataset.ready && !window.readyAfter) window.readyAfter = performance.now();
}).observe(document, { subtree: true, attributes: true, childList: true });
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips the test where Chromium is not installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, and what it did that it should not."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Console messages and errors."""
    requests: list[str] = field(default_factory=list)
    """Everything asked for but the page itself."""


@contextmanager
def visit(browser: Browser, url: str, **context: Any) -> Iterator[Visit]:
    """Open a report page and wait until it is drawn."""
    opened = browser.new_context(**context)
    try:
        page = opened.new_page()
        page.set_default_timeout(30_000)
        page.add_init_script(TIMED)
        made = Visit(page)
        page.on("console", lambda message: made.complaints.append(message.text))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url in (url, "data:,") else made.requests.append(r.url),
        )
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        yield made
    finally:
        opened.close()
