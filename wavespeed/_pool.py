"""Connections that are kept: a pool for each exchange under way, by the route that it takes."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Self

import httpx

from ._network import PublicTransport
from .errors import InvalidEnvironment
from .proxies import Proxies

MAX_IDLE = 64
"""Pools that are kept of each route, each with a connection to each of about two hosts."""
KEEPALIVE = 30.0
"""Seconds that an idle connection is kept: servers close theirs after a minute or more, and none
may close while a submission is on its way."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a request gets there: by a `proxy`, or directly, and then anywhere or, if it `is_public`,
    to public addresses alone."""

    proxy: str | None = field(default=None, repr=False)
    is_public: bool = False


class ConnectionPool:
    """Connections that are kept alive, for one or many `AsyncClient`s; whoever makes them closes
    them, and `async with` does. There is no ceiling: hundreds of edits wait at once, and each wait
    is bounded elsewhere.

    A pool for each exchange under way, since for each request httpcore looks at all connections of
    a pool, at each as often as there are idle ones. A hundred edits that share one take three times
    as long over TLS as with this, and no less over HTTP/2 (`make bench PARTS=connections`).

    Proxies and certificates are those of the environment, or those given. Raises
    `InvalidEnvironment` where they won't do.
    """

    def __init__(self, proxies: Proxies | None = None) -> None:
        self._tls = tls_context(os.environ)
        self._proxies = Proxies.from_environment(os.environ) if proxies is None else proxies
        check_proxies(self._proxies)
        self._idle: dict[Route, list[httpx.AsyncClient]] = {}
        self._max_idle = MAX_IDLE

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """What is under way goes on, and is closed then."""
        self._max_idle = 0
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()

    def route(self, url: httpx.URL, *, is_public: bool) -> Route:
        """How a request gets to this address. Where a proxy carries it, it is the proxy that looks
        names up, and what they mean here says nothing."""
        proxy = self._proxies.of(url.scheme, url.host, url.port)
        return Route(proxy, is_public=is_public and proxy is None)

    @asynccontextmanager
    async def acquire(self, route: Route) -> AsyncIterator[httpx.AsyncClient]:
        """A pool for one exchange: the one that was used last, which is the warmest."""
        idle = self._idle.setdefault(route, [])
        pool = idle.pop() if idle else self._new(route)
        try:
            yield pool
        finally:
            if len(idle) < self._max_idle:
                idle.append(pool)
            else:
                await pool.aclose()

    def _new(self, route: Route) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self._transport(route),
            headers={"User-Agent": "wavespeed-studio"},
            trust_env=False,  # What it says is read here, once.
        )

    def _transport(self, route: Route) -> httpx.AsyncBaseTransport:
        if route.is_public:
            return PublicTransport(self._tls, KEEPALIVE)
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE),
            proxy=_proxy(route.proxy, self._tls),
        )


def _proxy(address: str | None, tls: ssl.SSLContext) -> httpx.Proxy | None:
    if address is None:
        return None
    return httpx.Proxy(address, ssl_context=tls if address.startswith("https:") else None)


def check_environment(environment: Mapping[str, str]) -> Proxies:
    """The proxies that it names. Raises `InvalidEnvironment` for what `ConnectionPool` would."""
    proxies = Proxies.from_environment(environment)
    check_proxies(proxies)
    if environment.get("SSL_CERT_FILE") or environment.get("SSL_CERT_DIR"):
        tls_context(environment)
    return proxies


def tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates that are trusted: those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, by default
    certifi's. Blocking."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if not (path := environment.get(name)):
            continue
        try:
            if name == "SSL_CERT_FILE":
                return ssl.create_default_context(cafile=path)
            os.listdir(path)  # Else it is only found out, as distrust of all, when it is used.
            return ssl.create_default_context(capath=path)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError.
            kind = "file" if name == "SSL_CERT_FILE" else "folder"
            # Read in a terminal, where the page was just started.
            raise InvalidEnvironment(
                f"{name} ({path}) is no {kind} of certificates that can be read."
            ) from error
    return httpx.create_ssl_context(trust_env=False)


def check_proxies(proxies: Proxies) -> None:
    """Raises `InvalidEnvironment` for a proxy that httpx can't use: for one, where nothing here
    speaks SOCKS."""
    addresses = [address for address in (proxies.http, proxies.https) if address]
    try:
        for address in addresses:
            httpx.Proxy(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidEnvironment("The environment names a proxy whose address is none.") from error
    if any(address.startswith("socks5:") for address in addresses) and find_spec("socksio") is None:
        raise InvalidEnvironment(
            "The environment names a SOCKS proxy, which needs a package: pip install httpx[socks]."
        )
