"""Connections to hosts that answers of the service name: to public addresses alone, and to the
very address that was checked. A name that is looked up twice can answer differently the second
time (DNS rebinding)."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import httpcore
import httpx

from ._public_addresses import is_public
from .errors import PrivateAddress

IpAddress = IPv4Address | IPv6Address
FAKE_IP = IPv4Network("198.18.0.0/15")
"""Reserved for benchmarks, so that nothing is there. VPNs and proxies on this machine answer with
it for every name, and carry what is sent there to the host that was meant ("fake-ip")."""
STAGGER = 0.25
"""Seconds that an address has for itself before the next one is tried beside it (RFC 8305)."""


def ip_literal(host: str) -> IpAddress | None:
    """The address that a host is written as, in the short and odd ways too that resolvers take
    ("127.1", "0x7f000001"); None for a name."""
    bare = host.strip("[]").partition("%")[0]
    with suppress(ValueError):
        return ip_address(bare)
    if re.fullmatch(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}\.?", bare.lower()):
        with suppress(OSError):
            return IPv4Address(socket.inet_aton(bare.rstrip(".")))
    return None


def check_host(host: str) -> None:
    """Raises `PrivateAddress` for what can be seen without a lookup, whoever connects."""
    name = host.strip("[]").rstrip(".").lower()
    address = ip_literal(name)
    if (
        name == "localhost"
        or name.endswith(".localhost")
        or (address and not is_public(str(address)))
    ):
        raise PrivateAddress("A file's address lies in a private network; it is never fetched.")


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Looks a name up once, leaves out private addresses, and connects to one of the others."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `PrivateAddress` where the name has only such ones."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await _public(host, port)
                return await self._first(addresses, port, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error

    async def _first(
        self,
        addresses: Sequence[str],
        port: int,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        """The first connection that stands: where one address hangs or refuses, as IPv6 does on
        many networks, the next is tried."""
        attempts: set[asyncio.Task[httpcore.AsyncNetworkStream]] = set()
        error: BaseException = httpcore.ConnectError("no address")
        left = list(addresses)
        try:
            while left or attempts:
                if left:
                    connecting = self._inner.connect_tcp(
                        left.pop(0), port, socket_options=socket_options
                    )
                    attempts.add(asyncio.ensure_future(connecting))
                done, attempts = await asyncio.wait(
                    attempts,
                    timeout=STAGGER if left else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in done:
                    if attempt.exception() is None:
                        done.discard(attempt)
                        attempts |= done  # Whatever else stands by now is closed below.
                        return attempt.result()
                    error = attempt.exception() or error
            raise error
        finally:
            await _cancel(attempts)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _cancel(attempts: set[asyncio.Task[httpcore.AsyncNetworkStream]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for late in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(late, httpcore.AsyncNetworkStream):
            await late.aclose()


async def _public(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name can't be looked up") from error
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    public = [
        address for address in addresses if _may_be_tried(ip_address(address.partition("%")[0]))
    ]
    if not public:
        raise PrivateAddress(
            "The name of the file host leads into a private network here, so that it is not asked:"
            " a VPN, a filter of names or a captive portal answers for it."
        )
    return public


def _may_be_tried(address: IpAddress) -> bool:
    return is_public(str(address)) or address in FAKE_IP


class PublicTransport(httpx.AsyncBaseTransport):
    """httpx over a pool whose connections all lead to public addresses. What goes wrong comes as
    httpcore's errors. (httpx's own transport takes no network backend.)"""

    def __init__(self, tls: ssl.SSLContext, keepalive: float) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            keepalive_expiry=keepalive,
            network_backend=PublicBackend(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
