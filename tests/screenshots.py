"""`make screenshots`: the README's pictures of the real page, over the sandbox, in both themes."""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PHOTOS
from tests.support import chromium
from tests.support.apps import ROOT, served

DOCS = ROOT / "docs"
PROMPT = "Make it black and white with a strong contrast"


def take(page: Page, name: str) -> None:
    """As WebP: a third of a PNG's size, with all its colours."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(DOCS / f"{name}.webp", quality=90, method=6)


def edit(page: Page, prompt: str, seen: str) -> None:
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#edit").click()
    expect(page.locator(seen).first).to_be_visible()


def main_states(browser: Browser, url: str, theme: str) -> None:
    """Empty, busy, done, on a phone, covered, failed, four variants, a batch."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{url}/?__theme={theme}")
    expect(page.locator("[data-testid=examples]")).to_be_visible()
    take(page, f"empty-{theme}")
    files = [PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg"]
    page.locator("#inputs input[type=file]").first.set_input_files(files)
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(2)
    edit(page, PROMPT, "#status [data-testid=step-run]:nth-child(3)")
    page.wait_for_timeout(700)
    take(page, f"busy-{theme}")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    page.locator("[data-testid=compare-handle]").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    take(page, f"done-{theme}")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.getElementById('answer').scrollIntoView()")
    take(page, f"phone-{theme}")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("scrollTo(0, 0)")
    edit(page, "Warm evening light [[nsfw]]", "#results [data-testid=cover]")
    take(page, f"covered-{theme}")
    edit(page, "Warm evening light [[fail]]", "#results [data-testid=problem]")
    take(page, f"failed-{theme}")
    page.get_by_label("4", exact=True).check()
    edit(
        page, "Watercolour painting, pastel", "[data-testid=tile]:nth-child(4) [data-testid=result]"
    )
    expect(page.locator("#history [data-testid=history-card]")).to_have_count(7)
    take(page, f"variants-{theme}")
    page.get_by_role("button", name="Clear").click()
    files = [PHOTOS / f"{name}.jpg" for name in ("coffee", "rocket", "chelsea", "astronaut")] * 3
    page.locator("#inputs input[type=file]").first.set_input_files(files)
    page.get_by_label("Each picture on its own").check()
    edit(page, "Sepia", "[data-testid=tiles] li:nth-child(6) [data-testid=tile-done]")
    take(page, f"batch-{theme}")
    page.close()


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), python=sys.executable) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGS)
        for theme in ("light", "dark"):
            main_states(browser, app.url, theme)
        browser.close()
