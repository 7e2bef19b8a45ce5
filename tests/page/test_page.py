"""The real page in Chromium: what a person does, and what a person then sees."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support import chromium
from tests.support.apps import App
from tests.support.service import KEY, Service
from tests.support.visits import ask, drop, listening, runs, visit


def test_from_drop_to_result_with_status_flag_and_timings(page: Page) -> None:
    expect(page.locator("#engine")).to_have_text("Sandbox: simple filters, not the model")
    expect(page.locator("#results")).to_contain_text("Drop, paste or take one to four pictures")

    ask(page, "make it black and white")

    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_be_visible()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Done in \d+\.\d s\. \$0\.02 was"))
    expect(page.locator("#results")).to_contain_text("Not flagged")
    expect(picture).to_have_attribute("alt", "Result: make it black and white")
    for part in ("Prepare", "Upload", "Queue", "Inference", "Download", "Total"):
        expect(page.locator("[data-testid=legend]")).to_contain_text(
            re.compile(rf"{part}\s*\d+\.\d s")
        )
    assert (
        page.evaluate("document.querySelector('#results [data-testid=result]').naturalWidth") == 600
    )
    expect(page.locator("#edit")).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()


def test_the_downloaded_file_is_the_grey_picture(page: Page, tmp_path: Path) -> None:
    ask(page, "make it black and white")
    link = page.get_by_role("link", name="Download")
    with page.expect_download() as download:
        link.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)

    assert re.fullmatch(r"\d{6}-make-it-black-and-white-1(-\d+)?\.png", path.name)
    red, green, blue = Image.open(path).convert("RGB").crop((0, 0, 300, 200)).split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


@pytest.mark.slow
def test_seconds_tick_without_the_server(page: Page) -> None:
    ask(page, "warm [[slow]]")
    ticking = page.locator("#status [data-testid=step-run] b")
    expect(ticking).to_be_visible()
    page.locator("#status [data-testid=step-run]", has_text="Process").wait_for()
    first = float(ticking.inner_text().split()[0])
    expect(ticking).not_to_have_text(f"{first:.1f} s")
    assert float(ticking.inner_text().split()[0]) > first


def test_a_double_click_makes_one_edit_and_does_not_stop_it(app: App, page: Page) -> None:
    before = runs(app)
    drop(page, PHOTOS / "coffee.jpg")
    page.locator("#prompt textarea").fill("sepia")
    page.locator("#edit").dblclick()
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    assert len(runs(app) - before) == 1


@pytest.mark.slow
def test_the_key_is_not_too_fast_for_the_button(page: Page) -> None:
    drop(page, PHOTOS / "chelsea.jpg")
    page.locator("#prompt textarea").evaluate(
        """(field) => {
            field.value = "sepia";
            field.dispatchEvent(new Event("input", { bubbles: true }));
            const init = { key: "Enter", ctrlKey: true, bubbles: true };
            field.dispatchEvent(new KeyboardEvent("keydown", init));
        }"""
    )
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: sepia")


@pytest.mark.parametrize(
    "keys", ["Control+Enter", pytest.param("Meta+Enter", marks=pytest.mark.slow)]
)
def test_the_keyboard_edits(page: Page, keys: str) -> None:
    drop(page, PHOTOS / "chelsea.jpg")
    page.locator("#prompt textarea").press_sequentially("sepia")
    page.keyboard.press(keys)
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    expect(page.locator("#results [data-testid=result]")).to_have_attribute("alt", "Result: sepia")


@pytest.mark.parametrize(
    ("files", "prompt", "said"),
    [
        (0, "sepia", "Add a picture first"),
        (5, "sepia", "4 pictures at most"),
        (1, "   ", "Say what should change"),
    ],
)
def test_the_button_says_what_is_missing(
    blank_page: Page, files: int, prompt: str, said: str
) -> None:
    if files:
        drop(blank_page, *[PHOTOS / "coffee.jpg"] * files)
    blank_page.locator("#prompt textarea").fill(prompt)
    expect(blank_page.locator("#edit")).to_have_text(said)
    expect(blank_page.locator("#edit")).to_be_disabled()
    blank_page.keyboard.press("Control+Enter")
    expect(blank_page.locator("#status")).to_contain_text("Ready.")


def test_a_prompt_too_long_is_told_beside_it_before_anything_is_sent(blank_page: Page) -> None:
    ask(blank_page, "x" * 32_001)
    said = "32,001 characters; 32,000 is the most"
    expect(blank_page.locator("#prompt-note")).to_contain_text(said)
    expect(blank_page.locator("#status")).to_contain_text("Ready.")


def test_a_file_that_is_no_picture_is_told_beside_the_pictures(page: Page, tmp_path: Path) -> None:
    fake = tmp_path / "holiday.jpg"
    fake.write_text("this is no picture")
    page.locator("#inputs input[type=file]").first.set_input_files(str(fake))
    expect(page.locator("#strip")).to_contain_text("“holiday.jpg” is no JPEG")
    page.locator("#prompt textarea").fill("sepia")
    page.locator("#edit").click()
    expect(page.locator("#inputs-note")).to_contain_text("holiday.jpg")
    expect(page.locator("#inputs-note")).not_to_contain_text("/")
    expect(page.locator("#edit")).to_be_visible()


@pytest.mark.parametrize(
    ("prompt", "what", "money"),
    [
        pytest.param(
            "[[moderated]]",
            "refused by content moderation",
            "Nothing was spent.",
            marks=pytest.mark.slow,
        ),
        ("[[nocredit]]", "out of credit", "Nothing was spent."),
        ("[[fail]]", "The edit failed.", "WaveSpeed refunds failed runs within 3 hours."),
    ],
)
def test_an_error_says_what_happened_the_money_and_what_to_do(
    page: Page, prompt: str, what: str, money: str
) -> None:
    ask(page, f"warm {prompt}")
    problem = page.locator("#results [data-testid=problem]")
    expect(problem).to_contain_text(what)
    expect(problem.locator("[data-testid=money]")).to_contain_text(money)
    expect(problem).not_to_contain_text("Traceback")
    expect(page.locator("#edit")).to_be_visible()
    expect(page.locator("#prompt textarea")).to_have_value(f"warm {prompt}")
    expect(page.locator("#inputs img")).to_have_count(1)


@pytest.mark.slow
def test_a_rate_limit_is_seen_and_waited_out(page: Page) -> None:
    ask(page, "sepia [[ratelimit]]")
    expect(page.locator("#status")).to_contain_text("Next try in")
    expect(page.locator("#status")).to_contain_text("Nothing was spent so far.")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()


def test_a_flagged_picture_stays_covered_until_someone_asks(page: Page) -> None:
    fetched: list[str] = []
    page.on("response", lambda response: fetched.append(response.url))
    ask(page, "warm [[nsfw]]")
    expect(page.locator("#results")).to_contain_text("Flagged")
    expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    assert not [url for url in fetched if "warm-nsfw" in url]
    assert "warm-nsfw" not in page.content()

    with page.expect_response(lambda response: "warm-nsfw" in response.url):
        page.get_by_role("button", name="Show anyway").click()
    expect(page.locator("#results [data-testid=cover]")).to_have_count(0)
    expect(page.get_by_role("link", name="Download")).to_be_visible()

    page.get_by_role("button", name="Cover again").click()
    expect(page.locator("#results [data-testid=cover]")).to_be_visible()
    assert "warm-nsfw" not in page.content()


def test_after_the_submission_stop_only_ends_the_watching_and_says_so(page: Page) -> None:
    ask(page, "warm [[stuck]]")
    stop = page.locator("#stop")
    expect(stop).to_have_text("Stop watching")
    stop.click()
    expect(page.locator("#status")).to_contain_text("goes on at WaveSpeed and will be billed")
    expect(page.locator("#edit")).to_be_visible()


def test_a_stop_while_nothing_was_accepted_ends_the_edit_for_nothing(page: Page) -> None:
    ask(page, "neon [[ratelimit]]")
    expect(page.locator("#status")).to_contain_text("Next try in")
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text("Stopped before anything was sent.")
    expect(page.locator("#status")).to_contain_text("Nothing was spent.")
    expect(page.locator("#edit")).to_be_visible()


@pytest.mark.slow
def test_closing_the_tab_ends_the_watching_and_not_the_edit(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    app, service.may_end = app_with(service), 0
    before, log_before = runs(app), len(app.log())
    with visit(browser, app.url) as page:
        ask(page, "sketch")
        step = page.locator("#status [data-testid=step-run]")
        expect(step).to_contain_text(re.compile(r"Queue|Process"))

    service.may_end = 1
    [run_id] = runs(app) - before
    deadline = time.monotonic() + 15
    while not re.search(rf"{run_id} .*: done", app.log()):
        assert time.monotonic() < deadline, "the run ended with its tab"
        time.sleep(0.1)
    assert "Traceback" not in app.log()[log_before:]


@pytest.mark.parametrize("keys", ["Enter", "Shift+Enter"])
def test_a_new_line_in_the_prompt_spends_nothing(blank_page: Page, keys: str) -> None:
    drop(blank_page, PHOTOS / "chelsea.jpg")
    blank_page.locator("#prompt textarea").press_sequentially("sepia")
    blank_page.keyboard.press(keys)
    blank_page.keyboard.type("warm")
    expect(blank_page.locator("#prompt textarea")).to_have_value("sepia\nwarm")
    blank_page.wait_for_timeout(700)  # An edit would have begun by then.
    expect(blank_page.locator("#status")).to_contain_text("Ready.")
    expect(blank_page.locator("#history [data-testid=history-card]")).to_have_count(0)


HOSTILE = (
    "warm <img src=x onerror=window.hit=1> ${window.hit=2} `${window.hit=3}` {{value}} \\x \\u"
)


def test_markup_and_templates_in_a_prompt_stay_text(page: Page) -> None:
    ask(page, HOSTILE)
    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_be_visible()
    expect(picture).to_have_attribute("alt", f"Result: {HOSTILE}")
    assert page.evaluate("window.hit") is None


@pytest.mark.slow
def test_markup_in_a_file_name_stays_text(page: Page, tmp_path: Path) -> None:
    fake = tmp_path / "<b onclick=x>${window.hit=1}.jpg"
    fake.write_text("no picture")
    page.locator("#inputs input[type=file]").first.set_input_files(str(fake))
    expect(page.locator("#strip")).to_contain_text(".jpg")
    page.locator("#prompt textarea").fill("sepia")
    page.locator("#edit").click()
    expect(page.locator("#inputs-note")).to_contain_text(".jpg")
    assert page.locator("#inputs-note b").count() == 0
    assert page.evaluate("window.hit") is None


@pytest.mark.slow
def test_the_page_asks_nobody_but_its_own_server(app: App, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app.url)
    expect(page.locator("body[data-ready]")).to_be_attached()
    ask(page, "sepia")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    context.close()
    strangers = [url for url in asked if not url.startswith((app.url, "data:", "blob:"))]
    assert not strangers


def test_on_a_phone_what_happens_comes_into_view(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    app, service.may_end = app_with(service), 0
    with visit(browser, app.url) as page:
        page.set_viewport_size({"width": 390, "height": 640})
        expect(page.locator("#status")).not_to_be_in_viewport()
        ask(page, "sepia")
        expect(page.locator("#status [data-testid=step-run]")).to_be_in_viewport()
        service.may_end = 1
        expect(page.locator("#results [data-testid=result]")).to_be_in_viewport(ratio=1)


def test_with_a_key_the_same_page_asks_the_real_service_as_documented(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.nsfw = None
    app = app_with(service)
    with visit(browser, app.url) as page:
        expect(page.locator("#engine")).to_have_text("127.0.0.1")
        ask(page, "make it black and white", PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
        expect(page.locator("#results")).to_contain_text("Not checked")
        assert KEY not in page.content()
        page.get_by_role("button", name="Advanced").click()
        page.get_by_label("Sync mode").check()
        page.get_by_label("Base64 output").check()
        page.locator("#edit").click()
        expect(page.locator("#history li")).to_have_count(2)
        expect(page.locator("#status")).to_contain_text("Done")
    first, second = service.submissions
    assert len(first["images"]) == 2
    assert (first["enable_sync_mode"], first["enable_base64_output"]) == (False, False)
    assert (second["enable_sync_mode"], second["enable_base64_output"]) == (True, True)
    assert KEY not in app.log()
    assert len(list((app.log_file.parent / "data" / "outputs").rglob("*black-and-white*.png"))) == 2


def test_no_chromium_but_the_machines_own_is_needed() -> None:
    if not (path := chromium.find()):
        pytest.skip(chromium.MISSING)
    assert subprocess.run([path, "--version"], capture_output=True).returncode == 0


@pytest.mark.slow
def test_what_ticks_needs_no_traffic(app_with: AppWith, service: Service, browser: Browser) -> None:
    service.may_end = 0
    with listening(browser, app_with(service).url) as page:
        ask(page, "grey")
        step = page.locator("#status [data-testid=step-run]", has_text="Process")
        ticking = step.locator("b")
        expect(ticking).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        looks, came = len(service.looks), page.evaluate("window.streamed.length")
        told = set()
        for _ in range(15):
            told.add(ticking.inner_text())
            page.wait_for_timeout(100)
        came = page.evaluate("window.streamed.length") - came
        assert len(told) >= 8
        assert came <= len(service.looks) - looks + 1  # When it was last heard of is news.
        assert not asked


@pytest.mark.slow
def test_a_picture_is_taken_with_the_camera(page: Page) -> None:
    page.context.grant_permissions(["camera"])
    inputs = page.locator("#inputs")
    for name in ("Capture from camera", "Take a picture"):  # The first, and one more.
        inputs.get_by_role("button", name=name).click()
        inputs.get_by_role("button", name="Click to Access Webcam").click()
        expect(inputs.locator("video")).to_be_in_viewport(ratio=1)
        page.wait_for_function("document.querySelector('#inputs video')?.videoWidth > 0")
        inputs.get_by_role("button", name="capture photo").click()
        expect(inputs.locator("video")).to_have_count(0)
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(2)
