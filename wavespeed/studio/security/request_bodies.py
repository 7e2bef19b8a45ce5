"""How much a request may bring: refused by size before any of it is parsed, and while it comes.

A picture in a `data:` URI is the largest thing that is honest in JSON: one of 50 MB is 67 MB of
text, and so are four of 12 MB. Whoever has more uploads files, or names addresses.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from wavespeed.studio.text import labels
from wavespeed.types import byte_count

from .origins import Refusal

MAX_CALL_BYTES = 72_000_000
"""Of a call of an endpoint, in JSON."""
MAX_OTHER_BYTES = 1_000_000
LARGE_BYTES = 2_000_000
"""From here on a body counts as large."""
MAX_LARGE_BYTES = 2 * MAX_CALL_BYTES
"""Of all large bodies that are coming in, or that something in this process still holds."""
MAX_SILENCE = 60.0
"""Seconds between two pieces of a body."""
DISCARD_SECONDS = 1.0
"""Seconds for which the rest of what was refused is thrown away, so that whoever is still sending
it gets to read why."""
CALL_ROUTES = ("/queue/join", "/call/", "/run/", "/api/", "/mcp/", "/mcp")
UPLOAD_ROUTE = "/gradio_api/upload"
Check = Callable[[bytearray], Awaitable[Refusal | None]]
"""Why a body is refused for what it holds, if it is."""


class RequestRefused(Exception):
    """The request is answered with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class ClientGone(Exception):
    """Whoever sent the request has hung up before it was complete."""


class _Held:
    """The bytes of one large body. Gradio answers `queue/join` at once and keeps the call, with the
    request that it came in, until its edit is over: as long as that request lives, so does this,
    which lies in its scope."""

    def __init__(self) -> None:
        self.byte_count = 0


class BodyLimits:
    """The limits of one server; an upload may bring `max_upload_bytes`, and goes to the disk as it
    comes, where Gradio bounds each of its files."""

    def __init__(self, max_upload_bytes: int) -> None:
        self._max_upload_bytes = max_upload_bytes
        self._held: weakref.WeakSet[_Held] = weakref.WeakSet()

    @asynccontextmanager
    async def admitted(
        self, scope: Scope, receive: Receive, check: Check
    ) -> AsyncGenerator[tuple[Scope, Receive]]:
        """The request as the app gets it; any body but an upload's has passed the check. Raises
        `RequestRefused` and `ClientGone` before the app has seen anything of the request; an upload
        without a length that turns out to be too large raises Starlette's exception where it is
        read."""
        headers = Headers(scope=scope)
        limit = self._limit(scope["path"])
        if _declared_length(headers) > limit:
            await _discard(receive)
            raise RequestRefused(_too_large(limit))
        if "content-length" not in headers and "transfer-encoding" not in headers:
            yield scope, receive
        elif limit == self._max_upload_bytes:
            yield scope, _count(receive, limit)
        else:
            held = _Held()
            body = await self._read(receive, limit, held)
            if refusal := await check(body):
                raise RequestRefused(refusal)
            yield {**scope, "wavespeed.body": held}, _replay(body, receive)

    async def _read(self, receive: Receive, limit: int, held: _Held) -> bytearray:
        """The whole body, in one piece however small its pieces were."""
        body = bytearray()
        async for piece in _pieces(receive):
            body += piece
            if len(body) > limit:
                body.clear()
                await _discard(receive)
                raise RequestRefused(_too_large(limit))
            if len(body) > LARGE_BYTES:
                held.byte_count = len(body)
                self._held.add(held)
                if sum(other.byte_count for other in self._held) > MAX_LARGE_BYTES:
                    raise RequestRefused(Refusal(503, labels.BODIES_BUSY, retry_after=10))
        return body

    def _limit(self, path: str) -> int:
        path = path.rstrip("/")
        if path.endswith(UPLOAD_ROUTE):
            return self._max_upload_bytes
        _, prefix, route = path.partition("/gradio_api")
        return MAX_CALL_BYTES if prefix and f"{route}/".startswith(CALL_ROUTES) else MAX_OTHER_BYTES


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _too_large(limit: int) -> Refusal:
    return Refusal(413, labels.body_too_large(byte_count(limit)))


async def _pieces(receive: Receive) -> AsyncGenerator[bytes]:
    """The pieces of a body, each awaited for a bounded time."""
    more = True
    while more:
        try:
            async with asyncio.timeout(MAX_SILENCE):
                message = await receive()
        except TimeoutError:
            raise RequestRefused(Refusal(408, labels.BODY_SLOW)) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _discard(receive: Receive) -> None:
    """Reads and forgets the rest of a body for a moment."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            message = await receive()
            while message["type"] != "http.disconnect" and message.get("more_body", False):
                message = await receive()
    except TimeoutError:
        return


def _replay(body: bytearray, receive: Receive) -> Receive:
    """Hands out once what was read already, then what comes after it."""
    is_handed_out = False

    async def replay() -> Message:
        nonlocal is_handed_out
        if is_handed_out:
            return await receive()
        is_handed_out = True
        content = bytes(body)
        body.clear()  # It would be held twice until the answer.
        return {"type": "http.request", "body": content, "more_body": False}

    return replay


def _count(receive: Receive, limit: int) -> Receive:
    """Reads an upload as it comes, up to its limit."""
    size, more = 0, True

    async def count() -> Message:
        nonlocal size, more
        if not more:
            return await receive()
        try:
            async with asyncio.timeout(MAX_SILENCE):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, labels.BODY_SLOW) from None
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size > limit:
            raise HTTPException(413, _too_large(limit).message)
        return message

    return count
