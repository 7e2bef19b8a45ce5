"""The only file that touches the network: a request out, an `Answer` or `Unreachable` back."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Self

import httpx

from .answers import Answer
from .errors import BadKey, NotUnderstood, Unreachable
from .pace import Pace, retry_after
from .public_addresses import is_public

MAX_ANSWER_BYTES = 100_000_000
"""Four pictures of 10 MB in base64 are 54 MB; nothing honest is larger."""
MAX_HOPS = 5
MOST_IDLE = 64
"""Pools that are kept, each with a connection to each of about three hosts."""
KEPT_ALIVE = 30.0
"""Seconds that an idle connection is kept: servers close theirs after a minute or more, and none
may close while a submission is on its way."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_NEVER_SENT = (
    httpx.ConnectError,  # Refused, DNS and TLS.
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# Requests that can't even be built, from an address or a header the service gave us.
_UNSENDABLE = (httpx.InvalidURL, TypeError, ValueError, AttributeError)


class Transport:
    """Requests with the key to the API's host, and without it to the hosts that keep files."""

    def __init__(self, key: Bearer, *, base_url: str, pace: Pace, http: Connections | None) -> None:
        self._auth = key
        self._base = base_url.rstrip("/")
        self._local = httpx.URL(self._base).host in LOOPBACK
        self._pace = pace
        self._owned = http is None
        self._http = http or Connections()

    async def close(self) -> None:
        """Closes the connections, unless they were lent."""
        if self._owned:
            await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        json: dict[str, Any] | None = None,
        *,
        files: dict[str, tuple[str, bytes, str]] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """The API. The whole exchange is bounded by `seconds` (default: `pace.answer`)."""
        async with self._http.lent() as http:
            request = http.build_request(method, self._base + path, json=json, files=files)
            return await self._send(http, request, seconds or self._pace.answer, keyed=True)

    async def file(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A file host: no key, and it may redirect.

        Addresses come from outside, so only https to public addresses is followed, at each hop;
        a service on this machine (the sandbox) may keep its files on this machine.
        """
        for _ in range(MAX_HOPS):
            async with self._http.lent() as http:
                try:
                    request = http.build_request(method, url, content=content, headers=headers)
                except _UNSENDABLE as error:
                    raise NotUnderstood("url") from error
                await self._check(request.url)
                answer = await self._send(http, request, self._pace.transfer, keyed=False)
            if answer.location is None:
                return answer
            url = str(request.url.join(answer.location))
        raise NotUnderstood("url")

    async def _check(self, url: httpx.URL) -> None:
        """Raises `NotUnderstood` for an address that an outsider must not make us ask."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._pace.connect):
                found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            found = []  # Maybe known to a proxy alone; else the request itself will say so.
        addresses = [str(address[0]) for *_, address in found]
        at_home = self._local and bool(addresses) and all(map(_is_loopback, addresses))
        public = url.scheme == "https" and all(map(is_public, addresses))
        if not (at_home or public):
            raise NotUnderstood("url")

    async def _send(
        self, http: httpx.AsyncClient, request: httpx.Request, seconds: float, *, keyed: bool
    ) -> Answer:
        """Raises `Unreachable`, whose `sent` says if the other side can have seen the request."""
        connect = self._pace.connect
        limits = httpx.Timeout(seconds, connect=connect, pool=connect)
        request.extensions["timeout"] = limits.as_dict()
        auth = self._auth if keyed else None
        try:
            async with asyncio.timeout(seconds):
                response = await http.send(request, auth=auth, stream=True, follow_redirects=False)
                try:
                    content = await _all(response.aiter_bytes())
                    content = self._auth.redact(content) if keyed else content
                finally:
                    await response.aclose()
        except _NEVER_SENT as error:
            raise Unreachable("WaveSpeed can't be reached.", sent=False) from _bare(error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unreachable("WaveSpeed did not answer.", sent=True) from _bare(error)
        pause = retry_after(response.headers.get("Retry-After"), time.time)
        location = response.headers.get("Location") if response.is_redirect else None
        return Answer(response.status_code, pause, content, keyed, location)


class Connections:
    """Kept alive, for one or many `AsyncClient`s; whoever makes them closes them, and
    `async with` does. Without a ceiling: hundreds of edits wait at once, and each wait is bounded
    elsewhere.

    A pool for each exchange under way, since for each request httpcore looks at all connections of
    a pool, at each as often as there are idle ones. A hundred edits that share one take three times
    as long over TLS as with this, and no less over HTTP/2 (`make bench PARTS=connections`).
    """

    def __init__(self) -> None:
        self._tls = httpx.create_ssl_context()
        self._idle: list[httpx.AsyncClient] = []
        self._most = MOST_IDLE

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """What is under way goes on, and is closed then."""
        self._most = 0
        while self._idle:
            await self._idle.pop().aclose()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[httpx.AsyncClient]:
        """A pool for one exchange: the one that was used last, which is the warmest."""
        pool = self._idle.pop() if self._idle else self._new()
        try:
            yield pool
        finally:
            if len(self._idle) < self._most:
                self._idle.append(pool)
            else:
                await pool.aclose()

    def _new(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEPT_ALIVE),
            headers={"User-Agent": "wavespeed-studio"},
            verify=self._tls,
            # A proxy of the environment is for the world outside, not for a server on this machine.
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
        )


class Bearer(httpx.Auth):
    """The key, where no `repr`, log line or traceback shows it; spaces, quotes and a leading
    "Bearer " that came along with it are taken off."""

    def __init__(self, api_key: str) -> None:
        bare = re.sub(r"(?i)^bearer(\s+|$)", "", api_key.strip(" \t\r\n\"'"))
        self.__key = bare.strip(" \t\r\n\"'")

    def check(self) -> None:
        """Raises `BadKey` for what can't be one. Apart, so that no frame of it holds the key."""
        if not re.fullmatch(r"[\x21-\x7e]+", self.__key):
            raise BadKey("This is not a WaveSpeed API key.", status=401)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.__key}"
        yield request

    def redact(self, content: bytes) -> bytes:
        """An answer that repeats the key, as error texts do, without it."""
        return content.replace(self.__key.encode(), b"[key]")


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise NotUnderstood("size")
    return bytes(content)


def _bare(error: BaseException) -> BaseException:
    """The cause without its frames: the HTTP library's hold the headers, key and all."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
