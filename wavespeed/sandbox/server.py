"""The sandbox on real loopback sockets: one for the API, one for the files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from anyio.from_thread import start_blocking_portal
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .app import api, file_host
from .tasks import Sandbox


@contextlib.contextmanager
def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Runs it in a thread for as long as the block lasts, and gives the URL of its API.

    Port 0 takes a free one. The files lie on another port, as at the service on another host.
    Leaving cuts every open connection at once. Raises OSError where the port is taken.
    """
    with (
        start_blocking_portal(name="sandbox") as portal,
        portal.wrap_async_context_manager(_serving(sandbox, host, port)) as url,
    ):
        yield url


@contextlib.asynccontextmanager
async def _serving(sandbox: Sandbox, host: str, port: int) -> AsyncIterator[str]:
    async with (
        _listening(file_host(sandbox), host, 0) as sandbox.file_host,
        _listening(api(sandbox), host, port) as url,
    ):
        yield url


@contextlib.asynccontextmanager
async def _listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[str]:
    """Uvicorn's protocol without its `Server`, which needs two tenths of a second to stop, waits
    for open requests and takes over signals."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        # Only we cancel, below; and a client may be gone before it has sent all it had.
        with contextlib.suppress(asyncio.CancelledError, ClientDisconnect):
            await app(scope, receive, send)

    config = Config(quiet, log_config=None, lifespan="off", ws="none", proxy_headers=False)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(config, state, {}), host, port)
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


class _Connection(H11Protocol):
    """Gives the app its transport, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.access_log = False
        self.app_state = {"transport": transport}
        super().connection_made(transport)
