"""Who is let in, and how far: foreign pages, strange names, large bodies, guessed passwords."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App
from wavespeed.studio.logs import Redact
from wavespeed.studio.ui import scripts

EVIL = {"Origin": "https://evil.example"}
MEGABYTE = 1_000_000
USER, PASSWORD = "maker", "a-long-password"
NAME = "edit.example.com"


@pytest.fixture
def http(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def guarded(app_with: AppWith) -> App:
    """With a login, a name of its own and a path, as behind a proxy."""
    return app_with(
        WAVESPEED_AUTH=f"{USER}:{PASSWORD}",
        WAVESPEED_HOSTS=NAME,
        GRADIO_ROOT_PATH="/demo",
        GRADIO_SERVER_NAME="0.0.0.0",
    )


def sentence(answer: httpx.Response) -> str:
    return str(answer.json()["detail"])


def uploaded(http: httpx.Client) -> str:
    """The path of a picture that was uploaded."""
    with (PHOTOS / "coffee.jpg").open("rb") as file:
        return str(http.post("/gradio_api/upload", files={"files": file}).json()[0])


def called(http: httpx.Client, *data: object) -> str:
    """What a call of /edit is answered with."""
    call = http.post("/gradio_api/call/edit", json={"data": data})
    return http.get(f"/gradio_api/call/edit/{call.json()['event_id']}").text


# --- Other pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/queue/data?session_hash=abc"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/call/edit"),
        ("POST", "/gradio_api/mcp/"),
        ("OPTIONS", "/gradio_api/queue/join"),
    ],
)
def test_a_foreign_page_reads_and_starts_nothing(
    http: httpx.Client, method: str, path: str
) -> None:
    asks = {"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {}
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        answer = http.request(method, path, headers={"Origin": origin} | asks)
        assert answer.status_code == 403, origin
        assert "not used from other sites" in sentence(answer)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_itself_and_scripts_are_answered(app: App, http: httpx.Client) -> None:
    for headers in ({}, {"Origin": app.url}, {"Sec-Fetch-Site": "same-origin", "Origin": app.url}):
        assert http.get("/config", headers=headers).status_code == 200


def test_a_name_that_was_rebound_to_this_machine_is_not_the_pages(http: httpx.Client) -> None:
    answer = http.get("/config", headers={"Host": "rebound.example:7860"})
    assert answer.status_code == 421
    assert "WAVESPEED_HOSTS" in sentence(answer)
    port = http.base_url.port
    for name in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert http.get("/config", headers={"Host": name}).status_code == 200


def test_the_page_is_framed_by_itself_alone(http: httpx.Client) -> None:
    assert http.get("/").headers["content-security-policy"] == "frame-ancestors 'self'"


# --- Files ------------------------------------------------------------------------------------


def test_a_visitors_file_is_kept_by_no_cache_and_is_what_it_says(http: httpx.Client) -> None:
    path = uploaded(http)
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = http.get(f"/gradio_api/file={path}", headers=headers)
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_part_of_a_file_repeats_no_header_of_its_request(http: httpx.Client) -> None:
    whole = (PHOTOS / "coffee.jpg").read_bytes()
    sent = {"Range": "bytes=100-199", "Cookie": "secret=1", "Authorization": "Bearer secret"}
    answer = http.get(f"/gradio_api/file={uploaded(http)}", headers=sent)
    assert answer.status_code == 206
    assert answer.content == whole[100:200]
    assert answer.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert "secret" not in str(answer.headers)
    assert "host" not in answer.headers


@pytest.mark.parametrize(
    "odd", ["bytes=1-2-3", "bytes=5-2", "bytes=-5", "bytes=\u00b2-\u00b3", "x"]
)
def test_a_range_that_makes_no_sense_gets_the_whole_file(
    app: App, http: httpx.Client, odd: str
) -> None:
    before = len(app.log())
    headers = {"Range": odd.encode("utf-8")}
    answer = http.get(f"/gradio_api/file={uploaded(http)}", headers=headers)  # type: ignore[arg-type]
    assert answer.content == (PHOTOS / "coffee.jpg").read_bytes()
    assert "Traceback" not in app.log()[before:]


# --- Sizes ------------------------------------------------------------------------------------


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="what a process takes is read from /proc"
)


def peak_kb(app: App) -> int:
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@needs_proc
def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    app: App, http: httpx.Client
) -> None:
    before = peak_kb(app)
    body = b'{"data": ["' + b"A" * 200 * MEGABYTE + b'"]}'
    headers = {"Content-Type": "application/json"}
    for route in ("call/edit", "queue/join"):
        answer = http.post(f"/gradio_api/{route}", content=body, headers=headers)
        assert answer.status_code == 413
        assert "72.0 MB" in sentence(answer)
        assert "nothing spent" in sentence(answer)
    assert peak_kb(app) - before < 100_000


@needs_proc
def test_a_body_that_does_not_say_how_large_it_is_is_refused_on_the_way(
    app: App, http: httpx.Client
) -> None:
    before = peak_kb(app)
    pieces = (b"A" * MEGABYTE for _ in range(200))
    answer = http.post("/gradio_api/call/edit", content=pieces)
    assert answer.status_code == 413
    assert peak_kb(app) - before < 150_000  # What may be sent, and once that: not 1 GB.


def test_what_takes_no_pictures_takes_no_large_body(http: httpx.Client) -> None:
    for route in ("/gradio_api/cancel", "/login", "/gradio_api/reset"):
        answer = http.post(route, content=b"A" * 2 * MEGABYTE)
        assert answer.status_code == 413
        assert "1.0 MB" in sentence(answer)


def test_an_upload_may_be_larger_than_a_call_and_not_without_end(app: App) -> None:
    parts = urlsplit(app.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as raw:
        raw.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3000000000\r\n\r\n"
        )
        answer = raw.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_picture_of_40_mb_may_stand_in_the_call_itself(http: httpx.Client) -> None:
    uri = "data:image/png;base64," + "A" * 54_000_000
    answer = called(http, [{"path": uri}], "sepia", False, False)
    assert "event: error" in answer  # It was read, and is no picture.
    assert "is damaged" in answer


def test_scripts_are_kept_by_a_browser_and_the_page_is_not(http: httpx.Client) -> None:
    page = http.get("/")
    [script] = re.findall(r'src="\./(assets/index-[^"]+\.js)"', page.text)
    assert "immutable" in http.get(f"/{script}").headers["cache-control"]
    assert "cache-control" not in http.get("/assets/there-is-none-12345678.js").headers
    assert "immutable" not in page.headers.get("cache-control", "")


def test_the_pages_own_scripts_are_kept_until_one_of_them_changes(http: httpx.Client) -> None:
    current = http.get(f"/{scripts.address('main')}")
    assert "immutable" in current.headers["cache-control"]
    assert current.headers["content-type"].startswith("text/javascript")
    # Of a page that is older than the server.
    older = http.get(f"/{scripts.FOLDER}/0123456789abcdef/main.js")
    assert older.content == current.content
    assert older.headers["cache-control"] == "no-store"
    for name in ("stream.js", "..%2f..%2ftheme.py", "there-is-none.js"):
        assert http.get(f"/{scripts.FOLDER}/{scripts.VERSION}/{name}").status_code == 404


def test_two_hundred_thousand_pictures_are_refused_before_one_is_looked_at(
    http: httpx.Client,
) -> None:
    pictures = ["https://pictures.example/a.png"] * 200_000
    call = {"data": [pictures, "sepia", False, False]}
    answer = http.post("/gradio_api/call/edit", json=call)
    assert answer.status_code == 413
    assert "nothing spent" in sentence(answer)
    assert "5000 pictures are too many" in called(http, pictures[:5000], "sepia", False, False)


def test_a_prompt_that_is_far_too_long_is_refused_before_it_is_searched(http: httpx.Client) -> None:
    config = http.get("/config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    [read] = [one["id"] for one in config["dependencies"] if one["outputs"] == [ids["prompt-hint"]]]
    began = time.monotonic()
    data = [[], "image 7, " * 500_000, False]
    body = {"data": data, "fn_index": read, "session_hash": "long", "event_data": None}
    assert http.post("/gradio_api/queue/join", json=body).status_code == 200
    with http.stream("GET", "/gradio_api/queue/data?session_hash=long") as events:
        done = next(line for line in events.iter_lines() if "process_completed" in line)
    message = json.loads(done.removeprefix("data: "))
    assert "The prompt has 4,500,000 characters; 32,000 is the most." in str(message["output"])
    assert time.monotonic() - began < 15


# --- Who is who -------------------------------------------------------------------------------


def loaded(http: httpx.Client, session: str, visitor: str | None = None) -> Any:
    """What the page's load event answers, as its browser hears it."""
    config = http.get("/config").json()
    [load] = [
        one
        for one in config["dependencies"]
        if "load" in str(one["targets"]) and one["js"] and len(one["outputs"]) == 6
    ]
    body = {"data": [visitor, None], "fn_index": load["id"], "session_hash": session}
    assert http.post("/gradio_api/queue/join", json=body).status_code == 200
    with http.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as events:
        done = next(line for line in events.iter_lines() if "process_completed" in line)
    return json.loads(done.removeprefix("data: "))["output"]["data"]


def test_a_visitors_id_is_not_told_to_who_has_the_session_hash(
    app: App, http: httpx.Client
) -> None:
    visitor = loaded(http, "page-of-a-visitor")[0]
    assert len(visitor) == 32
    assert loaded(http, "page-of-a-visitor")[0] != visitor
    assert loaded(http, "page-of-a-visitor", visitor)[0] == visitor
    assert visitor not in app.log()


def test_no_query_stands_in_the_log(app: App, http: httpx.Client) -> None:
    loaded(http, "session-of-someone")
    http.get("/?prompt=my-words&__sign=secret-token")
    http.get("/gradio_api/file=/nowhere?session_hash=session-of-someone")
    for word in ("session-of-someone", "my-words", "secret-token"):
        assert word not in app.log()


def test_a_query_is_blacked_out_of_the_log_whoever_writes_it_there() -> None:
    line = "GET /gradio_api/queue/data?session_hash=abc&x=1 HTTP/1.1; is it a=b? yes, at a = 1"
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, line, None, None)
    said = Redact(None).format(record)
    assert "abc" not in said
    assert "queue/data?[query] HTTP/1.1; is it a=b? yes, at a = 1" in said


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/monitoring/summary",
        "/monitoring/x",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link",
        "/gradio_api/profiling/summary",
    ],
)
def test_gradios_own_back_rooms_are_closed(http: httpx.Client, path: str) -> None:
    assert http.get(path, timeout=10).status_code in (403, 404)


# --- With a login -----------------------------------------------------------------------------


def login(app: App, password: str, **headers: str) -> httpx.Response:
    form = {"username": USER, "password": password}
    return httpx.post(f"{app.url}/login", data=form, headers=headers, trust_env=False, timeout=30)


def test_the_cookie_of_the_login_stays_on_its_own_site(guarded: App) -> None:
    answer = login(guarded, PASSWORD)
    assert answer.status_code == 200
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("samesite=lax" in cookie.lower() for cookie in cookies)
    assert all("httponly" in cookie.lower() for cookie in cookies)
    name, value = cookies[1].split(";")[0].split("=", 1)
    logged_in = {"Cookie": f"{name}={value}"}
    config = f"{guarded.url}/config"
    assert httpx.get(config, headers=logged_in).status_code == 200
    assert httpx.get(config).status_code == 401
    assert httpx.get(config, headers=logged_in | EVIL).status_code == 403


def test_the_page_answers_to_the_names_of_its_owner(guarded: App) -> None:
    origin = f"https://{NAME}"
    told = httpx.get(guarded.url, headers={"Host": NAME, "Origin": origin})
    assert told.status_code == 200
    assert httpx.get(guarded.url, headers={"Host": "other.example"}).status_code == 421
    assert httpx.get(guarded.url, headers={"Origin": origin}).status_code == 200
    assert httpx.get(guarded.url, headers={"Host": NAME} | EVIL).status_code == 403


def guessed(app: App, address: str) -> int:
    """Seconds that whoever guesses from there has to wait."""
    someone = {"X-Forwarded-For": address}
    statuses = [login(app, f"guess {n}", **someone).status_code for n in range(12)]
    assert statuses.index(429) == 5
    refused = login(app, PASSWORD, **someone)
    assert refused.status_code == 429  # Else guessing would go on as fast.
    wait = int(refused.headers["retry-after"])
    assert f"Try again in {wait} s." in sentence(refused)
    return wait


def test_a_guessed_password_has_to_wait_and_nobody_else_has(guarded: App) -> None:
    assert 0 < guessed(guarded, "198.51.100.7") <= 10
    assert login(guarded, PASSWORD, **{"X-Forwarded-For": "198.51.100.8"}).status_code == 200


@pytest.mark.slow
def test_after_the_wait_the_right_password_works(guarded: App) -> None:
    time.sleep(guessed(guarded, "198.51.100.9"))
    assert login(guarded, PASSWORD, **{"X-Forwarded-For": "198.51.100.9"}).status_code == 200


def test_the_path_of_a_proxy_opens_no_way_around(guarded: App) -> None:
    someone = {"X-Forwarded-For": "198.51.100.9"}
    form = {"username": USER, "password": "guess"}
    for path in ("/login", "/login/", "/demo/login", "/demo/login/", "/login", "/demo/login"):
        answer = httpx.post(f"{guarded.url}{path}", data=form, headers=someone)
    assert answer.status_code == 429
    assert httpx.get(f"{guarded.url}/demo/config", headers=EVIL).status_code == 403
    too_large = httpx.post(f"{guarded.url}/demo/gradio_api/cancel", content=b"A" * 2 * MEGABYTE)
    assert too_large.status_code == 413
