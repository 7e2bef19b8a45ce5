"""No press goes unseen and none is paid twice, whatever lies between the browser and the page."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, free_port, served
from tests.support.proxy import late
from tests.support.service import Service
from tests.support.visits import ask, drop, tab, visit

PRESSES = 20
WRONG_KEYS = [
    ("two words", "not a WaveSpeed API key"),
    ("a-wrong-key", "does not accept the API key"),
]
RESULT = "#results [data-testid=result]"


@pytest.fixture
def app(app_with: AppWith, service: Service) -> App:
    """With its owner's key, over the strict service."""
    return app_with(service)


@pytest.mark.parametrize("delay", [0.1, pytest.param(0.3, marks=pytest.mark.slow)])
def test_a_first_press_behind_a_proxy_that_delays_is_seen(
    browser: Browser, app: App, service: Service, delay: float
) -> None:
    with late(app.url, delay) as proxy:
        for number in range(2):
            with visit(browser, proxy.url) as page:
                ask(page, f"sepia {number}")
                expect(page.locator(RESULT)).to_be_visible()
                expect(page.locator("#history [data-testid=history-card]")).to_have_count(1)

    assert len(service.submissions) == 2


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1, 0.3, 1.0])
def test_twenty_presses_are_seen_and_sent_once_each(
    browser: Browser, app: App, service: Service, delay: float
) -> None:
    """Ten first ones, each of a fresh visitor, and ten one after the other on one page."""
    with late(app.url, delay) as proxy:
        for number in range(PRESSES // 2):
            with visit(browser, proxy.url) as page:
                ask(page, f"sepia {number}")
                expect(page.locator(RESULT)).to_be_visible()
        with visit(browser, proxy.url) as page:
            drop(page, Path(__file__).parent.parent.parent / "docs" / "phone-light.webp")
            for number in range(PRESSES // 2):
                page.locator("#prompt textarea").fill(f"warm {number}")
                page.locator("#edit").click()
                picture = page.get_by_alt_text(f"Result: warm {number}", exact=True)
                expect(picture).to_be_visible()
            expect(page.locator("#history [data-testid=history-card]")).to_have_count(9)

    assert len(service.submissions) == PRESSES


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1, 0.3, 1.0])
def test_history_versions_deletion_and_keys_answer_behind_such_a_proxy(
    browser: Browser, app: App, service: Service, delay: float
) -> None:
    """Twenty presses of each, but for deletions, of which two edits allow two."""
    with late(app.url, delay) as proxy, visit(browser, proxy.url) as page:
        ask(page, "sepia")
        expect(page.locator(RESULT)).to_be_visible()
        page.locator("#results").get_by_role("button", name="Use as input").click()
        expect(page.locator("#strip")).to_contain_text("Use its prompt and pictures")
        page.locator("#prompt textarea").fill("warm")
        page.locator("#edit").click()
        expect(page.get_by_alt_text("Result: warm", exact=True)).to_be_visible()

        for _ in range(PRESSES // 2):
            page.get_by_role("button", name="Version 1").click()
            expect(page.get_by_alt_text("Result: sepia", exact=True)).to_be_visible()
            page.get_by_role("button", name="Version 2").click()
            expect(page.get_by_alt_text("Result: warm", exact=True)).to_be_visible()
        for _ in range(PRESSES // 2):
            for prompt in ("sepia", "warm"):
                page.get_by_role("button", name=f"Open: {prompt}").click()
                expect(page.get_by_alt_text(f"Result: {prompt}", exact=True)).to_be_visible()
        for left in (1, 0):
            page.locator("#history summary").first.click()
            page.get_by_role("button", name="Delete it here").first.click()
            expect(page.locator("#history [data-testid=history-card]")).to_have_count(left)

        page.locator("#key button").first.click()
        for key, note in WRONG_KEYS * (PRESSES // 2):
            page.locator("#api-key input").fill(key)
            page.locator("#api-key input").press("Enter")
            expect(page.locator("#key-note")).to_contain_text(note)

    assert len(service.submissions) == 2


def test_a_press_whose_answer_is_lost_is_shown_all_the_same(
    browser: Browser, app: App, service: Service
) -> None:
    with late(app.url) as proxy, visit(browser, proxy.url) as page:
        drop(page, Path(__file__).parent.parent.parent / "docs" / "phone-light.webp")
        page.locator("#prompt textarea").fill("sepia")
        expect(page.locator("#edit")).to_be_enabled()
        proxy.is_losing_joins = True
        page.locator("#edit").click()
        page.wait_for_function("() => document.querySelector('.toast-body.error')")
        proxy.is_losing_joins = False

        expect(page.get_by_alt_text("Result: sepia", exact=True)).to_be_visible()
        expect(page.locator("#history [data-testid=history-card]")).to_have_count(1)

    assert len(service.submissions) == 1


def test_a_press_that_is_refused_is_not_asked_for_again(browser: Browser, app: App) -> None:
    """Such as after the end of a login: it has begun nothing."""
    with late(app.url) as proxy, visit(browser, proxy.url) as page:
        proxy.is_refusing_joins = True
        page.evaluate("window.wavespeed.trigger('click', { press: '' })")
        page.wait_for_function("() => document.querySelector('.toast-body.error')")
        page.wait_for_timeout(1500)  # What the page asks for as it comes is over.
        before = proxy.joins
        page.wait_for_timeout(2500)
        assert proxy.joins == before


@pytest.mark.slow
def test_a_stream_that_is_answered_with_an_error_is_opened_again(
    browser: Browser, app: App, service: Service
) -> None:
    with late(app.url) as proxy, visit(browser, proxy.url) as page:
        drop(page, PHOTOS / "coffee.jpg")
        page.locator("#prompt textarea").fill("sepia")
        expect(page.locator("#edit")).to_be_enabled()
        proxy.is_losing_streams = True
        page.locator("#edit").click()
        page.wait_for_timeout(2000)
        assert len(service.submissions) == 1
        proxy.is_losing_streams = False

        expect(page.get_by_alt_text("Result: sepia", exact=True)).to_be_visible()

    assert len(service.submissions) == 1


@pytest.mark.slow
def test_a_stream_that_falls_silent_brings_the_page_back_with_its_edit(
    browser: Browser, app: App, service: Service
) -> None:
    """As one does after a laptop has slept; a minute passes on the page's clock."""
    service.may_end = 0
    context = browser.new_context(reduced_motion="reduce")
    context.clock.install()
    with late(app.url) as proxy, closing(context), tab(context, proxy.url) as page:
        ask(page, "sepia")
        expect(page.locator("#status")).to_contain_text("You may close this page")
        proxy.is_silent = True
        page.evaluate("document.body.dataset.before = 'the silence'")
        page.clock.fast_forward(30_000)
        expect(page.locator("body[data-before]")).to_be_attached()
        page.clock.fast_forward(30_000)
        expect(page.locator("body[data-before]")).not_to_be_attached()  # It is loaded anew.
        proxy.is_silent = False

        service.may_end = 1
        expect(page.get_by_alt_text("Result: sepia", exact=True)).to_be_visible()

    assert len(service.submissions) == 1


@pytest.mark.slow
def test_a_stream_that_is_cut_off_brings_the_page_back_with_its_edit(
    browser: Browser, app: App, service: Service
) -> None:
    service.may_end = 0
    with late(app.url) as proxy, visit(browser, proxy.url) as page:
        ask(page, "sepia")
        expect(page.locator("#status")).to_contain_text("Accepted")
        proxy.is_cutting = True
        expect(page.locator("body[data-ready]")).not_to_be_attached()  # It is loaded anew.
        proxy.is_cutting = False

        service.may_end = 1
        expect(page.get_by_alt_text("Result: sepia", exact=True)).to_be_visible()

    assert len(service.submissions) == 1


def test_a_press_in_the_moment_in_which_the_last_edit_ends_is_heard(
    service: Service, page: Page
) -> None:
    """Gradio passes over clicks until the last event is answered, a moment after Edit is back."""
    ask(page, "sepia")
    page.locator("#prompt textarea").fill("warm")
    page.evaluate(
        """() => new Promise((pressed) => {
            const edit = document.getElementById("edit");
            const look = () => {
                if (!document.querySelector("#results [data-testid=result]") || !edit.checkVisibility())
                    return requestAnimationFrame(look);
                edit.click();
                pressed();
            };
            look();
        })"""  # noqa: E501 - JavaScript
    )
    expect(page.get_by_alt_text("Result: warm", exact=True)).to_be_visible()
    assert len(service.submissions) == 2


@pytest.mark.slow
def test_an_edit_of_one_tab_is_in_the_history_of_the_other(browser: Browser, app: App) -> None:
    context = browser.new_context(reduced_motion="reduce")
    with closing(context), tab(context, app.url) as first, tab(context, app.url) as second:
        ask(first, "sepia")
        expect(first.locator(RESULT)).to_be_visible()

        expect(second.locator("#history [data-testid=history-card]")).to_have_count(1)
        expect(second.locator(RESULT)).to_be_hidden()  # It looks at what it looked at.


def test_a_card_is_there_while_the_edit_is_under_way(service: Service, page: Page) -> None:
    service.may_end = 0
    ask(page, "sepia")
    card = page.locator("#history [data-testid=history-card]")
    expect(card).to_contain_text("Under way")
    expect(page.locator(RESULT)).to_be_hidden()


@pytest.mark.slow
def test_the_same_press_begins_its_edit_once_across_reloads_and_restarts(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    context, port, settings = browser.new_context(), free_port(), service.settings()
    sepia = "Result: sepia"
    with closing(context):
        with served(tmp_path, port=port, **settings) as app, tab(context, app.url) as page:
            always_the_same_press(page)
            ask(page, "sepia")
            expect(page.get_by_alt_text(sepia, exact=True)).to_be_visible()
            press_again(page, "warm")
            expect(page.get_by_alt_text(sepia, exact=True)).to_be_visible()
            page.reload()
            expect(page.locator(RESULT)).to_be_visible()
            always_the_same_press(page)
            press_again(page, "vintage")
            expect(page.locator("#status")).to_contain_text("Done")
        with served(tmp_path, port=port, **settings) as app, tab(context, app.url) as page:
            expect(page.locator(RESULT)).to_be_visible()
            always_the_same_press(page)
            press_again(page, "neon")
            expect(page.locator("#status")).to_contain_text("Done")
            expect(page.get_by_alt_text(sepia, exact=True)).to_be_visible()

    assert len(service.submissions) == 1


def press_again(page: Page, prompt: str) -> None:
    page.locator("#prompt textarea").fill(prompt)
    expect(page.locator("#edit")).to_be_enabled()
    page.wait_for_timeout(1000)  # Else Gradio may pass over it, see stream.js: its press is ours.
    page.locator("#edit").click()
    page.wait_for_timeout(1000)  # In which a second edit would begin.


def always_the_same_press(page: Page) -> None:
    page.evaluate("window.wavespeed.press = () => 'a'.repeat(32)")


@pytest.mark.slow
def test_an_idle_page_sends_nothing(browser: Browser, app: App) -> None:
    """For as long as it is open: its clock is turned on by three minutes."""
    context = browser.new_context(reduced_motion="reduce")
    context.clock.install()
    with closing(context), tab(context, app.url) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        deadline = time.monotonic() + 30
        while True:  # What the page asks for as it comes takes its time.
            page.wait_for_timeout(2_000)
            if not asked:
                break
            assert time.monotonic() < deadline, f"it goes on asking: {asked}"
            asked.clear()
        for _ in range(100):
            page.clock.fast_forward(2_000)
        page.wait_for_timeout(500)
        assert not asked
