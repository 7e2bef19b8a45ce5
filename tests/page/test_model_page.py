"""The page and its API over a service that has another model than the default, or none any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, free_port, served
from tests.support.service import Service
from tests.support.visits import ask, tab, visit
from wavespeed import MODEL

OTHER = "openai/gpt-image-2.6-flare/edit"


@pytest.fixture
def service(service: Service) -> Service:
    """It has another model, at another price."""
    service.model, service.price = OTHER, 0.045
    return service


@pytest.fixture
def app(app_with: AppWith, service: Service) -> App:
    return app_with(service, WAVESPEED_MODEL=OTHER)


def script(app: App, prompt: str) -> dict[str, object]:
    """What a script is told of its edit."""
    client = Client(app.url, verbose=False, download_files=False, analytics_enabled=False)
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    _, about = client.predict(images=[picture], prompt=prompt, api_name="/edit")
    return dict(about)


def test_the_model_of_the_setting_is_asked_priced_and_named(page: Page) -> None:
    ask(page, "make it grey")
    expect(page.locator("#results [data-testid=result]")).to_be_visible()
    expect(page.locator("#edit")).to_have_text("Edit  $0.045")
    expect(page.locator("#status")).to_contain_text("$0.045 was spent")
    expect(page.locator("#session")).to_contain_text("1 edit, $0.045")
    expect(page.get_by_role("button", name="Again $0.045")).to_be_visible()
    page.locator("#results [data-testid=details] summary").click()
    details = page.locator("#results [data-testid=details]")
    expect(details).to_contain_text(f"Model {OTHER}")
    for name in ("curl", "Python"):
        expect(details.get_by_label(name)).to_contain_text(f"/api/v3/{OTHER}")
    expect(details).not_to_contain_text(MODEL)


def test_a_script_is_told_which_model_it_was_and_what_it_costs(app: App) -> None:
    about = script(app, "make it grey")
    assert (about["model"], about["cost_usd"]) == (OTHER, 0.045)
    client = Client(app.url, verbose=False, analytics_enabled=False)
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert OTHER in str(described)
    assert MODEL not in str(described)


def test_the_sandbox_answers_whatever_model_is_configured(app_with: AppWith) -> None:
    about = script(app_with(WAVESPEED_MODEL=OTHER), "make it grey")
    assert (about["model"], about["status"]) == (OTHER, "completed")


@pytest.mark.parametrize(
    "status", [404, *(pytest.param(other, marks=pytest.mark.slow) for other in (400, 410))]
)
def test_a_model_that_is_gone_is_told_on_the_page_and_to_scripts(
    app: App, service: Service, page: Page, status: int
) -> None:
    service.model, service.missing = "openai/what-came-after/edit", status
    ask(page, "make it grey")
    problem = page.locator("#results [data-testid=problem]")
    expect(problem).to_contain_text(f"WaveSpeed no longer offers the model {OTHER}.")
    expect(problem).to_contain_text("Nothing was spent.")
    expect(problem).to_contain_text("The setting WAVESPEED_MODEL")
    expect(problem).not_to_contain_text("this edit (any more)")
    with pytest.raises(
        AppError, match=r"no longer offers .*\. Nothing was spent\. .*WAVESPEED_MODEL"
    ):
        script(app, "make it grey")
    assert service.submissions == []


def test_with_a_budget_and_no_price_nothing_is_sent(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    service.priced = False
    app = app_with(service, WAVESPEED_MODEL=OTHER, WAVESPEED_BUDGET_USD="5")
    with visit(browser, app.url) as page:
        ask(page, "make it grey")
        problem = page.locator("#results [data-testid=problem]")
        expect(problem).to_contain_text(f"an edit by {OTHER} costs is not known yet")
        expect(problem).to_contain_text("Nothing was spent.")
        expect(page.locator("#edit")).to_have_text("Edit")
    with pytest.raises(AppError, match=r"not known yet.*Nothing was spent"):
        script(app, "make it grey")
    assert service.submissions == []


@pytest.mark.slow
def test_an_old_edit_is_sent_anew_to_the_model_of_today_at_the_price_on_the_button(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    port, service.model, service.price = free_port(), MODEL, 0.02
    settings = service.settings()
    with served(tmp_path, port=port, **settings) as app, visit(browser, app.url) as page:
        ask(page, "make it grey")
        expect(page.get_by_role("button", name="Again $0.02")).to_be_visible()
        state = page.context.storage_state()
    service.model, service.price = OTHER, 0.045
    with served(tmp_path, port=port, WAVESPEED_MODEL=OTHER, **settings) as app:
        context = browser.new_context(storage_state=state)
        with tab(context, app.url) as page:
            expect(page.locator("#results [data-testid=cost]").first).to_have_text("$0.02")
            page.get_by_role("button", name="Again $0.045").click()
            expect(page.locator("#status")).to_contain_text("$0.045 was spent")
            expect(page.locator("#history li")).to_have_count(2)
        context.close()
    assert sorted(service.models.values()) == sorted([MODEL, OTHER])


def test_the_box_for_a_key_says_that_it_holds_no_login(page: Page) -> None:
    """Chromium leaves a password field alone that says it is a code; nothing else keeps it away."""
    key, box = page.get_by_role("button", name="Key:"), page.locator("#api-key input")
    for _ in range(2):  # Gradio may make the field anew each time.
        key.click()
        expect(box).to_have_attribute("autocomplete", "one-time-code")
        expect(box).to_have_attribute("type", "password")
        key.click()
