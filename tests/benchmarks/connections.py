"""What a request costs over TLS: with a pool for each exchange, with one for all, over HTTP/2, over
connections that are not kept."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import httpx

from tests.benchmarks.table import Row
from tests.support import nginx
from tests.support.apps import free_port
from wavespeed import ConnectionPool

EDITS, REQUESTS = 100, 7
"""At once, and of each, one after the other."""
SERVER = """
    server {{
        listen {port} ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        keepalive_requests 100000;
        location / {{ return 200 '{{"code": 200, "data": {{}}}}'; }}
    }}
"""

Ask = Callable[[str], Awaitable[httpx.Response]]


async def seconds(ask: Ask, url: str, edits: int) -> float:
    """Of as many edits at once, once the connections are warm."""

    async def edit() -> None:
        for _ in range(REQUESTS):
            answer = await ask(url)
            assert answer.status_code == 200

    await asyncio.gather(*(edit() for _ in range(edits)))
    began = time.monotonic()
    await asyncio.gather(*(edit() for _ in range(edits)))
    return time.monotonic() - began


async def kept(url: str, edits: int) -> float:
    """As the client does it."""
    async with ConnectionPool() as connections:

        async def ask(url: str) -> httpx.Response:
            route = connections.route(httpx.URL(url), is_public=False)
            async with connections.acquire(route) as http:
                return await http.get(url)

        return await seconds(ask, url, edits)


async def shared(url: str, edits: int) -> float:
    """One pool for all."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits) as http:
        return await seconds(http.get, url, edits)


async def multiplexed(url: str, edits: int) -> float:
    async with httpx.AsyncClient(http2=True) as http:
        assert (await http.get(url)).http_version == "HTTP/2"
        return await seconds(http.get, url, edits)


async def new(url: str, edits: int) -> float:
    """Not pooled: what whoever makes a client for each request pays, less that making."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits) as http:
        return await seconds(http.get, url, edits)


def certificate(folder: Path) -> tuple[Path, Path]:
    """For this machine alone, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {cert}"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    return cert, key


def measure(folder: Path) -> list[Row]:
    cert, key = certificate(folder)
    port = free_port()
    with (
        nginx.running(folder / "nginx", SERVER.format(port=port, cert=cert, key=key), port),
        patch.dict(os.environ, SSL_CERT_FILE=str(cert)),
    ):
        url = f"https://127.0.0.1:{port}/"
        took = {
            (route, edits): min(asyncio.run(route(url, edits)) for _ in range(3))
            for edits in (1, EDITS)
            for route in (kept, shared, multiplexed, new)
        }
    return [
        Row(
            f"{REQUESTS} requests over TLS, {edits} at once", took[kept, edits], "s", beside, theirs
        )
        for edits in (1, EDITS)
        for beside, theirs in (
            ("one pool for all", took[shared, edits]),
            ("HTTP/2", took[multiplexed, edits]),
            ("new connections", took[new, edits]),
        )
    ]
