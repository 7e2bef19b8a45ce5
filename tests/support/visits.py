"""A visitor of the page: comes, drops pictures, asks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.support.apps import PHOTOS, App


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """A fresh visitor's page. Any script error on it fails the test."""
    forgotten = _forgotten.setdefault(browser, [])
    context = forgotten.pop() if forgotten else _new_context(browser)
    try:
        with tab(context, url) as page:
            yield page
        _forget(context, url)
    except BaseException:
        context.close()
        raise
    forgotten.append(context)


def _new_context(browser: Browser) -> BrowserContext:
    return browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")


_forgotten: WeakKeyDictionary[Browser, list[BrowserContext]] = WeakKeyDictionary()
"""Contexts that know nothing of their visitors any more, but still have Gradio's scripts compiled:
a third of what a visit costs."""


def _forget(context: BrowserContext, url: str) -> None:
    """Leaves nothing of a visitor behind, whatever pages are still open."""
    page = context.new_page()
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    session = context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    context.clear_cookies()
    context.clear_permissions()
    for opened in context.pages:
        opened.close()


@contextmanager
def tab(context: BrowserContext, url: str) -> Iterator[Page]:
    """One more page of the same visitor."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    expect(page.locator("#inputs")).to_be_visible()
    expect(page.locator("body[data-ready]")).to_be_attached()
    yield page
    assert not errors
    page.close()


def emptied(page: Page) -> None:
    """Leaves nothing in the fields, whatever a test before has left there."""
    clear = page.locator("#inputs").get_by_label("Clear")
    if clear.count():
        clear.first.click()
    expect(page.locator("#inputs img")).to_have_count(0)
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(0)
    page.locator("#prompt textarea").fill("")
    expect(page.locator("#edit")).to_have_text("Add a picture first")


def drop(page: Page, *files: Path | str) -> None:
    page.locator("#inputs input[type=file]").first.set_input_files([str(file) for file in files])
    expect(page.locator("#inputs img")).to_have_count(len(files))


def ask(page: Page, prompt: str, *files: Path) -> None:
    """Drops the pictures, writes the prompt, presses Edit."""
    drop(page, *(files or (PHOTOS / "coffee.jpg",)))
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#edit").click()


def runs(app: App) -> set[str]:
    """The ids of all runs that the log knows."""
    return set(re.findall(r"run ([0-9a-f]{32})", app.log()))


@contextmanager
def answered(page: Page) -> Iterator[None]:
    """Returns when the server has told the page all that comes of what is done within."""
    ended: list[str] = []

    def note(request: Request) -> None:
        if "/queue/data" in request.url:
            ended.append(request.url)

    # Who is first at the end of a stream, the page or the server, is chance.
    for event in ("requestfinished", "requestfailed"):
        page.on(event, note)  # type: ignore[call-overload]
    yield
    deadline = time.monotonic() + 30
    while not ended:
        assert time.monotonic() < deadline, "the server has not answered"
        page.wait_for_timeout(50)


def wait_for_pictures(page: Page) -> None:
    """Until all that the page shows are there; those that are far below may never come."""
    page.wait_for_function(
        "[...document.images].every((image) => image.complete || image.loading === 'lazy')"
    )


def wait_until_kept(page: Page) -> None:
    """Until the browser keeps what is in the fields: its storage is as it was a second ago."""
    page.evaluate("() => { window.kept = window.keptAt = null; }")
    page.wait_for_function(
        """() => {
            const now = JSON.stringify(localStorage);
            if (now !== window.kept) [window.kept, window.keptAt] = [now, performance.now()];
            return now.includes("wavespeed-draft") && performance.now() - window.keptAt > 1000;
        }"""
    )


@contextmanager
def listening(browser: Browser, url: str) -> Iterator[Page]:
    """A fresh visitor's page that keeps all that the server streams to it, see `streamed`."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.add_init_script(
        """
        window.streamed = [];
        const ask = window.fetch;
        window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            if (answer.headers.get("content-type")?.includes("event-stream")) {
                const reader = answer.clone().body.pipeThrough(new TextDecoderStream()).getReader();
                const read = async () => {
                    for (let part; !(part = await reader.read()).done;) window.streamed.push(part.value);
                };
                read().catch(() => {});
            }
            return answer;
        };
        window.EventSource = class extends EventSource {
            constructor(...asked) {
                super(...asked);
                this.addEventListener("message", (event) => window.streamed.push(event.data));
            }
        };
        """  # noqa: E501 - JavaScript
    )
    with tab(context, url) as page:
        yield page
    context.close()


def streamed(page: Page) -> str:
    """What was streamed to the page so far; slashes may be escaped in it."""
    return str(page.evaluate("window.streamed.join('')")).replace("\\/", "/")
