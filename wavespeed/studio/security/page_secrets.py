"""Which open page a session hash belongs to. Pure.

Gradio names an open page by a session hash, which stands in addresses: whoever finds one in a
proxy's log could listen to what the server tells that page, and act in its name. So each page sends
a secret of its own with its requests, in a header (see stream.js), and the first request with a
session hash binds the two. Scripts send none, and what they opened without one goes on without one.

A header and no cookie: browsers withhold cookies inside a Space's frame, and share them among tabs.
Gradio's heartbeat alone is sent without the header: who opens and ends one in a page's name can
make the server forget what that page has open, and learns nothing. Bindings are in memory: after a
restart of the server the page's next request binds again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable

HEADER = "x-wavespeed-page"
MAX_PAGES = 20_000
"""Of which the secret is kept in mind."""
MAX_HASH = 100
"""Characters. Gradio's clients take 11, or a UUID."""
SECRET = re.compile(r"[0-9a-f]{32}")
IN_PATH = re.compile(r"/gradio_api/stream/([^/]+)")


class PageSecrets:
    """The secrets of the pages that were heard of last."""

    def __init__(self, most: int = MAX_PAGES) -> None:
        self._most = most
        self._secrets: OrderedDict[str, str] = OrderedDict()

    def admit(self, session_hash: str, secret: str, *, binds: bool = True) -> bool:
        """Whether the request is of the page that the session hash belongs to; the first one that
        `binds` says which page that is. What only names a hash in its address does not: hashes
        made up by the thousand would drive out those of pages."""
        if len(session_hash) > MAX_HASH:
            return False
        secret = secret if SECRET.fullmatch(secret) else ""
        if not binds and session_hash not in self._secrets:
            return True
        bound = self._secrets.setdefault(session_hash, secret)
        self._secrets.move_to_end(session_hash)
        while len(self._secrets) > self._most:
            self._secrets.popitem(last=False)
        return bound == secret


def named_in_address(path: str, session_hashes: Iterable[str]) -> list[str]:
    """The session hashes in an address: in its path, and all of its query."""
    found = IN_PATH.search(path)
    return [*session_hashes, *([found[1]] if found else [])]
