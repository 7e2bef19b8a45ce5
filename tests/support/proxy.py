"""A proxy that hands event streams on late, as buffering ones do, or cuts them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.apps import free_port

HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "date", "server"}


class Proxy:
    """Between a browser and the page at `target`. `delay` seconds pass before each piece of an
    event stream goes on, its head included."""

    def __init__(self, target: str, delay: float = 0.0) -> None:
        self.target = target
        self.delay = delay
        self.url = ""
        self.is_cutting = False  # Each event stream ends at its next piece, without its end.
        self.is_losing_joins = False  # Events reach the page, and their answers get lost.
        self.is_refusing_joins = False  # Events do not reach the page: whoever asks is sent away.
        self.is_losing_streams = False  # Event streams are answered with an error.
        self.is_silent = False  # Event streams stay open, and nothing comes.
        self.joins = 0
        self.streams = 0
        self._http = httpx.AsyncClient(timeout=None, trust_env=False, limits=httpx.Limits())

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._http:
            yield

    async def handle(self, request: Request) -> Response:
        is_late = request.url.path.endswith("/queue/data")
        is_join = request.url.path.endswith("/queue/join")
        self.joins += is_join
        if is_join and self.is_refusing_joins:
            return Response('{"detail": "Not authenticated"}', 401)
        if is_late and self.is_losing_streams:
            return Response("not now", 502)
        # Its host goes on as it came: the page compares it with the origin.
        headers = [
            (name, value) for name, value in request.headers.raw if name != b"content-length"
        ]
        asked = self._http.build_request(
            request.method,
            f"{self.target}{request.url.path}?{request.url.query}".removesuffix("?"),
            headers=headers,
            content=await request.body(),
        )
        answer = await self._http.send(asked, stream=True)
        if self.is_losing_joins and is_join:
            await answer.aclose()
            return Response("the answer was lost", 502)
        if is_late:
            self.streams += 1
            await asyncio.sleep(self.delay)
        body = self._late(answer) if is_late else self._at_once(answer)
        passed = {name: v for name, v in answer.headers.items() if name not in HOP_BY_HOP}
        return StreamingResponse(body, answer.status_code, passed)

    async def _at_once(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        finally:
            await answer.aclose()

    async def _late(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            try:
                async for piece in answer.aiter_raw():
                    pieces.put_nowait((time.monotonic(), piece))
            finally:
                pieces.put_nowait((time.monotonic(), b""))

        reading = asyncio.create_task(read())
        try:
            while True:
                came, piece = await pieces.get()
                await asyncio.sleep(max(0.0, came + self.delay - time.monotonic()))
                if not piece or self.is_cutting:
                    return
                if not self.is_silent:
                    yield piece
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await answer.aclose()


@contextmanager
def late(target: str, delay: float = 0.0) -> Iterator[Proxy]:
    """Serves such a proxy on a free port."""
    proxy, port = Proxy(target, delay), free_port()
    routes = [
        Route("/{path:path}", proxy.handle, methods=["GET", "POST", "HEAD", "OPTIONS", "PUT"])
    ]
    config = uvicorn.Config(
        Starlette(routes=routes, lifespan=proxy.lifespan),
        port=port,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    proxy.url = f"http://127.0.0.1:{port}"
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join(5)
