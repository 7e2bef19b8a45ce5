"""Sending requests: one out, an `ApiResponse` or `ConnectionFailed` back. Nothing else sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import httpcore
import httpx

from ._auth import BearerAuth
from ._network import check_host
from ._policies import Timeouts
from ._pool import ConnectionPool, Route
from ._responses import ApiResponse, address
from ._retry_policy import clock_offset, retry_after
from .errors import ConnectionFailed, InvalidResponse, PrivateAddress, WaveSpeedError
from .proxies import LOOPBACK

try:
    from socksio import SOCKSError
except ImportError:  # Only a SOCKS proxy needs it.

    class SOCKSError(Exception):  # type: ignore[no-redef]
        """Nothing raises it."""


MAX_ANSWER_BYTES = 100_000_000
"""Four pictures of 10 MB in base64 are 54 MB; nothing honest is larger."""
MAX_REDIRECTS = 5

_NEVER_SENT = (
    httpx.ConnectError,  # Refused, DNS and TLS.
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    SOCKSError,
)
_MAYBE_SENT = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    OSError,
)
# Requests that can't even be built, from an address or a header the service gave us.
_UNSENDABLE = (httpx.InvalidURL, TypeError, ValueError, AttributeError)


class Transport:
    """Requests with the key to the API's host, and without it to the hosts that keep files."""

    def __init__(
        self, key: BearerAuth, *, base_url: str, timeouts: Timeouts, http: ConnectionPool | None
    ) -> None:
        self._auth = key
        self._base = _service(base_url)
        self._is_local = httpx.URL(self._base).host in LOOPBACK
        self._timeouts = timeouts
        self.clock_offset = timedelta()
        self._owns_http = http is None
        self._http = http or ConnectionPool()

    async def close(self) -> None:
        """Closes the connections, unless they are shared."""
        if self._owns_http:
            await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        json: dict[str, Any] | None = None,
        *,
        files: dict[str, tuple[str, bytes, str]] | None = None,
        seconds: float | None = None,
    ) -> ApiResponse:
        """The API. The whole exchange is bounded by `seconds` (default: `Timeouts.answer`)."""
        url = httpx.URL(self._base + path)
        route = self._http.route(url, is_public=False)
        async with self._http.acquire(route) as http:
            request = http.build_request(method, url, json=json, files=files)
            return await self._send(
                http, request, seconds or self._timeouts.answer, route, is_keyed=True
            )

    async def request_file(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> ApiResponse:
        """A file host: no key, and it may redirect.

        Addresses come from outside, so only https to public addresses is followed, redirects too; a
        service on this machine (the sandbox) may keep its files on this machine.
        Raises `PrivateAddress` for others, `InvalidResponse` for what is no address.
        """
        target = _url(partial(httpx.URL, url))
        for _ in range(MAX_REDIRECTS):
            route = self._file_route(target)
            async with self._http.acquire(route) as http:
                try:
                    request = http.build_request(method, target, content=content, headers=headers)
                except _UNSENDABLE as error:
                    raise InvalidResponse("url") from error
                answer = await self._send(
                    http, request, self._timeouts.transfer, route, is_keyed=False
                )
            if answer.location is None:
                return answer
            target = _url(partial(target.join, answer.location))
        raise InvalidResponse("url")

    def _file_route(self, url: httpx.URL) -> Route:
        """Raises `PrivateAddress` for what an outsider must not make us ask."""
        if self._is_local and url.host in LOOPBACK:
            return self._http.route(url, is_public=False)
        if url.scheme != "https":
            raise PrivateAddress("A file's address has to begin with https://.")
        check_host(url.host)
        return self._http.route(url, is_public=True)

    async def _send(
        self,
        http: httpx.AsyncClient,
        request: httpx.Request,
        seconds: float,
        route: Route,
        *,
        is_keyed: bool,
    ) -> ApiResponse:
        """Raises `ConnectionFailed`, whose `sent` says if the other side can have seen the
        request."""
        connect = self._timeouts.connect
        limits = httpx.Timeout(seconds, connect=connect, pool=connect)
        request.extensions["timeout"] = limits.as_dict()
        auth = self._auth if is_keyed else None
        host = "WaveSpeed" if is_keyed else "The file host"
        proxy = " by the proxy that the environment names" if route.proxy else ""
        try:
            async with asyncio.timeout(seconds):
                response = await http.send(request, auth=auth, stream=True, follow_redirects=False)
                if is_keyed:
                    self._learn_clock(response.headers)
                try:
                    content = await _read_all(response.aiter_bytes())
                finally:
                    await response.aclose()
        except _NEVER_SENT as error:
            raise ConnectionFailed(f"{host} can't be reached{proxy}.", sent=False) from _bare(error)
        except _MAYBE_SENT as error:
            raise ConnectionFailed(f"{host} did not answer{proxy}.", sent=True) from _bare(error)
        location = response.headers.get("Location") if response.is_redirect else None
        return ApiResponse(
            response.status_code,
            retry_after(response.headers.get("Retry-After"), self._now),
            content,
            is_keyed,
            location,
            self._auth.redact,
        )

    def _learn_clock(self, headers: Mapping[str, str]) -> None:
        offset = clock_offset(headers.get("Date"), time.time)
        if offset is not None and "Age" not in headers:  # Else it comes out of some cache.
            self.clock_offset = timedelta(seconds=offset)

    def _now(self) -> float:
        """Unix seconds, by the service's clock."""
        return time.time() + self.clock_offset.total_seconds()


def _service(base_url: str) -> str:
    try:
        return str(httpx.URL(address(base_url, "base_url"))).rstrip("/")
    except (InvalidResponse, *_UNSENDABLE) as error:
        raise WaveSpeedError("The service's address has to begin with https://.") from error


def _url(make: Callable[[], httpx.URL]) -> httpx.URL:
    """Raises `InvalidResponse` where there is no address to be made."""
    try:
        return make()
    except _UNSENDABLE as error:
        raise InvalidResponse("url") from error


async def _read_all(chunks: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise InvalidResponse("size")
    return bytes(content)


def _bare(error: BaseException) -> BaseException:
    """The cause without its frames: the HTTP library's hold the headers, key and all."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error
