"""Whoever knows an open page's session hash neither listens to it nor acts in its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Request, expect

from tests.support.apps import PHOTOS, App
from tests.support.visits import ask, visit
from wavespeed.studio.security.page_secrets import HEADER, PageSecrets

MINE, ANOTHER = {HEADER: "a" * 32}, {HEADER: "b" * 32}
SESSION = "abcdefghij1"


@pytest.fixture
def http(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=30) as client:
        yield client


def load(http: httpx.Client) -> int:
    config = http.get("/config").json()
    [load] = [
        one["id"]
        for one in config["dependencies"]
        if "load" in str(one["targets"]) and one["js"] and len(one["outputs"]) == 6
    ]
    return int(load)


def joined(http: httpx.Client, session: str, headers: dict[str, str]) -> httpx.Response:
    body = {"data": [None, None], "fn_index": load(http), "session_hash": session}
    return http.post("/gradio_api/queue/join", json=body, headers=headers)


def said(http: httpx.Client, session: str, headers: dict[str, str]) -> str:
    """All that a page's stream says."""
    return http.get(f"/gradio_api/queue/data?session_hash={session}", headers=headers).text


def test_a_page_hears_what_it_asked_for_and_nobody_else_does(http: httpx.Client) -> None:
    assert joined(http, "page-1", MINE).status_code == 200
    for stranger in (ANOTHER, {}):
        answer = http.get("/gradio_api/queue/data?session_hash=page-1", headers=stranger)
        assert answer.status_code == 403
        assert "another open page" in answer.json()["detail"]
    assert "process_completed" in said(http, "page-1", MINE)


@pytest.mark.parametrize("stranger", [ANOTHER, {}], ids=["with a secret", "without one"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "queue/join", {"data": [None, None], "fn_index": 0, "session_hash": "page-2"}),
        ("POST", "call/edit", {"data": [[], "", False, False], "session_hash": "page-2"}),
        ("POST", "run/edit", {"data": [[], "", False, False], "session_hash": "page-2"}),
        ("POST", "cancel", {"session_hash": "page-2", "fn_index": 0, "event_id": "x"}),
        ("POST", "reset", {"session_hash": "page-2", "event_id": "x", "fn_index": 0}),
        ("GET", "queue/data?session_hash=page-2&session_hash=its-own", None),
        ("GET", "queue/data?session_hash=its-own&session_hash=page-2", None),
        ("GET", "stream/page-2/1/2/playlist-file", None),
    ],
)
def test_nothing_is_done_in_the_name_of_another_page(
    http: httpx.Client, method: str, path: str, body: object, stranger: dict[str, str]
) -> None:
    joined(http, "page-2", MINE)
    answer = http.request(method, f"/gradio_api/{path}", json=body, headers=stranger)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b'{"session_hash": "mine", "data": [], "fn_index": %d, "session_hash": "page-3"}',
        b'{"session_hash": "mine", "data": [], "fn_index": %d, "\\u0073ession_hash": "page-3"}',
        b'{"data": [null, null], "fn_index": %d, "session\\u005fhash": "\\u0070age-3"}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-le"])
def test_however_it_is_written(http: httpx.Client, body: bytes, encoding: str) -> None:
    joined(http, "page-3", MINE)
    content = (body % load(http)).decode().encode(encoding)
    headers = ANOTHER | {"Content-Type": "application/json"}
    answer = http.post("/gradio_api/queue/join", content=content, headers=headers)
    assert answer.status_code == 403


def test_scripts_go_on_without_a_secret(http: httpx.Client) -> None:
    assert joined(http, "script-1", {}).status_code == 200
    assert joined(http, "script-1", ANOTHER).status_code == 403
    assert "process_completed" in said(http, "script-1", {})


def test_a_session_hash_without_end_is_not_kept(http: httpx.Client) -> None:
    assert joined(http, "x" * 200, MINE).status_code == 403


def test_the_pages_that_are_kept_in_mind_are_bounded_and_the_last_ones() -> None:
    pages = PageSecrets(most=2)
    assert pages.admit("one", "a" * 32)
    assert pages.admit("two", "a" * 32)
    assert pages.admit("one", "a" * 32)
    assert pages.admit("three", "a" * 32)
    assert not pages.admit("one", "b" * 32)
    assert pages.admit("two", "b" * 32)  # Forgotten: as after a restart, the next one binds.


def test_hashes_that_are_only_named_in_addresses_drive_nobody_out(http: httpx.Client) -> None:
    assert joined(http, "thepagesown", MINE).status_code == 200
    for round_ in range(12):
        made_up = "&".join(f"session_hash={round_}up{number}" for number in range(2_000))
        http.get(f"/gradio_api/startup-events?{made_up}")
    assert joined(http, "thepagesown", ANOTHER).status_code == 403
    pages = PageSecrets(most=2)
    assert pages.admit("page", MINE[HEADER])
    for number in range(9):
        assert pages.admit(f"made up {number}", "", binds=False)
    assert not pages.admit("page", ANOTHER[HEADER])


def test_a_browser_sends_one_secret_with_all_that_is_its_pages(app: App, browser: Browser) -> None:
    with visit(browser, app.url) as page:
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request))
        page.reload()
        expect(page.locator("body[data-ready]")).to_be_attached()
        ask(page, "sepia", PHOTOS / "coffee.jpg")
        expect(page.locator("#results [data-testid=result]")).to_be_visible()
        # The page that was left had still something to say: of the sessions the last one counts.
        streams = [one.url for one in asked if "/queue/data" in one.url]
        session = parse_qs(urlsplit(streams[-1]).query)["session_hash"][0]
        of_the_page = [one for one in asked if session in one.url + (one.post_data or "")]
        sent = {one.headers.get(HEADER) for one in of_the_page if "/gradio_api/queue/" in one.url}
        assert len(sent) == 1
        assert None not in sent

        # A stranger who has read its address in a log.
        answer = httpx.get(
            f"{app.url}/gradio_api/queue/data?session_hash={session}", trust_env=False
        )
        assert answer.status_code == 403
        body = json.dumps({"data": [None, None], "fn_index": 0, "session_hash": session})
        answer = httpx.post(f"{app.url}/gradio_api/queue/join", content=body, trust_env=False)
        assert answer.status_code == 403
