"""A result is looked at, compared, gone on from; several stand side by side."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App
from tests.support.service import Service
from tests.support.visits import ask, drop, tab, visit

HOSTILE = "<img src=x onerror=window.hit=1> ${window.hit=2} {{value}} \\x"


def see(page: Page, prompt: str) -> None:
    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_have_attribute("alt", f"Result: {prompt}")
    expect(page.locator("#edit")).to_be_visible()


def made(page: Page, prompt: str, *files: Path) -> None:
    ask(page, prompt, *files)
    see(page, prompt)


def ready(page: Page) -> None:
    """Gradio has put the fields where they belong."""
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(1)


@pytest.mark.slow
def test_the_old_result_stays_pale_until_the_new_file_is_there(page: Page) -> None:
    made(page, "sepia")
    page.locator("#prompt textarea").fill("invert [[slow]]")
    before = page.locator("[data-testid=stage]").bounding_box()
    page.locator("#edit").click()
    expect(page.locator("#status [data-testid=step-run]")).to_be_visible()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: sepia")
    expect(page.locator("#results [data-testid=stage-picture]")).to_have_css("opacity", "0.35")
    assert page.locator("[data-testid=stage]").bounding_box() == before
    expect(page).to_have_title("Editing… · Image edit")
    expect(page.locator("#status")).to_contain_text("You may close this page")


@pytest.mark.slow
def test_the_status_says_what_is_usual_and_when_it_was_last_heard_of(page: Page) -> None:
    for prompt in ("sepia", "warm", "cool"):
        made(page, prompt) if prompt == "sepia" else again(page, prompt)
    page.locator("#prompt textarea").fill("invert [[slow]]")
    page.locator("#edit").click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Working, usually about \d+ s\."))
    expect(page.locator("#status [data-testid=heard]")).to_contain_text(
        re.compile(r"heard of it [\d.]+ s")
    )


def again(page: Page, prompt: str) -> None:
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#edit").click()
    see(page, prompt)


def test_before_and_after_by_pointer_and_by_key(page: Page) -> None:
    made(page, "sepia")
    handle = page.get_by_role("slider", name="Compare with the picture before")
    expect(handle).to_have_attribute("aria-valuenow", "0")
    box = page.locator("#results [data-testid=stage-picture]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.up()
    expect(handle).to_have_attribute("aria-valuenow", "50")
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "55")
    handle.press("Home")
    expect(handle).to_have_attribute("aria-valuenow", "0")

    old = page.locator("#results [data-testid=before]")
    assert old.evaluate("image => image.decode().then(() => image.naturalWidth)") == 600
    hidden = old.evaluate("image => getComputedStyle(image).clipPath")
    page.keyboard.down("b")
    assert old.evaluate("image => getComputedStyle(image).clipPath") == "none"
    page.keyboard.up("b")
    assert old.evaluate("image => getComputedStyle(image).clipPath") == hidden
    handle.press("End")
    page.get_by_label("1", exact=True).focus()  # No letters are written there.
    page.keyboard.down("b")
    expect(page.locator("[data-testid=tag-before]")).to_have_css("opacity", "1")
    expect(page.locator("[data-testid=tag-after]")).to_have_css("opacity", "0")
    page.keyboard.up("b")


@pytest.mark.slow
def test_another_shape_is_told(page: Page) -> None:
    made(page, "crop to a square")
    expect(page.locator("[data-testid=shape]")).to_have_text(
        "Your picture is 3:2, the result 1:1; edges may be cropped or invented."
    )
    # Both are equally high, and the handle goes from edge to edge of the wider one.
    handle = page.get_by_role("slider", name="Compare with the picture before")
    handle.press("End")
    expect(page.locator("#results [data-testid=pair]")).to_have_css("aspect-ratio", "1.5 / 1")
    assert page.locator("#results [data-testid=pair]").evaluate(
        """(pair) => {
            const box = pair.getBoundingClientRect();
            const stage = pair.closest("[data-testid=stage-picture]").getBoundingClientRect();
            return Math.abs(box.height - stage.height) < 1 && box.width < stage.width;
        }"""
    )


@pytest.mark.slow
def test_versions_lead_from_the_original_to_here_and_back(page: Page) -> None:
    made(page, "sepia")
    page.locator("#results").get_by_role("button", name="Use as input").click()
    expect(page.locator("#strip")).to_contain_text("Made here with “sepia”")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()  # It vanished once.
    again(page, "crop to a square")

    versions = page.locator("[data-testid=versions] button")
    expect(versions).to_have_count(3)
    expect(versions.nth(2)).to_have_attribute("aria-current", "true")
    versions.nth(1).click()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: sepia")
    versions.nth(0).click()
    expect(page.locator("#inputs img")).to_have_attribute("src", re.compile(r"coffee\.jpg$"))

    expect(page.locator("#strip")).not_to_contain_text("Made here with")
    page.locator("#results").get_by_role("button", name="Use as input").click()
    expect(page.locator("#strip")).to_contain_text("Made here with")
    page.locator("#prompt textarea").fill("warm [[fail]]")
    page.locator("#edit").click()
    expect(page.locator("[data-testid=problem]")).to_be_visible()
    expect(versions).to_have_count(2)  # What failed has made no version.
    expect(page.locator("#history [data-testid=history-input]")).to_have_count(
        1
    )  # But has a picture in the history.


def test_again_sends_the_same_edit_once_more_for_its_price(page: Page) -> None:
    made(page, "sepia")
    page.get_by_role("button", name="Again $0.02").click()
    expect(page.locator("#history li")).to_have_count(2)
    expect(page.locator("#session")).to_contain_text("2 edits, $0.04")


def test_a_failed_edit_is_tried_again_with_one_click(page: Page) -> None:
    ask(page, "sepia [[fail]]")
    expect(page.locator("[data-testid=problem]")).to_contain_text("The edit failed.")
    page.get_by_role("button", name="Try again $0.02").click()
    expect(page.locator("#history li")).to_have_count(2)


@pytest.mark.slow
def test_the_details_hold_the_request_but_no_key(page: Page, browser: Browser) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    made(page, "make it 'warm' & \"quoted\"")
    details = page.locator("[data-testid=details]")
    details.locator("summary").click()
    expect(details).to_contain_text("$WAVESPEED_API_KEY")
    expect(details).to_contain_text("os.environ['WAVESPEED_API_KEY']")
    expect(details).to_contain_text("600×400 PNG")
    prediction_id = page.locator("[data-testid=prediction-id]").inner_text()
    details.get_by_role("button", name="Copy").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == prediction_id
    page.get_by_role("button", name="Copy link", exact=True).click()
    assert prediction_id in page.evaluate("navigator.clipboard.readText()")

    # And the request is one: whoever runs it submits the same edit.
    key = os.environ | {"WAVESPEED_API_KEY": "anyones"}
    commands = {"Python": [sys.executable, "-c"], "curl": ["bash", "-c"]}
    for name, command in commands.items():
        if name == "curl" and not shutil.which("curl"):
            continue
        text = details.get_by_label(name, exact=True).text_content() or ""
        done = subprocess.run([*command, text], env=key, capture_output=True, text=True, timeout=60)
        assert "openai/gpt-image-1-mini/edit" in done.stdout, done.stderr
        assert "created" in done.stdout


@pytest.mark.slow
def test_variants_stand_side_by_side_and_are_there_after_a_reload(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.may_end = 0
    with visit(browser, app_with(service).url) as page:
        ask_for(page, "3", "sepia")
        expect(page.locator("#status")).to_contain_text("2 running, 1 waiting.")
        service.may_end = 3
        expect(page.locator("#results [data-testid=result]")).to_have_count(3)
        expect(page.locator("#status")).to_contain_text("3 done.")
        expect(page.locator("#session")).to_contain_text("3 edits, $0.06")
        for tile in page.locator("[data-testid=tile]").all():
            expect(tile).to_contain_text("Not flagged")
            expect(tile).to_contain_text("$0.02")
            expect(tile).to_contain_text(re.compile(r"\d\.\d s"))
        page.reload()
        expect(page.locator("#results [data-testid=result]")).to_have_count(3)


def ask_for(page: Page, variants: str, prompt: str) -> None:
    drop(page, PHOTOS / "coffee.jpg")
    page.locator("#prompt textarea").fill(prompt)
    page.get_by_label(variants, exact=True).check()
    expect(page.locator("#edit")).to_have_text(f"Edit  $0.0{2 * int(variants)}")
    page.locator("#edit").click()


@pytest.mark.slow
def test_results_fill_the_screen_and_are_turned_over_by_key(page: Page) -> None:
    ask_for(page, "2", "sepia")
    expect(page.locator("#results [data-testid=result]")).to_have_count(2)
    page.locator("[data-testid=tile]").nth(1).hover()
    page.get_by_role("button", name="Full screen").nth(1).click()
    screen = page.get_by_role("dialog", name="Full screen")
    picture = screen.locator("img")
    second = picture.get_attribute("src")
    page.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", second or "")
    page.keyboard.press("ArrowLeft")
    expect(picture).to_have_attribute("src", second or "")
    page.keyboard.press("Escape")
    expect(screen).to_be_hidden()
    expect(page.locator("#results [data-testid=result]")).to_have_count(2)


@pytest.mark.slow
def test_the_focus_goes_to_the_result_unless_its_person_writes_on(page: Page) -> None:
    made(page, "sepia")
    expect(page.locator("[data-testid=stage]")).to_be_focused()
    expect(page).to_have_title("Done · Image edit")
    page.locator("#prompt textarea").fill("warm [[ratelimit]]")
    page.locator("#edit").click()
    page.locator("#prompt textarea").click()
    page.keyboard.type(" and more")
    expect(page.locator("#results [data-testid=result]")).to_have_attribute(
        "alt", re.compile("Result: warm")
    )
    expect(page.locator("#prompt textarea")).to_be_focused()


@pytest.mark.slow
def test_what_is_watched_no_more_is_told_so_and_comes_into_the_history(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.may_end = 1
    with visit(browser, app_with(service).url) as page:
        made(page, "sepia")
        page.locator("#prompt textarea").fill("warm")
        page.locator("#edit").click()
        stop = page.get_by_role("button", name="Stop watching")
        stop.click()
        expect(page.locator("#status")).to_contain_text("goes on at WaveSpeed")
        expect(page).to_have_title("Image edit")
        expect(page.locator("#results [data-testid=result]")).to_have_attribute(
            "alt", "Result: sepia"
        )
        expect(page.locator("#results [data-testid=stage-picture]")).to_have_css("opacity", "1")
        cards = page.locator("#history [data-testid=history-card]")
        expect(cards.first).to_contain_text("Under way")
        service.may_end = 2
        expect(cards.first).to_contain_text("$0.02")  # By itself, when it is there.


@pytest.mark.slow
def test_new_variants_show_the_old_result_pale_until_they_are_there(page: Page) -> None:
    made(page, "sepia")
    old = page.locator("#results [data-testid=result]").get_attribute("src") or ""
    page.locator("#prompt textarea").fill("warm [[slow]]")
    page.get_by_label("2", exact=True).check()
    page.locator("#edit").click()
    stand_ins = page.locator("#results [data-testid=tile] [data-testid=pending-older]")
    expect(stand_ins).to_have_count(2)
    for picture in stand_ins.all():
        expect(picture).to_have_attribute("src", old)
        expect(picture).to_have_css("opacity", "0.35")


@pytest.mark.slow
def test_after_a_failure_the_next_edit_takes_its_place_at_once(page: Page) -> None:
    ask(page, "sepia [[fail]]")
    expect(page.locator("[data-testid=problem]")).to_be_visible()
    page.locator("#prompt textarea").fill("warm [[slow]]")
    page.locator("#edit").click()
    expect(page.locator("#results [data-testid=pending]")).to_be_visible()
    expect(page.locator("[data-testid=problem]")).to_have_count(0)


@pytest.mark.slow
def test_a_variant_that_fails_leaves_the_others_and_what_is_read_of_it_stays_open(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.fails, service.error, service.may_end = 1, HOSTILE, 1
    with visit(browser, app_with(service).url) as page:
        ask_for(page, "3", "sepia")
        problem = page.locator("[data-testid=tile] [data-testid=problem]")
        expect(problem).to_contain_text(f"WaveSpeed says: {HOSTILE}")
        problem.locator("summary").click()
        service.may_end = 3
        expect(page.locator("#status")).to_contain_text("2 done, 1 failed.")
        expect(page.locator("#results [data-testid=result]")).to_have_count(2)
        expect(problem).to_have_count(1)
        expect(problem.locator("pre")).to_be_visible()
        expect(problem.get_by_role("button", name="Try again $0.02")).to_be_visible()
        expect(page.locator("#session")).to_contain_text("3 edits, $0.06")
        assert page.evaluate("window.hit") is None
        # The one alone, and back.
        tiles = page.locator("[data-testid=tile]")
        tiles.nth(2).get_by_role("button", name="Details").click()
        expect(page.locator("#results [data-testid=times]")).to_be_visible()
        expect(page.locator("#results [data-testid=result]")).to_have_count(1)
        page.get_by_role("button", name="All 3 of these").click()
        expect(page.locator("#results [data-testid=result]")).to_have_count(2)


@pytest.mark.slow
def test_a_link_to_one_of_several_shows_that_one(app: App, page: Page) -> None:
    ask_for(page, "2", "sepia")
    expect(page.locator("#results [data-testid=result]")).to_have_count(2)
    cards = page.locator("#history").get_by_role("button", name="Open: ")
    expect(cards).to_have_count(2)
    for card in cards.all():
        link = f"{app.url}/?run={card.get_attribute('data-run')}"
        with tab(page.context, link) as other:
            expect(other.locator("#results [data-testid=result]")).to_have_count(1)
            other.get_by_role("button", name="All 2 of these").click()
            expect(other.locator("#results [data-testid=result]")).to_have_count(2)


@pytest.mark.slow
def test_copying_needs_no_https(page: Page) -> None:
    page.evaluate(
        """() => {
            Object.defineProperty(navigator, "clipboard", { value: undefined });
            document.addEventListener("copy", () => { window.copied = `${getSelection()}`; });
        }"""
    )
    made(page, "sepia")
    page.get_by_role("button", name="Copy link", exact=True).click()
    expect(page.locator("[data-copied]")).to_be_visible()
    assert page.evaluate("window.copied").startswith("http")
