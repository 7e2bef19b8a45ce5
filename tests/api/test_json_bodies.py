"""What a JSON body costs is known before it is parsed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.apps import App, served
from wavespeed.studio.security.json_bodies import MAX_VALUES, has_too_many_values, session_hash_of

MANY = 7_000_000
HAS_PROC = Path("/proc/self/status").exists()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One whose memory nobody else takes."""
    with served(tmp_path_factory.mktemp("bodies")) as app:
        yield app


@pytest.fixture
def http(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        yield client


def memory_mb(app: App, what: str) -> float:
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1000


@pytest.mark.skipif(not HAS_PROC, reason="reads /proc")
@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"",', b'{"a":0},', b"0,", b"[0],"])
@pytest.mark.parametrize("path", ["call/edit", "queue/join", "run/edit"])
def test_a_body_of_millions_of_values_is_refused_before_it_is_parsed(
    app: App, http: httpx.Client, unit: bytes, path: str
) -> None:
    before = memory_mb(app, "VmHWM")
    body = b'{"session_hash":"x","data":[' + unit * MANY + b"0]}"
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"/gradio_api/{path}", content=body, headers=headers)
    assert answer.status_code == 413
    assert "Nothing was done" in answer.json()["detail"]
    assert memory_mb(app, "VmHWM") - before < 300  # Parsed, the least of these is 560 MB.


def test_a_long_prompt_full_of_commas_is_one_value() -> None:
    for text in ("image 7, " * 500_000, "[{," * 500_000, 'said "no", ' * 5_000):
        assert not has_too_many_values(json.dumps({"data": [text]}).encode())


def test_a_string_that_is_not_one_hides_nothing() -> None:
    hidden = b"[]," * (MAX_VALUES + 1)
    for start in (rb'{"a": "\\", "b": [', rb'{"a": "\\\"", "b": [', b'{"a": "", "b": ['):
        assert has_too_many_values(start + hidden + b"0]}")
    wide = ('{"data": ["\u2200", ' + "[]," * MAX_VALUES + "0]}").encode("utf-16")
    assert has_too_many_values(wide)


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(TREES, st.booleans())
def test_whatever_is_sent_the_session_hash_is_what_gradio_will_read(
    tree: Any, ascii_: bool
) -> None:
    body = json.dumps({"data": tree, "session_hash": "x"}, ensure_ascii=ascii_)
    content = body.encode("utf-8", "surrogatepass")
    assert session_hash_of(content) == "x"
    assert not has_too_many_values(content)


@given(st.binary(max_size=200))
def test_what_is_no_json_breaks_nothing(body: bytes) -> None:
    has_too_many_values(body)
    session_hash_of(body)


def test_quotes_and_backslashes_take_linear_time() -> None:
    began = time.monotonic()
    for unit in (b'\\"', b"\\", b'"', b'",', b'\\\\"'):
        has_too_many_values(b'{"a": "' + b"," * (MAX_VALUES + 1) + unit * 10_000_000)
    assert time.monotonic() - began < 20  # Quadratic, it would be hours.


def test_an_address_of_a_picture_has_a_length(http: httpx.Client) -> None:
    picture = {"path": "https://a.example/" + "x" * 9000}
    call = http.post("/gradio_api/call/edit", json={"data": [[picture], "sepia", False, False]})
    answer = http.get(f"/gradio_api/call/edit/{call.json()['event_id']}").text
    assert "address is too long" in answer
