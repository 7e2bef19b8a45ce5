"""Whose requests are answered, decided in tables."""

from __future__ import annotations

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from wavespeed.studio.security.origins import Origins, is_local
from wavespeed.studio.sessions import EarlyVisitors, is_owner

ANYWHERE = Origins()
LAPTOP = Origins(loopback=True)
NAMED = Origins(hosts=("edit.example.com", "edit.internal:8080"))
SPACE = Origins(public_host="someone-image-edit.hf.space")


def status(origins: Origins, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = origins.refusal(Headers(named))
    return refusal.status if refusal else 200


@pytest.mark.parametrize(
    ("host", "origin", "forwarded", "answered"),
    [
        ("localhost:7860", "http://localhost:7860", "", 200),
        ("LOCALHOST:7860", "http://localhost:7860", "", 200),
        ("[::1]:7860", "http://[::1]:7860", "", 200),
        ("edit.example.com", "https://edit.example.com", "", 200),
        ("edit.example.com:443", "https://edit.example.com", "", 200),
        # A proxy that passes the host on without its port.
        ("edit.example.com", "http://edit.example.com:8080", "", 200),
        ("10.0.0.7:7860", "https://edit.example.com", "edit.example.com", 200),
        ("10.0.0.7:7860", "https://edit.example.com", "edit.example.com, inner", 200),
        ("10.0.0.7:7860", "https://evil.example", "edit.example.com", 403),
        ("localhost:7860", "http://localhost:3000", "", 403),
        ("localhost:7860", "http://127.0.0.1:7860", "", 403),
        ("edit.example.com", "https://evil.example", "", 403),
        ("edit.example.com", "https://edit.example.com.evil.example", "", 403),
        ("edit.example.com", "https://edit.example.com@evil.example", "", 403),
        ("edit.example.com", "https://x@edit.example.com", "", 403),
        ("edit.example.com", "null", "", 403),
        ("edit.example.com", "", "", 403),
        ("edit.example.com", "file://", "", 403),
        ("edit.example.com", "chrome-extension://edit.example.com", "", 403),
        ("", "https://", "", 403),
        ("edit.example.com", "http://[", "", 403),
    ],
)
def test_an_origin_is_answered_that_is_the_pages_own(
    host: str, origin: str, forwarded: str, answered: int
) -> None:
    more = {"x_forwarded_host": forwarded} if forwarded else {}
    assert status(ANYWHERE, host=host, origin=origin, **more) == answered


def test_a_script_says_no_origin_and_is_answered() -> None:
    assert status(ANYWHERE, host="edit.example.com") == 200
    assert status(ANYWHERE, host="edit.example.com", sec_fetch_mode="cors") == 200  # Node.


@pytest.mark.parametrize(
    ("site", "mode", "answered"),
    [
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),  # A link; and the Hub's frame.
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("same-site", "no-cors", 403),
        ("same-site", "navigate", 200),
    ],
)
def test_another_sites_page_takes_nothing_into_itself(site: str, mode: str, answered: int) -> None:
    assert status(ANYWHERE, host="x.example", sec_fetch_site=site, sec_fetch_mode=mode) == answered


@pytest.mark.parametrize(
    ("origin", "answered"),
    [
        ("https://someone-image-edit.hf.space", 200),  # What the page in the Hub's frame sends.
        ("https://stranger-space.hf.space", 403),
        ("https://huggingface.co", 403),  # It shows the page and reads nothing of it.
    ],
)
def test_a_space_is_asked_by_itself_alone(origin: str, answered: int) -> None:
    assert status(SPACE, host="10.20.0.3:7860", origin=origin) == answered


@pytest.mark.parametrize(
    ("origins", "host", "answered"),
    [
        (ANYWHERE, "whatever.example", 200),
        (ANYWHERE, "", 200),
        (LAPTOP, "localhost:7860", 200),
        (LAPTOP, "127.0.0.1", 200),
        (LAPTOP, "[::1]:9", 200),
        (LAPTOP, "rebound.example:7860", 421),
        (LAPTOP, "localhost.rebound.example", 421),
        (LAPTOP, "0.0.0.0:7860", 421),
        (LAPTOP, "", 421),
        (LAPTOP, "[::1", 421),
        (NAMED, "edit.example.com", 200),
        (NAMED, "EDIT.example.com:9000", 200),
        (NAMED, "edit.internal:8080", 200),
        (NAMED, "edit.internal:8081", 421),
        (NAMED, "localhost:7860", 200),  # What watches the server from beside it.
        (NAMED, "other.example.com", 421),
        (NAMED, "x@edit.example.com", 421),
    ],
)
def test_the_page_is_served_under_its_own_names(origins: Origins, host: str, answered: int) -> None:
    assert status(origins, host=host) == answered


def test_a_rebound_name_is_not_mended_by_a_header_that_its_page_can_send() -> None:
    host = "rebound.example:7860"
    headers = {"host": host, "origin": f"http://{host}", "x_forwarded_host": "localhost:7860"}
    assert status(LAPTOP, **headers) == 421


TEXT = st.text(st.characters(codec="latin-1"), max_size=60)


@given(TEXT, TEXT, TEXT)
def test_whatever_stands_in_the_headers_is_answered_or_refused(
    host: str, origin: str, forwarded: str
) -> None:
    for origins in (ANYWHERE, LAPTOP, NAMED):
        headers = {"host": host, "origin": origin, "x_forwarded_host": forwarded}
        assert status(origins, **headers) in (200, 403, 421)
    is_local(host)


@pytest.mark.parametrize(
    "header",
    [
        "Via",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "Fly-Client-IP",
        "Forwarded-For",
    ],
)
def test_any_word_of_a_proxy_says_that_it_is_not_the_owner(header: str) -> None:
    class Client:
        host = "127.0.0.1"

    class Request(gr.Request):
        client = Client()

        def __init__(self, **more: str) -> None:
            local = {"host": "localhost:7860", "origin": "http://localhost:7860"}
            self.headers = Headers(local | more)

    assert is_owner(Request())
    assert not is_owner(Request(**{header: "x"}))


def test_what_a_page_does_before_it_knows_its_id_is_found_with_the_id() -> None:
    early = EarlyVisitors()
    before = early.visitor("page-1", 0.0)
    assert early.tell_once("page-1", 0.1) == before
    assert early.visitor("page-1", 0.2) == before  # Sent before the answer came.
    early.mark_known("page-1", before, 0.3)
    assert early.visitor("page-1", 0.4) == before  # Overtaken by what was sent after it.


def test_a_strangers_page_is_not_told_an_id_by_another_ones_session_hash() -> None:
    early = EarlyVisitors()
    visitor = early.tell_once("page-1", 0.0)
    assert early.tell_once("page-1", 0.1) != visitor
    assert early.tell_once("page-1", 0.1) != early.tell_once("page-1", 0.1)
    early.mark_known("page-1", visitor, 1.0)
    later = early.visitor("page-1", 7.0)
    assert later != visitor
    assert early.tell_once("page-1", 3600.0) == later


def test_who_does_not_have_the_id_can_not_end_what_a_page_began_without_it() -> None:
    early = EarlyVisitors()
    visitor = early.visitor("page-1", 0.0)
    early.mark_known("page-1", "0" * 32, 1.0)
    assert early.visitor("page-1", 60.0) == visitor


def test_the_pages_that_are_kept_in_mind_are_bounded() -> None:
    early = EarlyVisitors(most=3)
    first = early.visitor("page-0", 0.0)
    for number in range(1, 4):
        early.visitor(f"page-{number}", 0.0)
    assert early.visitor("page-0", 0.0) != first
