"""The page in Chromium and the start of the app, beside a bare page of Gradio's."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.table import Row
from tests.support import chromium
from tests.support.apps import App, served

from . import others

TIMES = 5

Start = Callable[[Path], AbstractContextManager[App]]


def start_up(start: Start, folder: Path) -> float:
    """Seconds from the command until the page can be had."""
    began = time.monotonic()
    with start(folder):
        return time.monotonic() - began


def interactive(browser: Browser, url: str) -> float:
    """Seconds until what is written into the page's text box stays there, with a cold cache."""
    page = browser.new_page()
    began = time.monotonic()
    page.goto(url, wait_until="commit")
    page.locator("#prompt textarea").wait_for()
    page.locator("#prompt textarea").fill("grey")
    page.wait_for_function("document.querySelector('#prompt textarea').value === 'grey'")
    seconds = time.monotonic() - began
    page.close()
    return seconds


def measure(folder: Path) -> list[Row]:
    def ours(place: Path) -> AbstractContextManager[App]:
        return served(place, python=sys.executable, pause=0.01)

    def bare(place: Path) -> AbstractContextManager[App]:
        return others.running("bare", place)

    starts: dict[Start, list[float]] = {ours: [], bare: []}
    for _ in range(TIMES):  # In turns, so that both meet the same machine.
        for start, seconds in starts.items():
            seconds.append(start_up(start, folder))
    with (
        ours(folder) as app,
        bare(folder / "bare") as other,
        sync_playwright() as playwright,
    ):
        chrome = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGS)
        seen: dict[str, list[float]] = {app.url: [], other.url: []}
        for _ in range(TIMES):
            for url, seconds in seen.items():
                seconds.append(interactive(chrome, url))
        chrome.close()
    page = "a bare Gradio page"
    start, beside = (statistics.median(starts[one]) for one in (ours, bare))
    mine, theirs = (statistics.median(seen[url]) for url in (app.url, other.url))
    return [
        Row("start of the app", start, "s", page, beside, 1.15, of_theirs=True),
        Row("time to interactive", mine, "s", page, theirs, 1.10, of_theirs=True),
    ]
