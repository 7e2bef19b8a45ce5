"""A visitor's own key: used for that visitor alone, and found nowhere afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App
from tests.support.service import KEY, MODEL, VISITORS_KEY, Service
from tests.support.visits import ask, visit

EVERYTHING_STORED = """async () => {
    const found = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
    for (const { name } of await indexedDB.databases()) {
        const database = await new Promise((done) => {
            const request = indexedDB.open(name);
            request.onsuccess = () => done(request.result);
        });
        for (const store of database.objectStoreNames) {
            found.push(await new Promise((done) => {
                const request = database.transaction(store).objectStore(store).getAll();
                request.onsuccess = () => done(JSON.stringify(request.result));
            }));
        }
    }
    return found.join(" ");
}"""


@pytest.fixture
def app(app_with: AppWith, service: Service) -> App:
    """It logs all it can."""
    return app_with(service, WAVESPEED_LOG="debug")


def enter_key(page: Page, key: str) -> None:
    page.get_by_role("button", name="Key:").click()
    page.locator("#api-key input").fill(key)


def payers(service: Service) -> list[str]:
    """The keys of the submissions so far."""
    return [key for path, key in service.keys if path == MODEL]


def test_a_visitors_key_is_used_for_the_visitor_and_kept_nowhere(
    app: App, service: Service, browser: Browser
) -> None:
    asked: list[str] = []
    with visit(browser, app.url) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: asked.append(str(response.headers)))
        enter_key(page, VISITORS_KEY)
        ask(page, "make it grey")
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
        stored = page.evaluate(EVERYTHING_STORED) + json.dumps(page.context.storage_state())
        content = page.content()
        session = page.evaluate("window.__gradio_session_hash__")
        told = httpx.get(f"{app.url}/gradio_api/deep_link", params={"session_hash": session})
        page.reload()
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
        page.get_by_role("button", name="Key: from the server").click()
        expect(page.locator("#api-key input")).to_have_value("")

    assert payers(service) == [VISITORS_KEY]
    assert session
    assert told.status_code == 404  # Gradio would write every field into a file for it.
    files = b"".join(file.read_bytes() for file in app.log_file.parent.rglob("*") if file.is_file())
    places = {
        "the browser's storage": stored,
        "the markup": content,
        "an address or a header": " ".join(asked),
        "the log": app.log(),
        "the data folder": files.decode("latin-1"),
        "the config": httpx.get(f"{app.url}/config").text,
        "the API's description": httpx.get(f"{app.url}/gradio_api/info").text,
    }
    for place, text in places.items():
        assert VISITORS_KEY not in text, f"the visitor's key is in {place}"
        assert KEY not in text, f"the server's key is in {place}"


def test_the_next_visitor_pays_with_the_servers_key(
    app: App, service: Service, browser: Browser
) -> None:
    with visit(browser, app.url) as page:
        ask(page, "make it grey")
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
    assert payers(service) == [KEY]


def test_what_can_not_be_a_key_is_told_beside_its_field(page: Page) -> None:
    enter_key(page, "two words")
    ask(page, "make it grey")
    expect(page.locator("#key-note")).to_contain_text("This is not a WaveSpeed API key.")
    expect(page.locator("#key-note")).not_to_contain_text("two words")


def test_a_wrong_key_is_told_without_repeating_it(page: Page) -> None:
    enter_key(page, "wrong-key-1")
    ask(page, "make it grey")
    problem = page.locator("#results [data-testid=problem]")
    expect(problem).to_contain_text("WaveSpeed does not accept the API key.")
    expect(problem).to_contain_text("Nothing was spent.")
    expect(page.locator("#results")).not_to_contain_text("wrong-key-1")


def test_a_script_brings_its_key_in_a_header(app: App, service: Service, tmp_path: Path) -> None:
    client = Client(
        app.url,
        headers={"X-WaveSpeed-Key": VISITORS_KEY},
        download_files=tmp_path,
        verbose=False,
        analytics_enabled=False,
    )
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    _, details = client.predict(images=[picture], prompt="make it grey", api_name="/edit")
    assert payers(service) == [VISITORS_KEY]
    assert VISITORS_KEY not in json.dumps(details)


@pytest.mark.slow
def test_where_visitors_need_their_own_key_the_servers_is_not_used(
    app_with: AppWith, service: Service, browser: Browser
) -> None:
    app = app_with(service, WAVESPEED_REQUIRE_VISITOR_KEY="1")
    with visit(browser, app.url) as page:
        ask(page, "make it grey")
        expect(page.locator("#key-note")).to_contain_text("Enter your WaveSpeed key")
    client = Client(app.url, verbose=False, analytics_enabled=False)
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    with pytest.raises(AppError, match="Enter your WaveSpeed key"):
        client.predict(images=[picture], prompt="x", api_name="/edit")
    assert payers(service) == []
