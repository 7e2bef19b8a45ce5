"""Beside an edit: older results, results of elsewhere, recipes, sums, and whose key is used."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, free_port, served
from tests.support.service import VISITORS_KEY, Service
from tests.support.visits import ask, drop, tab, visit


@pytest.fixture
def app(app_with: AppWith, service: Service) -> App:
    """With its owner's key, over the strict service."""
    return app_with(service)


def see(page: Page, prompt: str) -> None:
    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_have_attribute("alt", f"Result: {prompt}")


def fetch(page: Page, prediction_id: str) -> None:
    box = page.locator("#fetch-id").locator("input, textarea")
    if not box.is_visible():
        page.get_by_role("button", name="Fetch a result by its id").click()
    box.fill(prediction_id)
    page.locator("#fetch").click()


def result_of(page: Page, folder: Path) -> Path:
    """The result as the visitor saves it."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_a_result_of_elsewhere_is_fetched_by_its_id(
    app: App, service: Service, browser: Browser, page: Page
) -> None:
    ask(page, "make it grey")
    see(page, "make it grey")
    prediction_id = page.locator("[data-testid=prediction-id]").text_content() or ""

    with visit(browser, app.url) as other:
        for wrong, told in (("../balance", "not a prediction id"), ("0" * 32, "does not know")):
            fetch(other, wrong)
            expect(other.locator("#fetch-note")).to_contain_text(told)
            expect(other.locator("#fetch-note")).to_contain_text("costs nothing")
            expect(other.locator("#history li")).to_have_count(0)
        fetch(other, prediction_id)
        see(other, f"Fetched: {prediction_id}")
        expect(other.locator("#status")).to_contain_text("That cost nothing.")
        expect(other.locator("#history li")).to_have_count(1)
        expect(other.locator("#session")).to_have_count(0)
    assert len(service.submissions) == 1


@pytest.mark.slow
def test_a_result_says_that_it_was_saved_and_checked(page: Page) -> None:
    ask(page, "make it grey")
    see(page, "make it grey")
    expect(page.locator("#results")).to_contain_text("Saved, 600×400 PNG")
    expect(page.locator("#results")).to_contain_text("checked")


@pytest.mark.slow
def test_a_result_dropped_onto_the_page_brings_its_prompt_and_pictures_back(
    page: Page, tmp_path: Path
) -> None:
    ask(page, "take the light of <b>the second</b>", PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
    see(page, "take the light of <b>the second</b>")
    file = result_of(page, tmp_path)

    page.reload()
    page.get_by_label("Clear").first.click()
    page.locator("#prompt textarea").fill("something else")
    drop(page, file)
    expect(page.locator("#strip")).to_contain_text("with “take the light of <b>the second</b>”")
    page.get_by_role("button", name="Use its prompt and pictures").click()

    expect(page.locator("#prompt textarea")).to_have_value("take the light of <b>the second</b>")
    expect(page.locator("#inputs img")).to_have_count(2)
    sources = [image.get_attribute("src") or "" for image in page.locator("#inputs img").all()]
    assert [source.rsplit("/", 1)[1] for source in sources] == ["coffee.jpg", "rocket.jpg"]


@pytest.mark.slow
def test_a_stranger_gets_the_prompt_and_puts_the_pictures_in_order(
    app: App, browser: Browser, page: Page, tmp_path: Path
) -> None:
    ask(page, "make it grey", PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
    see(page, "make it grey")
    file = result_of(page, tmp_path)

    with visit(browser, app.url) as other:
        drop(other, file, PHOTOS / "rocket.jpg")
        other.get_by_role("button", name="Use its prompt and pictures").click()
        expect(other.locator("#prompt textarea")).to_have_value("make it grey")
        expect(other.locator("#inputs-note")).to_contain_text(
            "Picture 1 of that edit can't be found"
        )
        expect(other.locator("#inputs img")).to_have_count(1)


@pytest.mark.slow
def test_a_new_edit_keeps_the_old_result_in_the_history_page_by_page(page: Page) -> None:
    ask(page, "edit 0")
    see(page, "edit 0")
    for number, variants in enumerate((4, 4, 2), start=1):
        page.locator("#prompt textarea").fill(f"edit {number}")
        page.get_by_label(str(variants), exact=True).check()
        page.locator("#edit").click()
        expect(page.get_by_role("img", name=f"Result: edit {number}")).to_have_count(variants)
    cards = page.locator("#history li")
    expect(cards).to_have_count(9)
    expect(cards.first).to_contain_text("edit 3")
    page.get_by_role("button", name="Older").click()
    expect(cards).to_have_count(2)
    expect(cards.last).to_contain_text("edit 0")
    page.get_by_role("button", name="Newer").click()
    expect(cards).to_have_count(9)
    expect(page.locator("#session")).to_contain_text("This session: 11 edits, $0.22")
    expect(page.locator("#history")).to_contain_text("$0.22 today")


def test_a_run_is_deleted_here_and_if_asked_at_the_service(page: Page, service: Service) -> None:
    ask(page, "make it grey")
    see(page, "make it grey")
    prediction_id = page.locator("[data-testid=prediction-id]").text_content() or ""
    card = page.locator("#history li")
    card.get_by_text("Delete", exact=True).click()
    card.get_by_role("button", name="Here and at WaveSpeed, for good").click()
    expect(card).to_have_count(0)
    assert prediction_id not in service.tasks


@pytest.mark.slow
def test_a_service_that_will_not_delete_keeps_it_here_too(page: Page, service: Service) -> None:
    ask(page, "make it grey")
    see(page, "make it grey")
    service.tasks.pop(page.locator("[data-testid=prediction-id]").text_content() or "")
    service.deletes = False
    card = page.locator("#history li")
    card.get_by_text("Delete", exact=True).click()
    card.get_by_role("button", name="Here and at WaveSpeed, for good").click()
    expect(page.locator("#history")).to_contain_text("Nothing was deleted.")
    expect(card).to_have_count(1)


@pytest.mark.slow
def test_a_session_is_taken_away_as_an_archive_and_as_a_sheet(
    browser: Browser, page: Page, tmp_path: Path
) -> None:
    ask(page, "make it <b>grey</b>")
    see(page, "make it <b>grey</b>")
    page.get_by_role("button", name="Export").click()
    files = {}
    for name in ("All files, ZIP", "Contact sheet, HTML"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        files[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[name])

    with ZipFile(files["All files, ZIP"]) as pack:
        assert "manifest.json" in pack.namelist()
        assert any(name.endswith("make-it-b-grey-b-1.png") for name in pack.namelist())
    context = browser.new_context(offline=True)
    sheet = context.new_page()
    sheet.goto(files["Contact sheet, HTML"].as_uri())
    expect(sheet.locator("body")).to_contain_text("make it <b>grey</b>")
    for picture in sheet.locator("img").all():
        assert picture.evaluate("image => image.naturalWidth") > 0
    context.close()


def test_the_page_says_whose_key_is_used_and_what_is_wrong_with_it(page: Page) -> None:
    line = page.get_by_role("button", name="Key:")
    expect(line).to_contain_text("Key: from the server")
    line.click()
    box = page.locator("#api-key input")
    box.fill("wrong-key-1")
    box.press("Enter")
    expect(page.locator("#key-note")).to_contain_text("does not accept the API key")
    box.fill(VISITORS_KEY)
    box.press("Enter")
    expect(line).to_contain_text("Key: yours, this tab only")
    expect(page.locator("#key-note")).not_to_contain_text("API key")
    box.fill("")
    box.press("Enter")
    expect(line).to_contain_text("Key: from the server")


@pytest.mark.slow
def test_the_balance_is_the_owners_on_localhost_alone(app: App, browser: Browser) -> None:
    with visit(browser, app.url) as page:
        expect(page.locator("#balance")).to_have_text("Balance $12.34")
    context = browser.new_context(extra_http_headers={"X-Forwarded-For": "203.0.113.9"})
    with tab(context, app.url) as page:
        ask(page, "make it grey")
        see(page, "make it grey")
        expect(page.locator("#session")).to_be_visible()
        expect(page.locator("#balance")).to_have_count(0)
        assert "12.34" not in page.content()
    context.close()
    assert "12.34" not in httpx.get(f"{app.url}/config").text


@pytest.mark.slow
def test_after_a_restart_a_visitors_run_asks_for_the_key_and_goes_on(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    port, service.may_end = free_port(), 0
    with (
        served(tmp_path, port=port, **service.settings()) as app,
        visit(browser, app.url) as page,
    ):
        page.get_by_role("button", name="Key:").click()
        page.locator("#api-key input").fill(VISITORS_KEY)
        ask(page, "make it grey")
        expect(page.locator("#status [data-testid=step-run]", has_text="Process")).to_be_visible()
        state = page.context.storage_state()
        app.kill()
    service.may_end = 1
    with served(tmp_path, port=port, **service.settings()) as app:
        context = browser.new_context(storage_state=state)
        with tab(context, app.url) as page:
            look = page.get_by_role("button", name="Look again")
            expect(page.locator("#results")).to_contain_text("forgot your key")
            look.click()
            expect(page.locator("#key-note")).to_contain_text("with your own key")
            page.get_by_role("button", name="Key:").click()
            page.locator("#api-key input").fill(VISITORS_KEY)
            look.click()
            see(page, "make it grey")
        context.close()
    assert len(service.submissions) == 1
    assert {key for path, key in service.keys if "result" in path} == {VISITORS_KEY}
