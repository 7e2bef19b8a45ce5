"""Nothing embarrassing is shown: a flagged picture's bytes stay away until someone asks for it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App
from tests.support.service import Service
from tests.support.visits import (
    answered,
    ask,
    drop,
    listening,
    streamed,
    tab,
    visit,
    wait_for_pictures,
)


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
    wait_for_pictures(page)
    page.unroute("**/file=**")
    for source in page.locator("#results img, #history img, #strip img").all():
        data = source.get_attribute("src") or ""
        if data.startswith("data:") and source.get_attribute("data-testid") == "cover":
            assert len(data) < 1500, "a cover that shows more than colours"


def flagged(page: Page, prompt: str = "warm [[nsfw]]") -> None:
    ask(page, prompt)
    expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    expect(page.locator("#history [data-testid=cover]")).to_be_visible()


def test_no_byte_of_a_flagged_picture_reaches_the_browser_before_it_is_asked_for(
    app: App, page: Page
) -> None:
    with everything_received(page) as received:
        flagged(page)
        page.reload()
        expect(page.locator("#results [data-testid=cover]")).to_be_visible()
        page.get_by_role("button", name="Open: ").click()
        expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    secrets = originals(app)
    assert secrets
    assert not [body for body in received for secret in secrets if secret in body]
    assert not [body for body in received if body[:4] == b"\x89PNG" and len(body) > 5000]
    expect(page.get_by_role("link", name="Download")).to_have_count(0)
    expect(page.get_by_role("button", name="Use as input")).to_have_count(0)
    expect(page.get_by_role("slider")).to_have_count(0)
    expect(page.get_by_role("button", name="Full screen")).to_have_count(0)

    page.get_by_role("button", name="Show anyway").click()
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes()[2000:2200] in secrets
    expect(page.locator("#history [data-testid=cover]")).to_be_visible()  # That one stays covered.

    page.get_by_role("button", name="Cover again").click()
    expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    expect(page.locator("#results [data-testid=result]")).to_have_count(0)


def test_what_goes_on_from_a_flagged_picture_keeps_it_covered(app: App, page: Page) -> None:
    flagged(page, "sepia [[nsfw]]")
    page.get_by_role("button", name="Show anyway").click()
    page.locator("#results").get_by_role("button", name="Use as input").click()
    expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
    page.locator("#prompt textarea").fill("invert")
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: invert")
    with everything_received(page) as received:
        page.reload()
        expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
        expect(page.locator("[data-testid=versions] [data-testid=cover]")).to_be_visible()
        expect(page.get_by_role("slider")).to_have_count(0)
    data = app.log_file.parent / "data"
    secret = next(data.rglob("*sepia-nsfw*.png")).read_bytes()[2000:2200]
    assert not [body for body in received if secret in body]


def test_a_picture_that_was_not_checked_is_told_as_not_checked(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.nsfw = None
    with visit(browser, app_with(service).url) as page:
        ask(page, "make it grey")
        expect(page.locator("#results")).to_contain_text("Not checked")
        expect(page.locator("#results [data-testid=flag-unknown]")).to_be_visible()


@pytest.mark.parametrize(
    ("mode", "shown"), [("hide", 0), pytest.param("show", 1, marks=pytest.mark.slow)]
)
def test_the_owner_decides_what_becomes_of_flagged_pictures(
    app_with: AppWith, service: Service, browser: Browser, tmp_path: Path, mode: str, shown: int
) -> None:
    service.nsfw = True
    app = app_with(service, WAVESPEED_NSFW=mode)
    with visit(browser, app.url) as page:
        ask(page, "warm")
        expect(page.locator("#results [data-testid=flag-bad]")).to_have_text("Flagged")
        expect(page.locator("#results [data-testid=result]")).to_have_count(shown)
        expect(page.get_by_role("button", name="Show anyway")).to_have_count(0)
        if mode == "hide":
            expect(page.locator("#results")).to_contain_text("does not show flagged results")
            expect(page.get_by_role("link", name="Download")).to_have_count(0)
    client = Client(app.url, download_files=tmp_path, verbose=False, analytics_enabled=False)
    files, details = client.predict(
        images=[handle_file(str(PHOTOS / "coffee.jpg"))], prompt="warm", api_name="/edit"
    )
    assert len(files) == 1
    assert details["outputs"][0]["nsfw"] is True


def test_before_an_audience_covers_stay_and_money_and_keys_are_away(app: App, page: Page) -> None:
    ask(page, "sepia")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    flagged_again = page.locator("#prompt textarea")
    flagged_again.fill("warm [[nsfw]]")
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    expect(page.locator("#history li")).to_have_count(2)
    with tab(page.context, f"{app.url}/?show=1") as stage:
        expect(stage.locator("#results [data-testid=cover]")).to_be_visible()
        expect(stage.get_by_role("button", name="Show anyway")).to_have_count(0)
        for hidden in ("#tally", "#key", "#keys"):
            expect(stage.locator(hidden)).to_be_hidden()
        for money in stage.locator("[data-testid=cost]").all():
            expect(money).to_be_hidden()
        assert not [line for line in stage.locator("body").inner_text().splitlines() if "$" in line]
        # Not even for one who asks the server past the page.
        with answered(stage):
            stage.locator("#results [data-testid=uncover]").dispatch_event("click")
        expect(stage.locator("#results [data-testid=cover]")).to_be_visible()

        stage.locator("h1").click()
        stage.keyboard.press("ArrowRight")
        expect(stage.locator("#results [data-testid=result]")).to_have_attribute(
            "alt", "Result: sepia"
        )
        handle = stage.get_by_role("slider", name="Compare with the picture before")
        handle.press("ArrowRight")  # Compares, and does not turn over.
        expect(handle).to_have_attribute("aria-valuenow", "5")
        stage.locator("h1").click()
        stage.keyboard.press("ArrowLeft")
        expect(stage.locator("#results [data-testid=cover]")).to_be_visible()


def test_a_visitor_can_not_fetch_files_that_the_page_did_not_name(app: App) -> None:
    data = app.log_file.parent / "data"
    result = data / "outputs" / "2026-01-01" / f"120000-sepia-{16 * '0'}.png"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_bytes((PHOTOS / "coffee.jpg").read_bytes())
    for file in [result, data / "studio.db", app.log_file, Path("/etc/passwd")]:
        answer = httpx.get(f"{app.url}/gradio_api/file={file}")
        assert answer.status_code in (403, 404), file
        assert not re.search(r"Traceback|File \"", answer.text)


def test_what_was_made_of_a_deleted_flagged_picture_keeps_it_covered(
    app: App, page: Page, tmp_path: Path
) -> None:
    flagged(page, "cool [[nsfw]]")
    secret = next(iter((app.log_file.parent / "data").rglob("*cool-nsfw*.png"))).read_bytes()
    page.get_by_role("button", name="Show anyway").click()
    page.locator("#results").get_by_role("button", name="Use as input").click()
    expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
    page.locator("#prompt textarea").fill("invert")
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: invert")
    cards = page.locator("#history [data-testid=history-card]")
    expect(cards).to_have_count(2)
    cards.last.get_by_text("Delete", exact=True).click()
    cards.last.get_by_role("button", name="Delete it here").click()
    expect(cards).to_have_count(1)

    with everything_received(page) as received:
        page.reload()
        expect(page.locator("#strip [data-testid=cover]")).to_be_visible()
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
        expect(page.get_by_role("slider")).to_have_count(0)
        page.get_by_role("button", name="Export").click()
        links = page.locator("#exported a")
        expect(links).to_have_count(2)
        for link in links.all():
            with page.expect_download() as download:
                link.click()
            received.append(download.value.path().read_bytes())
    assert not [body for body in received if secret[2000:2200] in body]
    assert b"Flagged, left out" in received[-1]


@pytest.mark.slow
def test_a_variant_that_was_shown_stays_so_while_others_come_and_can_be_covered_again(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.nsfw, service.may_end = True, 1
    with visit(browser, app_with(service).url) as page:
        drop(page, PHOTOS / "coffee.jpg")
        page.locator("#prompt textarea").fill("grey")
        page.get_by_label("3", exact=True).check()
        page.locator("#edit").click()
        page.get_by_role("button", name="Show anyway").click()
        expect(page.locator("#results [data-testid=result]")).to_have_count(1)
        service.may_end = 3
        expect(page.locator("#status")).to_contain_text("3 done.")
        expect(page.locator("#results [data-testid=result]")).to_have_count(1)
        expect(page.locator("#results [data-testid=cover]")).to_have_count(2)
        page.get_by_role("button", name="Cover again").click()
        expect(page.locator("#results [data-testid=cover]")).to_have_count(3)
        # And it is not shown elsewhere.
        page.get_by_role("button", name="Open: ").first.click()
        expect(page.locator("#results [data-testid=cover]")).to_have_count(1)


def test_nothing_of_a_covered_picture_comes_beside_the_files_either(
    app: App, browser: Browser
) -> None:
    with listening(browser, app.url) as page:
        drop(page, PHOTOS / "coffee.jpg")
        expect(page.locator("#strip img")).to_have_count(1)
        before = pictures_told(page)
        page.locator("#prompt textarea").fill("warm [[nsfw]]")
        page.locator("#edit").click()
        expect(page.locator("#results [data-testid=cover]")).to_be_visible()
        expect(page.locator("#history [data-testid=cover]")).to_be_visible()
        after = pictures_told(page)
        assert before < after, "nothing was listened to"
        assert all(max(size) <= 12 for _, size in after - before)


def pictures_told(page: Page) -> set[tuple[str, tuple[int, int]]]:
    """All pictures that came as text, with their sizes."""
    found = set(re.findall(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", streamed(page)))
    sizes = {uri: Image.open(BytesIO(b64decode(uri.split(",")[1]))).size for uri in found}
    return set(sizes.items())
