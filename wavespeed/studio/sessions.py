"""Who is asking: a visitor's id, the owner at the machine itself, and with whose key."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from wavespeed import AsyncClient
from wavespeed.studio.security.origins import is_local, is_loopback

ClientFactory = Callable[[str | None], AsyncClient | None]
"""Makes a client of a visitor's own key, and None of an empty one: then the server's is used.
Raises `InvalidEdit` where that won't do."""


EARLY_PAGES = 10_000
"""Pages that do not know their id yet, of which that is kept in mind."""
GRACE = 5.0
"""Seconds for which something that a page did before it knew its id may still be on its way here,
after something that it did with it."""
# What a proxy adds to a request; one of them is enough to say that there is a proxy.
FORWARDED = (
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "forwarded-for",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
)


@dataclass(slots=True)
class _Early:
    """The id of a page that does not know it yet."""

    visitor: str
    is_told: bool = False
    ends: float = math.inf


class EarlyVisitors:
    """The ids of pages that have none yet: what someone does before the page knows its id must not
    get lost. By Gradio's session hash, which stands in addresses, so that it opens nothing for
    long: an id is told once, and as soon as the page shows that it knows it, the hash is worth
    nothing any more. Pure: the clock is the caller's."""

    def __init__(self, most: int = EARLY_PAGES) -> None:
        self._most = most
        self._pages: OrderedDict[str, _Early] = OrderedDict()

    def visitor(self, page: str, now: float) -> str:
        """Whose the page's events are that name no visitor."""
        early = self._pages.get(page)
        if early is None or early.ends <= now:
            early = self._pages[page] = _Early(secrets.token_hex(16))
            while len(self._pages) > self._most:
                self._pages.popitem(last=False)
        return early.visitor

    def tell_once(self, page: str, now: float) -> str:
        """The id for the page to keep: the next one who asks in its name gets another."""
        visitor = self.visitor(page, now)
        early = self._pages[page]
        if early.is_told:
            return secrets.token_hex(16)
        early.is_told = True
        return visitor

    def mark_known(self, page: str, visitor: str, now: float) -> None:
        """The page knows its id."""
        early = self._pages.get(page)
        if early is not None and early.visitor == visitor:
            early.ends = min(early.ends, now + GRACE)


_early = EarlyVisitors()


def visitor_id(sent: str | None, request: gr.Request) -> str:
    """A visitor's id if it is one of ours: a page can send anything. Else a new one, always the
    same for an open page until the page knows it."""
    page = request.session_hash or secrets.token_hex()
    if sent and re.fullmatch(r"[0-9a-f]{32}", sent):
        _early.mark_known(page, sent, time.monotonic())
        return sent
    return _early.visitor(page, time.monotonic())


def new_visitor_id(sent: str | None, request: gr.Request) -> str:
    """The same, for the answer that tells the page its id."""
    if sent and re.fullmatch(r"[0-9a-f]{32}", sent):
        return sent
    return _early.tell_once(request.session_hash or secrets.token_hex(), time.monotonic())


def is_owner(request: gr.Request) -> bool:
    """Whether the browser runs on this very machine, with no proxy between: what only the owner
    may see is shown there alone. The address alone would not do, since behind a proxy on the same
    machine everybody comes from it; so the names that the browser used count too, and any header
    that proxies add."""
    headers = request.headers
    if any(name in FORWARDED or name.startswith("x-forwarded") for name in headers):
        return False
    # A browser always sends both with an event; what leaves one out is none.
    names = [headers.get("host", ""), urlsplit(headers.get("origin", "")).netloc]
    return is_loopback(request.client.host) and all(map(is_local, names))


def is_showcase(request: gr.Request) -> bool:
    """Whether the page is before an audience: `?show=1`, where covers stay on."""
    query = parse_qs(urlsplit(request.headers.get("referer", "")).query)
    return query.get("show") == ["1"]
