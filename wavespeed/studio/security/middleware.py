"""What every request passes before Gradio sees it, and every answer after: pure ASGI, so that
streams are not held back.

It stands outside of Gradio's CORS, which answers preflights itself and every foreign page with
credentials. `app_kwargs` of `launch` would put it inside; so `install` does it when the app starts.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wavespeed.studio.text import labels

from . import page_secrets
from .json_bodies import has_too_many_values, session_hash_of
from .login_throttle import LoginThrottle, address_of
from .origins import Origins, Refusal
from .page_secrets import PageSecrets, named_in_address
from .request_bodies import BodyLimits, ClientGone, RequestRefused

FILE_ROUTES = ("/gradio_api/file=", "/gradio_api/file/")
CLOSED_ROUTES = (
    # Writes every field, a visitor's key too, into a file, and shows it to whoever has the link.
    # Links of ours are `?prompt=`, for anyone, and `?run=`, for the browser whose run it is.
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",  # Answers without end.
    "/gradio_api/process_recording",  # Feeds a video to ffmpeg.
)
"""Routes of Gradio's that nothing here asks, and that are open to anyone."""
SMALL_BYTES = 100_000
"""A body below is looked at on the loop, which takes less than handing it to a thread."""
ASSET = re.compile(r"/assets/[\w.-]+-[\w-]{8,10}\.(js|css|woff2?)$")
"""Gradio's scripts, which have a hash of their content in their names. Gradio says nothing of how
long they hold, so that a browser asks for each of some eighty again at every visit."""
OWN_FRAMES = "frame-ancestors 'self'"
HUB_FRAMES = f"{OWN_FRAMES} https://huggingface.co"
"""The Hub shows a Space in a frame of its own; other Spaces are strangers."""
RANGE = re.compile(rb"bytes=(\d{1,15})-(\d{1,15})")
"""The one form that Gradio understands; of others it breaks, or sends the whole file anyway."""
RANGE_HEADERS = {
    b"accept-ranges",
    b"content-disposition",
    b"content-length",
    b"content-range",
    b"content-type",
}
"""Gradio's answer to a range repeats all headers of the request, cookies too: these are its own."""


class SecurityMiddleware:
    """Refuses what comes from elsewhere or from another page, is too large or guesses passwords;
    and says in each answer
    who may frame and keep it. `logins` where the page has a login; on a Space its cookie has to
    work inside the Hub's frame."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Origins,
        bodies: BodyLimits,
        logins: LoginThrottle | None,
        is_space: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._origins = origins
        self._bodies = bodies
        self._logins = logins
        self._is_space = is_space
        self._pages = PageSecrets()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = (
            self._origins.refusal(Headers(scope=scope))
            or self._login_refusal(scope)
            or _closed_route_refusal(scope)
            or self._page_refusal(scope, _session_hashes(scope), binds=False)
        )
        if scope["type"] == "websocket":
            if refusal is None:
                return await self._app(scope, receive, send)
            return await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
        with suppress(ClientGone):
            if refusal is None:
                try:
                    check = partial(self._body_refusal, scope)
                    async with self._bodies.admitted(scope, receive, check) as (admitted, body):
                        return await self._app(
                            _drop_unusual_range(admitted), body, self._with_headers(scope, send)
                        )
                except RequestRefused as error:
                    refusal = error.refusal
            await _answer(refusal)(scope, receive, send)

    def _page_refusal(
        self, scope: Scope, session_hashes: Iterable[str], *, binds: bool = True
    ) -> Refusal | None:
        secret = Headers(scope=scope).get(page_secrets.HEADER, "")
        if all(self._pages.admit(one, secret, binds=binds) for one in session_hashes):
            return None
        return Refusal(403, labels.ANOTHER_PAGE)

    async def _body_refusal(self, scope: Scope, body: bytearray) -> Refusal | None:
        if len(body) < SMALL_BYTES:
            has_too_many, session_hash = _inspect_body(body)
        else:
            has_too_many, session_hash = await asyncio.to_thread(_inspect_body, body)
        if has_too_many:
            return Refusal(413, labels.TOO_MANY_VALUES)
        return self._page_refusal(scope, [session_hash]) if session_hash is not None else None

    def _login_refusal(self, scope: Scope) -> Refusal | None:
        if self._logins is None or not _is_login(scope):
            return None
        wait = math.ceil(self._logins.wait(_address(scope), self._clock()))
        return Refusal(429, labels.wrong_passwords(wait), retry_after=wait) if wait else None

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def start(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set_headers(scope, message)
            await send(message)

        return start

    def _set_headers(self, scope: Scope, message: Message) -> None:
        """The headers of an answer."""
        if self._logins is not None and message["status"] == 200 and _is_login(scope):
            self._logins.succeeded(_address(scope))
        is_file = _is_file(scope)
        if is_file and message["status"] == 206:
            own = {name.lower(): value for name, value in message["headers"]}
            message["headers"] = [(name, own[name]) for name in sorted(RANGE_HEADERS & own.keys())]
        headers = MutableHeaders(raw=list(message["headers"]))
        if message["status"] == 200 and ASSET.search(scope["path"]):
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        if is_file:
            headers["Cache-Control"] = "private, no-store"
            headers["X-Content-Type-Options"] = "nosniff"
        if headers.get("content-type", "").startswith("text/html"):
            headers["Content-Security-Policy"] = HUB_FRAMES if self._is_space else OWN_FRAMES
        message["headers"] = [
            (name, value if self._is_space else _lax(name, value)) for name, value in headers.raw
        ]


def install(app: FastAPI, middleware: Middleware) -> None:
    """Puts a middleware around everything else that the app has, before its first request."""
    app.user_middleware.insert(0, middleware)
    app.middleware_stack = app.build_middleware_stack()


def _answer(refusal: Refusal) -> JSONResponse:
    """As Gradio's clients read it, in the browser and elsewhere; the connection may still hold
    what was not read of the request."""
    headers = {"Connection": "close", "Cache-Control": "no-store"}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    content = {"detail": refusal.message, "error": refusal.message}
    return JSONResponse(content, refusal.status, headers)


def _closed_route_refusal(scope: Scope) -> Refusal | None:
    is_closed = str(scope["path"]).rstrip("/").endswith(CLOSED_ROUTES)
    return Refusal(404, labels.NOT_HERE) if is_closed else None


def _inspect_body(body: bytearray) -> tuple[bool, str | None]:
    """Whether it holds too many values, and else the session hash that it names. Blocking."""
    return (True, None) if has_too_many_values(body) else (False, session_hash_of(body))


def _session_hashes(scope: Scope) -> list[str]:
    query = QueryParams(scope["query_string"])
    return named_in_address(scope["path"], query.getlist("session_hash"))


def _is_login(scope: Scope) -> bool:
    path = str(scope["path"])
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and path.rstrip("/").endswith("/login")
    )


def _is_file(scope: Scope) -> bool:
    return any(route in scope["path"] for route in FILE_ROUTES)


def _address(scope: Scope) -> str:
    forwarded_for = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    return address_of((scope.get("client") or ("",))[0], forwarded_for)


def _drop_unusual_range(scope: Scope) -> Scope:
    """Without a range that Gradio would break on; the whole file is a right answer to any."""
    if not _is_file(scope):
        return scope
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"range" or _is_plain_range(value)
    ]
    return {**scope, "headers": headers}


def _is_plain_range(value: bytes) -> bool:
    found = RANGE.fullmatch(value.strip())
    return found is not None and int(found[1]) <= int(found[2])


def _lax(name: bytes, value: bytes) -> bytes:
    """A cookie that goes along with requests of the page's own site alone."""
    if name.lower() != b"set-cookie":
        return value
    return re.sub(rb"(?i)samesite=none", b"SameSite=lax", value)
