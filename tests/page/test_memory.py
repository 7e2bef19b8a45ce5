"""Whoever comes back finds the page as it was: after a reload, in a second tab, after kill -9."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, free_port, served
from tests.support.service import Service
from tests.support.visits import ask, drop, tab, visit, wait_until_kept


def see_result(page: Page, prompt: str) -> None:
    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_have_attribute("alt", f"Result: {prompt}")
    expect(page.locator("#prompt textarea")).to_have_value(prompt)


def test_a_reload_in_the_middle_picks_the_edit_up_where_it_was(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    app, service.may_end = app_with(service), 0
    with visit(browser, app.url) as page:
        ask(page, "grey", PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
        expect(page.locator("#status [data-testid=step-run]", has_text="Process")).to_be_visible()

        page.reload()

        expect(page.locator("#status")).to_contain_text("Picked up your edit where it was")
        expect(page.locator("#prompt textarea")).to_have_value("grey")
        expect(page.locator("#inputs img")).to_have_count(2)
        expect(page.locator("#stop")).to_be_visible()
        with tab(page.context, app.url) as second:
            expect(second.locator("#status [data-testid=step-run]")).to_be_visible()
            service.may_end = 1
            expect(second.locator("#results [data-testid=result]")).to_be_visible()
        see_result(page, "grey")


@pytest.mark.slow
def test_what_was_not_sent_yet_is_there_after_a_lost_connection(page: Page) -> None:
    drop(page, PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
    page.locator("#prompt textarea").fill("a bowl")
    expect(page.locator("#edit")).to_have_text("Edit  $0.02")
    page.context.set_offline(True)
    with page.expect_navigation():  # By Gradio, once it reaches the server again.
        page.locator("#edit").click()
        expect(page.locator("body")).to_contain_text("Connection to the server was lost")
        page.context.set_offline(False)
    expect(page.locator("#prompt textarea")).to_have_value("a bowl")
    expect(page.locator("#inputs img")).to_have_count(2)
    page.reload()
    expect(page.locator("#prompt textarea")).to_have_value("a bowl")
    expect(page.locator("#edit")).to_have_text("Edit  $0.02")


def test_a_reload_afterwards_shows_the_result_and_the_fields(page: Page) -> None:
    ask(page, "warm")
    see_result(page, "warm")
    page.reload()
    see_result(page, "warm")
    expect(page.locator("#inputs img")).to_have_count(1)
    expect(page.locator("#history li")).to_have_count(1)


@pytest.mark.slow
def test_a_link_with_a_prompt_fills_the_page_for_anyone_once(app: App, browser: Browser) -> None:
    prompt = "a <b>bowl</b> & 100 % more + # “light”"
    with visit(browser, f"{app.url}/?prompt={quote(prompt)}&__theme=dark") as page:
        field = page.locator("#prompt textarea")
        expect(field).to_have_value(prompt)
        expect(page.locator("#edit")).to_have_text("Add a picture first")
        assert page.url == f"{app.url}/?__theme=dark"
        wait_until_kept(page)
        field.fill("a plate")
        wait_until_kept(page)
        page.reload()
        expect(field).to_have_value("a plate")


@pytest.mark.slow
def test_a_link_to_an_edit_opens_it_for_the_browser_that_made_it_alone(
    app: App, browser: Browser, page: Page
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "older")
    see_result(page, "older")
    page.locator("[data-testid=details] summary").click()
    page.get_by_role("button", name="Copy link to this edit").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{app.url}/?run=")
    page.get_by_role("button", name="Copy link to this prompt").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"{app.url}/?prompt=older"
    ask_again(page, "newer")

    page.goto(link)
    see_result(page, "older")
    expect(page.locator("#inputs img")).to_have_count(1)
    page.reload()
    see_result(page, "older")
    ask_again(page, "newest")
    page.reload()
    see_result(page, "newest")

    with visit(browser, link) as other:
        expect(other.locator("body")).to_contain_text("made in another browser, or was deleted")
        expect(other.locator("#results [data-testid=result]")).to_have_count(0)
        expect(other.locator("#prompt textarea")).to_have_value("")


def test_another_visitor_sees_nothing_of_it(app: App, browser: Browser, page: Page) -> None:
    ask(page, "cool")
    see_result(page, "cool")
    with visit(browser, app.url) as other:
        expect(other.locator("#results")).to_contain_text(
            "Drop, paste or take one to four pictures"
        )
        expect(other.locator("#history li")).to_have_count(0)
        expect(other.locator("#prompt textarea")).to_have_value("")


def test_kill_9_in_the_middle_loses_nothing_and_sends_nothing_twice(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    port, service.may_end = free_port(), 0
    with (
        served(tmp_path, port=port, **service.settings()) as app,
        visit(browser, app.url) as page,
    ):
        ask(page, "make it grey")
        expect(page.locator("#status [data-testid=step-run]", has_text="Process")).to_be_visible()
        state = page.context.storage_state()
        app.kill()
    service.may_end = 1
    with served(tmp_path, port=port, **service.settings()) as app:
        context = browser.new_context(storage_state=state)
        with tab(context, app.url) as page:
            see_result(page, "make it grey")
            expect(page.locator("#inputs img")).to_have_count(1)
        context.close()
    assert len(service.submissions) == 1


@pytest.mark.slow
def test_the_history_opens_reuses_and_deletes(page: Page) -> None:
    for prompt in ("mirror", "invert"):
        ask_again(page, prompt)
    cards = page.locator("#history li")
    expect(cards).to_have_count(2)
    expect(cards.first).to_contain_text("invert")
    expect(cards.first).to_contain_text("$0.02")

    cards.nth(1).get_by_role("button", name="Open").click()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: mirror")
    cards.nth(1).get_by_role("button", name="Use again").click()
    expect(page.locator("#prompt textarea")).to_have_value("mirror")
    cards.first.get_by_role("button", name="Use as input").click()
    expect(page.locator("#inputs img")).to_have_count(1)
    expect(page.locator("#inputs img")).to_have_attribute("src", re.compile("invert"))

    cards.first.get_by_text("Delete", exact=True).click()
    cards.first.get_by_role("button", name="Delete it here").click()
    expect(cards).to_have_count(1)
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: mirror")
    page.reload()
    expect(cards).to_have_count(1)
    expect(cards.first).to_contain_text("mirror")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()

    cards.first.get_by_text("Delete", exact=True).click()
    cards.first.get_by_role("button", name="Delete it here").click()
    expect(page.locator("#results [data-testid=welcome]")).to_be_visible()  # It was on the stage.


def ask_again(page: Page, prompt: str) -> None:
    """An edit of whatever is in the field, or of a cup."""
    if page.locator("#inputs img").count():
        page.locator("#prompt textarea").fill(prompt)
        page.locator("#edit").click()
    else:
        ask(page, prompt)
    see_result(page, prompt)


@pytest.mark.slow
def test_a_lost_answer_offers_to_look_again_and_to_send_again(page: Page) -> None:
    ask(page, "warm [[outage]]")
    problem = page.locator("#results [data-testid=problem]")
    expect(problem).to_contain_text("We don't know whether WaveSpeed accepted this")
    expect(problem.locator("[data-testid=money]")).to_contain_text("It is not known")
    expect(problem.get_by_role("button", name="Look again")).to_be_visible()
    send = problem.get_by_role("button", name="Send again (may cost another $0.02)")
    expect(send).to_be_visible()
