"""Who is asking: a visitor's id, the owner at the machine itself, and with whose key."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import gradio as gr

from wavespeed import AsyncClient

ClientOf = Callable[[str | None], AsyncClient | None]
"""Makes a client of a visitor's own key, and None of an empty one: then the server's is used.
Raises `InvalidEdit` where that won't do."""


_SECRET = secrets.token_bytes(32)


def known(who: str | None, request: gr.Request) -> str:
    """A visitor's id if it is one of ours: a page can send anything. Else a new one, always the
    same for an open page: what someone does before the page knows its id must not get lost."""
    if who and re.fullmatch(r"[0-9a-f]{32}", who):
        return who
    page = request.session_hash or secrets.token_hex()
    return hmac.digest(_SECRET, page.encode(), "sha256").hex()[:32]


def is_owner(request: gr.Request) -> bool:
    """Whether the browser runs on this very machine, with no proxy between: what only the owner
    may see is shown there alone. The address alone would not do, since behind a proxy on the same
    machine everybody comes from it; so the names that the browser used count too."""
    headers = request.headers
    if any(name in headers for name in ("x-forwarded-for", "x-forwarded-host", "forwarded")):
        return False
    # A browser always sends both with an event; what leaves one out is none.
    names = [headers.get("host", ""), urlsplit(headers.get("origin", "")).netloc]
    return _is_loopback(request.client.host) and all(map(_is_local, names))


def _is_local(netloc: str) -> bool:
    name = urlsplit(f"//{netloc}").hostname or ""
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
