"""A process that serves the page: its engine (the service or the sandbox), its data folder, what
goes on as long as it lives, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from filelock import FileLock, Timeout
from starlette.middleware import Middleware

from wavespeed import AsyncClient, ConnectionPool, Durations, Policies
from wavespeed.errors import InvalidApiKey, InvalidEdit
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio.decoding import decoder
from wavespeed.studio.export.downloads import Downloads
from wavespeed.studio.media import cache, previews
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.migration import UnknownDatabase
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store, StoreError
from wavespeed.studio.security.gradio_patches import apply_patches
from wavespeed.studio.security.login_throttle import LoginThrottle
from wavespeed.studio.security.middleware import SecurityMiddleware, install
from wavespeed.studio.security.origins import Origins, is_local
from wavespeed.studio.security.request_bodies import BodyLimits
from wavespeed.studio.security.uploads import UploadRecorder, Uploads
from wavespeed.studio.text import labels
from wavespeed.studio.ui import scripts
from wavespeed.studio.ui.theme import STYLE_SHEETS, theme

from . import logs
from .services import Services
from .sessions import ClientFactory
from .settings import Settings, warning_of_a_space
from .templating import render_template, static

log = logging.getLogger("wavespeed.studio")

Build = Callable[[Services], gr.Blocks]
"""Makes the page over its services."""
MAX_UPLOAD_BYTES = 51 * 1024 * 1024
"""A little more than `prepare` takes, so that it can say what is wrong, and by name."""
HANDOVER = 15.0
"""Seconds that a new process waits for an old one to leave the data folder."""
POLICIES = Policies()
MAX_PAGES = 1000
"""Pages that Gradio remembers, some 200 kB each and never less; its default is 10,000. Who has not
been there for longest is forgotten first, which costs an open page nothing but what it looks at."""
MAX_THREADS = 2000
"""Gradio lets this many events run at once, waiting ones included; its default is 40."""
QUEUE_PAUSE = 0.02
"""Seconds between two looks of Gradio's for new events; its default, a thousandth, costs an idle
page a twelfth of a processor."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class _Engine:
    """Who edits the pictures: the service, or the sandbox in its place."""

    name: str
    base_url: str
    service: str
    """Whose runs these are: what one service was given, another never gets."""
    key_label: str
    is_sandbox: bool


def run(
    build: Build, settings: Settings, handover: float = HANDOVER, policies: Policies = POLICIES
) -> None:
    """Serves the page until it is interrupted; `handover` is how long it waits for an earlier
    process to leave the data folder, in seconds, and `policies` how long it waits for the service
    and how often it asks."""
    settings.adjust(os.environ)
    logs.configure(settings.log, settings.api_key)
    _warn(settings)
    # What stops a container ends like Ctrl+C: the answers to submissions are waited for.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    timeouts = replace(policies.timeouts, deadline=settings.deadline)
    policies = replace(policies, timeouts=timeouts)
    pool = ConnectionPool(settings.proxies)
    with ExitStack() as stack:
        engine = stack.enter_context(_engine(settings))
        client = _client(settings, engine, policies, pool)
        store = stack.enter_context(_store(settings, handover))
        _prepare_cache(settings)
        services = _services(
            settings, engine, client, store, _client_factory(settings, policies, pool)
        )
        apply_patches()
        page = build(services)
        gc.freeze()
        gc.enable()
        _launch(page, services, settings, pool)


def _warn(settings: Settings) -> None:
    if warning := warning_of_a_space(os.environ):
        log.warning(warning)
    if settings.is_default_budget:
        log.warning(labels.DEFAULT_BUDGET)


@contextmanager
def _engine(settings: Settings) -> Iterator[_Engine]:
    """The service where there is a key, else the sandbox, which is served as long as this lasts."""
    required = labels.KEY_ASKED if settings.require_visitor_key else None
    if settings.api_key is not None:
        url = urlsplit(settings.base_url)
        key_label = required or labels.KEY_SERVER
        yield _Engine(url.hostname or "", settings.base_url, url.netloc, key_label, False)
        return
    key_label = required or (labels.KEY_OFFERED if settings.space else labels.KEY_NONE)
    sandbox = Sandbox(model=settings.model, seconds=settings.sandbox_seconds)
    with serve(sandbox) as base_url:
        yield _Engine(labels.SANDBOX, base_url, "sandbox", key_label, True)


def _client(
    settings: Settings, engine: _Engine, policies: Policies, pool: ConnectionPool
) -> AsyncClient:
    try:
        return AsyncClient(
            settings.api_key or "sandbox",
            base_url=engine.base_url,
            policies=policies,
            http=pool,
            prepare=decoder.prepare,
        )
    except InvalidApiKey as error:
        sys.exit(f"WAVESPEED_API_KEY: {error}")


def _client_factory(settings: Settings, policies: Policies, pool: ConnectionPool) -> ClientFactory:
    """Clients of visitors' own keys: of the real service even where the sandbox answers others."""
    durations = Durations()  # What one of them learns of the service, all know.

    def client_of(key: str | None) -> AsyncClient | None:
        if not (key or "").strip():
            if settings.require_visitor_key:
                raise InvalidEdit(labels.KEY_MISSING, field="key")
            return None
        try:
            return AsyncClient(
                key or "",
                base_url=settings.base_url,
                policies=policies,
                http=pool,
                durations=durations,
                prepare=decoder.prepare,
            )
        except InvalidApiKey as error:
            raise InvalidEdit(str(error), field="key") from None

    return client_of


@contextmanager
def _store(settings: Settings, handover: float) -> Iterator[Store]:
    """The store of the data folder, which belongs to one process at a time."""
    with ExitStack() as stack:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            lock = settings.data_dir.resolve() / "studio.lock"
            # Of an earlier process that is just ending; two at once would send an edit twice.
            stack.enter_context(FileLock(lock, timeout=handover))
            store = stack.enter_context(closing(Store(settings.data_dir / "studio.db")))
        except Timeout:
            # Some network file systems keep the lock of a process, or a machine, that died.
            sys.exit(
                "WAVESPEED_DATA_DIR is used by another process of this page. If none runs any more,"
                f" on no machine that shares this folder, delete {lock} and start again."
            )
        except UnknownDatabase as error:
            sys.exit(f"WAVESPEED_DATA_DIR: studio.db is not one of this version. {error}")
        except (OSError, StoreError) as error:
            sys.exit(f"WAVESPEED_DATA_DIR can't be written: {error}")
        yield store


def _prepare_cache(settings: Settings) -> None:
    try:
        cache.prepare(settings.cache_dir, is_own=settings.temp_dir is None)
    except OSError as error:
        setting = "WAVESPEED_DATA_DIR" if settings.temp_dir is None else "GRADIO_TEMP_DIR"
        sys.exit(f"{setting} can't be written: {error}")
    previews.use_data_folder(settings.data_dir)


def _services(
    settings: Settings,
    engine: _Engine,
    client: AsyncClient,
    store: Store,
    client_of: ClientFactory,
) -> Services:
    limits = Limits(
        settings.budget_usd,
        settings.visitor_edits,
        settings.parallel,
        visitor_bytes=_bytes(settings.visitor_mb),
        disk_bytes=_bytes(settings.disk_mb),
    )
    runner = Runner(client, store, settings.data_dir, limits, engine.service, settings.model)
    return Services(
        runner=runner,
        account=Account(client, settings.model),
        client_of=client_of,
        uploads=Uploads(store, _bytes(settings.disk_mb)),
        downloads=Downloads(runner),
        nsfw=settings.nsfw,
        engine=engine.name,
        is_sandbox=engine.is_sandbox,
        api_url=(engine.base_url, settings.base_url),
        key_label=engine.key_label,
        # With requirements-mcp.txt installed; but Gradio asks no model for the page's login.
        has_mcp=find_spec("mcp") is not None and settings.auth is None,
        is_space=settings.space is not None,
        budget_usd=settings.budget_usd if settings.is_default_budget else None,
        home=settings.home,
    )


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * MEGABYTE


def _launch(page: gr.Blocks, services: Services, settings: Settings, pool: ConnectionPool) -> None:
    page.queue(default_concurrency_limit=None)
    page._queue.sleep_when_free = QUEUE_PAUSE
    page._queue.progress_update_sleep_when_free = 1.0  # Nothing here uses `gr.Progress`.
    # Gradio makes an address of it.
    host = f"[{settings.server_name}]" if ":" in settings.server_name else settings.server_name
    try:
        page.launch(
            server_name=host,
            server_port=settings.server_port,
            max_threads=MAX_THREADS,
            state_session_capacity=MAX_PAGES,
            auth=settings.auth,
            auth_message=labels.LOGIN_PAUSE,
            max_file_size=MAX_UPLOAD_BYTES,
            enable_monitoring=False,  # It shows to anyone who asks how the page is used.
            mcp_server=services.has_mcp,
            run_history=False,  # It writes every input into the browser's storage.
            app_kwargs={
                "lifespan": _lifespan(services, settings, pool),
                "middleware": [Middleware(UploadRecorder, uploads=services.uploads)],
            },
            theme=theme(),
            # What an audience never sees, not even for a moment; and before Gradio's script.
            head=f"{render_template('head')}<script>{static('js/stream.js')}</script>{scripts.head()}",
            css_paths=STYLE_SHEETS,
            js=scripts.call("main", "start"),
            footer_links=["api"],
            ssr_mode=False,  # A Space turns it on; the page's script needs none.
            i18n=gr.I18n(en=labels.GRADIO),
        )
    except OSError:
        place = f"{settings.server_name}, port {settings.server_port}"
        sys.exit(f"The page can't be served at {place}: see GRADIO_SERVER_NAME and _PORT.")


def _lifespan(services: Services, settings: Settings, pool: ConnectionPool) -> Any:
    """What goes on as long as the page is served, for Gradio's `lifespan`."""
    security = Middleware(
        SecurityMiddleware,
        origins=Origins(settings.hosts, settings.public_host, is_local(settings.server_name)),
        bodies=BodyLimits(MAX_EDITS * MAX_UPLOAD_BYTES),
        logins=LoginThrottle() if settings.auth else None,
        is_space=settings.space is not None,
    )

    @asynccontextmanager
    async def lifespan(app: gr.routes.App) -> AsyncIterator[None]:
        install(app, security)
        app.router.routes.insert(0, services.downloads.route())
        app.router.routes.insert(0, scripts.route())
        async with pool:
            await services.runner.resume_unfinished()
            chores = [
                services.runner.purge_expired(settings.keep_days),
                services.account.learn_price(),
                services.uploads.purge_expired(),
            ]
            tasks = [asyncio.create_task(chore) for chore in chores]
            yield
            for task in tasks:
                task.cancel()
            await services.runner.close()
            decoder.shared.close()

    return lifespan
