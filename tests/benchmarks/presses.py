"""How soon a press is seen where a proxy hands event streams on late."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.benchmarks.table import Row
from tests.support import chromium
from tests.support.apps import PHOTOS, served
from tests.support.proxy import late
from tests.support.visits import drop, visit

from . import service

DELAYS = (0.0, 0.1, 0.3, 1.0)
"""Seconds by which each piece of an event stream is late."""
PRESSES = 5
SEEN = """() => new Promise((seen) => {
    const began = performance.now();
    document.getElementById("edit").click();
    const look = () => {
        const steps = document.querySelector("#status [data-state]");
        if (steps?.dataset.state === "running" && document.querySelector("#history li"))
            return seen((performance.now() - began) / 1000);
        requestAnimationFrame(look);
    };
    look();
})"""


def press(browser: Browser, url: str) -> float:
    """Seconds from a visitor's first press until its status and its card in the history."""
    with visit(browser, url) as page:
        drop(page, PHOTOS / "coffee.jpg")
        page.locator("#prompt textarea").fill("sepia")
        expect(page.locator("#edit")).to_be_enabled()
        return float(page.evaluate(SEEN))


def measure(folder: Path) -> list[Row]:
    rows = []
    with (
        service.running(20) as url,  # Long enough to be seen running.
        served(folder, python=sys.executable, **service.settings(url)) as app,
        sync_playwright() as playwright,
    ):
        chrome = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGS)
        press(chrome, app.url)
        for delay in DELAYS:
            with late(app.url, delay) as proxy:
                seconds = [press(chrome, proxy.url) for _ in range(PRESSES)]
            what = f"the slowest of {PRESSES} presses seen, streams {delay:g} s late"
            rows.append(Row(what, max(seconds), "s", within=2 + 3 * delay))
            rows.append(Row("the middle one", statistics.median(seconds), "s"))
        chrome.close()
    return rows
