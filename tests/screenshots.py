"""`make screenshots`: the README's pictures of the real page, over the sandbox."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests import chromium
from tests.apps import ROOT, served
from tests.conftest import PHOTOS

DOCS = ROOT / "docs"


def take(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.screenshot(path=DOCS / f"{name}.png")


def done(page: Page) -> None:
    """The page after an edit."""
    files = [PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg"]
    page.locator("#inputs input[type=file]").first.set_input_files(files)
    page.locator("#prompt textarea").fill("Make it black and white with a strong contrast")
    page.locator("#edit").click()
    expect(page.locator("#results .ws-after")).to_be_visible(timeout=20_000)
    take(page, "page")


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(app.url)
        done(page)
        browser.close()
