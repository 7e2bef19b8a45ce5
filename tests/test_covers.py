"""Nothing embarrassing is shown: a flagged picture's bytes stay away until someone asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Page, Route, expect

from tests.apps import App, served
from tests.conftest import PHOTOS
from tests.visits import ask, tab, visit


def originals(app: App) -> set[bytes]:
    """The beginnings of all results on the disk: what must not be among what a browser gets."""
    folder = app.log_file.parent / "data" / "outputs"
    return {file.read_bytes()[2000:2200] for file in folder.rglob("*.png")}


@contextmanager
def everything_received(page: Page) -> Iterator[list[bytes]]:
    """All files that reach the browser, as they come; nothing else than files holds a picture but
    data URIs, and the largest of those is told too."""
    bodies: list[bytes] = []

    def pass_on(route: Route) -> None:
        response = route.fetch()
        bodies.append(response.body())
        route.fulfill(response=response)

    page.route("**/file=**", pass_on)
    yield bodies
    page.wait_for_timeout(300)
    page.unroute("**/file=**")
    for source in page.locator("#results img, #history img, #strip img").all():
        data = source.get_attribute("src") or ""
        if data.startswith("data:") and "ws-cover" in (source.get_attribute("class") or ""):
            assert len(data) < 1500, "a cover that shows more than colours"


def flagged(page: Page, prompt: str = "warm [[nsfw]]") -> None:
    ask(page, prompt)
    expect(page.locator("#results .ws-cover")).to_be_visible()
    expect(page.locator("#history .ws-cover")).to_be_visible()


def test_no_byte_of_a_flagged_picture_reaches_the_browser_before_it_is_asked_for(
    app: App, browser: Browser
) -> None:
    with visit(browser, app.url) as page:
        with everything_received(page) as received:
            flagged(page)
            page.reload()
            expect(page.locator("#results .ws-cover")).to_be_visible()
            page.locator("#history [data-do=open]").click()
            expect(page.locator("#results .ws-cover")).to_be_visible()
        secrets = originals(app)
        assert secrets
        assert not [body for body in received for secret in secrets if secret in body]
        assert not [body for body in received if body[:4] == b"\x89PNG" and len(body) > 5000]
        expect(page.get_by_role("link", name="Download")).to_have_count(0)
        expect(page.get_by_role("button", name="Use as input")).to_have_count(0)
        expect(page.get_by_role("slider")).to_have_count(0)
        expect(page.get_by_role("button", name="Full screen")).to_have_count(0)

        page.get_by_role("button", name="Show anyway").click()
        expect(page.locator("#results .ws-after")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.path().read_bytes()[2000:2200] in secrets
        expect(page.locator("#history .ws-cover")).to_be_visible()  # That one stays covered.

        page.get_by_role("button", name="Cover again").click()
        expect(page.locator("#results .ws-cover")).to_be_visible()
        expect(page.locator("#results .ws-after")).to_have_count(0)


def test_what_goes_on_from_a_flagged_picture_keeps_it_covered(app: App, browser: Browser) -> None:
    with visit(browser, app.url) as page:
        flagged(page, "sepia [[nsfw]]")
        page.get_by_role("button", name="Show anyway").click()
        page.locator("#results").get_by_role("button", name="Use as input").click()
        expect(page.locator("#strip .ws-cover")).to_be_visible()
        page.locator("#prompt textarea").fill("invert")
        page.locator("#edit").click()
        expect(page.locator("#results .ws-after")).to_have_attribute("alt", "Result: invert")
        with everything_received(page) as received:
            page.reload()
            expect(page.locator("#strip .ws-cover")).to_be_visible()
            expect(page.locator(".ws-versions .ws-cover")).to_be_visible()
            expect(page.get_by_role("slider")).to_have_count(0)
        data = app.log_file.parent / "data"
        secret = next(data.rglob("*sepia-nsfw*.png")).read_bytes()[2000:2200]
        assert not [body for body in received if secret in body]


def test_a_picture_that_was_not_checked_is_told_as_not_checked(
    browser: Browser, tmp_path: Path
) -> None:
    from tests.service import KEY, Service, running

    with running(Service(seconds=0.3, nsfw=None)) as url:
        settings = {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": url}
        with served(tmp_path, **settings) as app, visit(browser, app.url) as page:
            ask(page, "make it grey")
            expect(page.locator("#results")).to_contain_text("Not checked")
            expect(page.locator("#results .ws-flag-unknown")).to_be_visible()


@pytest.mark.parametrize(("mode", "shown", "offered"), [("hide", 0, 0), ("show", 1, 0)])
def test_the_owner_decides_what_becomes_of_flagged_pictures(
    browser: Browser, tmp_path: Path, mode: str, shown: int, offered: int
) -> None:
    with served(tmp_path, WAVESPEED_NSFW=mode) as app, visit(browser, app.url) as page:
        ask(page, "warm [[nsfw]]")
        expect(page.locator("#results .ws-flag-bad")).to_have_text("Flagged")
        expect(page.locator("#results .ws-after")).to_have_count(shown)
        expect(page.get_by_role("button", name="Show anyway")).to_have_count(offered)
        if mode == "hide":
            expect(page.locator("#results")).to_contain_text("does not show flagged results")
            expect(page.get_by_role("link", name="Download")).to_have_count(0)
        client = Client(app.url, download_files=tmp_path, verbose=False, analytics_enabled=False)
        files, details = client.predict(
            images=[handle_file(str(PHOTOS / "coffee.jpg"))],
            prompt="warm [[nsfw]]",
            api_name="/edit",
        )
        assert len(files) == 1
        assert details["outputs"][0]["nsfw"] is True


def test_before_an_audience_covers_stay_and_money_and_keys_are_away(
    app: App, browser: Browser
) -> None:
    with visit(browser, app.url) as page:
        ask(page, "sepia")
        expect(page.locator("#results .ws-after")).to_be_visible()
        flagged_again = page.locator("#prompt textarea")
        flagged_again.fill("warm [[nsfw]]")
        page.locator("#edit").click()
        expect(page.locator("#results .ws-cover")).to_be_visible()
        expect(page.locator("#history li")).to_have_count(2)
        with tab(page.context, f"{app.url}/?show=1") as stage:
            expect(stage.locator("#results .ws-cover")).to_be_visible()
            expect(stage.get_by_role("button", name="Show anyway")).to_have_count(0)
            for hidden in ("#tally", "#key", "#keys"):
                expect(stage.locator(hidden)).to_be_hidden()
            for money in stage.locator(".ws-cost").all():
                expect(money).to_be_hidden()
            assert not [
                line for line in stage.locator("body").inner_text().splitlines() if "$" in line
            ]
            # Not even for one who asks the server past the page.
            stage.evaluate("document.querySelector('#results .ws-uncover').click()")
            stage.wait_for_timeout(500)
            expect(stage.locator("#results .ws-cover")).to_be_visible()

            stage.locator("h1").click()
            stage.keyboard.press("ArrowRight")
            expect(stage.locator("#results .ws-after")).to_have_attribute("alt", "Result: sepia")
            stage.keyboard.press("ArrowLeft")
            expect(stage.locator("#results .ws-cover")).to_be_visible()


def test_a_visitor_can_not_fetch_files_that_the_page_did_not_name(app: App) -> None:
    data = app.log_file.parent / "data"
    for file in [next(data.rglob("*.png")), data / "studio.db", app.log_file, Path("/etc/passwd")]:
        answer = httpx.get(f"{app.url}/gradio_api/file={file}")
        assert answer.status_code in (403, 404), file
        assert not re.search(r"Traceback|File \"", answer.text)
