"""The page: drop one to four pictures, say what should change, watch it happen.

Layout, wiring, launch, in that order; what the events do is in `wavespeed.studio.ui.handlers.edit`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from wavespeed.studio.settings import (
    Nsfw,
    Settings,
    SettingsError,
    from_environment,
    warning_of_a_space,
)

if __name__ == "__main__":
    # What is imported and built stays for good: not to look through it for garbage makes the start
    # faster and, frozen by `main`, each later look, for which all edits stand still.
    gc.disable()
    # Before Gradio, which reads GRADIO_SERVER_PORT while it is imported and dies of a wrong one.
    try:
        SETTINGS = from_environment(os.environ)
    except SettingsError as bad:
        sys.exit(str(bad))
    SETTINGS.adjust(os.environ)

import gradio as gr
from filelock import FileLock, Timeout
from gradio.events import api
from starlette.middleware import Middleware

from wavespeed import AsyncClient, ConnectionPool, Durations, InvalidApiKey, InvalidEdit, Pace
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio import logs
from wavespeed.studio.api.edit import EditApi
from wavespeed.studio.decoding import decoder
from wavespeed.studio.export.downloads import Downloads
from wavespeed.studio.media import cache, previews
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.migration import UnknownDatabase
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store, StoreError
from wavespeed.studio.security.login_throttle import LoginThrottle
from wavespeed.studio.security.middleware import SecurityMiddleware, install
from wavespeed.studio.security.origins import Origins, is_local
from wavespeed.studio.security.request_bodies import BodyLimits
from wavespeed.studio.security.uploads import (
    UploadRecorder,
    Uploads,
    leave_no_remains,
    leave_paths_alone,
    remember_no_values,
)
from wavespeed.studio.sessions import ClientFactory
from wavespeed.studio.templating import render_template, static
from wavespeed.studio.text import labels
from wavespeed.studio.ui import render, scripts
from wavespeed.studio.ui.examples import CHIPS
from wavespeed.studio.ui.handlers.edit import EditHandlers
from wavespeed.studio.ui.handlers.history import HistoryHandlers
from wavespeed.studio.ui.presenter import Presenter
from wavespeed.studio.ui.theme import STYLE_SHEETS, theme

MAX_UPLOAD_BYTES = 51 * 1024 * 1024
"""A little more than `prepare` takes, so that it can say what is wrong, and by name."""
HANDOVER = 15.0
"""Seconds that a new process waits for an old one to leave the data folder."""
KEY_AS_IT_IS = "(own) => document.querySelector('#api-key input')?.value ?? own"
MAX_PAGES = 1000
"""Pages that Gradio remembers, some 200 kB each and never less; its default is 10,000. Who has not
been there for longest is forgotten first, which costs an open page nothing but what it looks at."""
PACE = Pace()
MAX_THREADS = 2000
"""Gradio lets this many events run at once, waiting ones included; its default is 40."""
QUEUE_PAUSE = 0.02
"""Seconds between two looks of Gradio's for new events; its default, a thousandth, costs an idle
page a twelfth of a processor."""


# --- Layout and wiring ------------------------------------------------------------------------


# Markup of our own, without Gradio's styles for prose.
drawn = partial(gr.HTML, apply_default_css=False)


def build(
    runner: Runner,
    account: Account,
    client_of: ClientFactory,
    nsfw: Nsfw,
    uploads: Uploads,
    downloads: Downloads,
    *,
    engine: str,
    sandbox: bool,
    api_url: tuple[str, str],
    key: str,
    mcp: bool,
    space: bool,
    budget: float | None,
    home: str = "",
) -> gr.Blocks:
    """The page over a runner; `engine` says in the banner who answers, `api_url` where (see
    `Presenter`), `output_key` whose key is used where a visitor brings none. With `mcp` the edit is
    a tool for models, too; a `space` can be duplicated; `budget` is what the page says of a limit,
    in USD; `home` is the address that links name, where it is not the page's own."""
    actions = scripts.listen("actions", "listen")
    leave_paths_alone()
    leave_no_remains()
    remember_no_values()
    page = gr.Blocks(title=labels.TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        group = gr.State()
        # Flagged pictures, as long as the page is open. The set is changed in place, so that what
        # watches an edit for this page knows of it at once.
        revealed = gr.State(set())
        price = gr.State(account.price_usd)
        # The key and the secret are fixed, so that a restart of the server forgets nobody. The id
        # is what lets a browser see its runs, and long enough that nobody guesses another's.
        visitor = gr.BrowserState(storage_key="wavespeed-visitor", secret="wavespeed-visitor")
        draft = gr.BrowserState(storage_key="wavespeed-draft", secret="wavespeed-draft")
        press = gr.BrowserState(storage_key="wavespeed-press")  # Made by the browser, kept nowhere.
        with gr.Row(elem_id="top"):
            drawn(
                render_template("header", engine=engine, sandbox=sandbox, home=home),
                elem_id="header",
            )
            tally = drawn(elem_id="tally")
            if space:
                gr.DuplicateButton(labels.DUPLICATE, variant="secondary", elem_id="duplicate")
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="ask"):
                with gr.Column(elem_classes="ws-card"):
                    drawn(
                        render_template("heading", title=labels.PICTURES, hint=labels.PICTURES_HINT)
                    )
                    strip = drawn(elem_id="strip", js_on_load=actions)
                    # Takes pictures in; the strip above shows them, HEIC and flagged ones too. Any
                    # file: Gradio goes by names, and for one that it does not know refuses all that
                    # are in the field, in each event and after a reload. What a file is, its
                    # content says, and the strip says it of each. Gradio's button for the clipboard
                    # finds nothing then; what is pasted anywhere on the page comes in all the same.
                    inputs = gr.Gallery(
                        elem_id="inputs",
                        label=labels.PICTURES,
                        show_label=False,
                        type="filepath",
                        interactive=True,
                        file_types=["file"],
                        sources=["upload", "webcam"],
                        columns=4,
                        height=128,
                        allow_preview=False,
                        buttons=[],
                    )
                    inputs_note = drawn(elem_id="inputs-note")
                    each = gr.Checkbox(label=labels.EACH, info=labels.EACH_INFO, elem_id="each")
                    drawn(render_template("heading", title=labels.PROMPT), elem_id="prompt-heading")
                    prompt = gr.Textbox(
                        elem_id="prompt",
                        label=labels.PROMPT,
                        show_label=False,
                        placeholder=labels.PROMPT_HINT,
                        lines=4,
                        max_lines=12,
                    )
                    drawn(render_template("chips", chips=CHIPS), elem_id="chips")
                    hint = drawn(elem_id="prompt-hint")
                    prompt_note = drawn(elem_id="prompt-note")
                with gr.Column(elem_classes="ws-card"):
                    with gr.Row(elem_id="choices"):
                        drawn(render_template("heading", title=labels.VARIANTS))
                        variants = gr.Radio(
                            ["1", "2", "3", "4"],
                            value="1",
                            label=labels.VARIANTS,
                            show_label=False,
                            container=False,
                            elem_id="variants",
                        )
                    with gr.Row(elem_id="buttons"):
                        edit = gr.Button(
                            labels.ADD_FIRST, variant="primary", elem_id="edit", interactive=False
                        )
                        # In the place of Edit, by buttons.css.
                        stop = gr.Button(labels.STOP, elem_id="stop")
                    shortcut = drawn(
                        render_template("keys", price=account.price_usd), elem_id="keys"
                    )
                    if budget is not None:
                        drawn(render_template("budget", usd=budget), elem_id="budget")
                    with gr.Accordion(labels.ADVANCED, open=False):
                        sync_mode = gr.Checkbox(label=labels.SYNC, info=labels.SYNC_INFO)
                        base64_output = gr.Checkbox(label=labels.BASE64, info=labels.BASE64_INFO)
                    asks = key in (labels.KEY_ASKED, labels.KEY_OFFERED)
                    with gr.Accordion(key, open=asks, elem_id="key") as keys:
                        # In this page's session only: no event hands it back, nothing keeps it.
                        own = gr.Textbox(
                            elem_id="api-key",
                            type="password",
                            label=labels.KEY,
                            info=labels.KEY_INFO,
                        )
                    key_note = drawn(elem_id="key-note")
            with gr.Column(elem_id="answer", elem_classes="ws-card"):
                status = drawn(
                    render.status([], [], None),
                    elem_id="status",
                    js_on_load="window.wavespeed.trigger = trigger;",
                )
                results = drawn(
                    render.results([], [], [], [], [], hides=nsfw == "hide"),
                    elem_id="results",
                    js_on_load=actions,
                )
        history = drawn(elem_id="history", js_on_load=actions)
        exported = drawn(elem_id="exported")
        with gr.Accordion(labels.FETCH, open=False, elem_id="fetching"):
            wanted = gr.Textbox(elem_id="fetch-id", label=labels.FETCH_ID, info=labels.FETCH_INFO)
            fetch = gr.Button(labels.FETCH_BUTTON, elem_id="fetch", size="md")
            fetch_note = drawn(elem_id="fetch-note")
        drawn(render_template("screen"), elem_id="screen")
        page.temp_file_sets.append(copies := set[str]())  # For `delete_cache`.
        previews.configure(copies)

        views = Presenter(runner, nsfw, api_url, account.resend_price, downloads)
        past = HistoryHandlers(runner, views, account, client_of, uploads, key=key)
        do = EditHandlers(runner, views, account, client_of, uploads, past)
        fields = [inputs, prompt]
        notes = [inputs_note, prompt_note, key_note, fetch_note]
        shown = [group, status, results, stop, *notes, history, tally]
        options = [sync_mode, base64_output, variants, each, own, price]
        ours: dict[str, Any] = {
            "concurrency_limit": None,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        # Else a click is passed over while an earlier one is answered, or watched; right for Edit,
        # which spends. A second press of any other finds done what the first has done.
        lot: dict[str, Any] = {"trigger_mode": "multiple"}
        last: dict[str, Any] = {**ours, "trigger_mode": "always_last"}
        # What is shown is markup as it is; Gradio would look at each piece in a thread of its own.
        fast: dict[str, Any] = {**ours, "postprocess": False}
        edit.click(
            do.start,
            [*fields, *options, visitor, group, revealed, press],
            shown,
            js="(...values) => [...values.slice(0, -1), window.wavespeed.press()]",
            **fast,
        )
        stop.click(do.stop, [group, visitor, revealed], shown, **fast, **lot)
        status.click(do.sync, [visitor, revealed], shown, **fast, **lot)  # See stream.js.
        results.click(do.dispatch, [group, own, price, visitor, revealed], shown, **fast, **lot)
        results.click(do.fill_form, [visitor, each, revealed], [*fields, strip], **ours, **lot)
        gr.on(
            [history.select, results.select], do.show_run, [visitor, revealed], shown, **fast, **lot
        )
        gr.on(
            [fetch.click, wanted.submit],
            do.fetch,
            [wanted, own, visitor, revealed],
            shown,
            **fast,
            **lot,
        )
        page.load(
            do.load_page,
            [visitor, draft],
            [visitor, *fields, strip, each, group],
            js=scripts.call("address", "addToDraft"),
            **ours,
        ).then(do.resume_run, [visitor, group, revealed], shown, **fast)
        history.click(
            past.dispatch,
            [visitor, own, each, group, revealed],
            [*fields, strip, exported, history, tally, group, status, results, stop, *notes],
            **ours,
            **lot,
        )
        strip.click(
            past.restore, [inputs, each, visitor], [*fields, strip, inputs_note], **ours, **lot
        )
        gr.on(
            [inputs.change, each.change],
            past.preview_inputs,
            [inputs, each, visitor],
            strip,
            **last,
        )
        asked = [inputs.change, prompt.change, each.change]
        gr.on(asked, past.check_prompt, [*fields, each], hint, **last)
        here: dict[str, Any] = {**last, "queue": False}
        gr.on(asked, None, [*fields, each], draft, js=scripts.call("draft", "draftOf"), **here)
        gr.on(
            [*asked, variants.change, shortcut.change, strip.change],
            None,
            [*fields, variants, each],
            edit,
            js=render.button(),
            **here,
        )
        gr.on(
            [page.load, own.blur, own.submit],
            past.validate_key,
            own,
            [price, shortcut, keys, key_note],
            js=KEY_AS_IT_IS,  # Gradio may hear of the last letter after the key for Enter.
            **last,
        )
        edit_api = EditApi(runner, account, client_of, uploads)
        for endpoint in (edit_api.edit, edit_api.edit_stream):
            about = edit_api.description(endpoint)
            name = endpoint.__name__
            api(endpoint, api_name=name, api_description=about, concurrency_limit=None)
        if mcp:  # Not queued: what goes through the queue reaches a model as one long text.
            about = edit_api.description(edit_api.edit_picture)
            name = "edit_picture"
            api(edit_api.edit_picture, api_name=name, api_description=about, queue=False)
    return page


# --- Launch -----------------------------------------------------------------------------------


def key_of_ones_own(settings: Settings, pace: Pace, pool: ConnectionPool) -> ClientFactory:
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
                pace=pace,
                http=pool,
                durations=durations,
                prepare=decoder.prepare,
            )
        except InvalidApiKey as error:
            raise InvalidEdit(str(error), field="key") from None

    return client_of


def security(settings: Settings) -> Middleware:
    """What stands around the whole app."""
    return Middleware(
        SecurityMiddleware,
        origins=Origins(settings.hosts, settings.public_host, is_local(settings.server_name)),
        bodies=BodyLimits(MAX_EDITS * MAX_UPLOAD_BYTES),
        logins=LoginThrottle() if settings.auth else None,
        is_space=settings.space is not None,
    )


def life(
    runner: Runner,
    account: Account,
    keep_days: float | None,
    pool: ConnectionPool,
    outermost: Middleware,
    uploads: Uploads,
    downloads: Downloads,
) -> Any:
    """What goes on as long as the page is served, for Gradio's `lifespan`."""

    @asynccontextmanager
    async def lifespan(app: gr.routes.App) -> AsyncIterator[None]:
        install(app, outermost)
        app.router.routes.insert(0, downloads.route())
        app.router.routes.insert(0, scripts.route())
        async with pool:
            await runner.resume_unfinished()
            chores = [
                runner.purge_expired(keep_days),
                account.learn_price(),
                uploads.purge_expired(),
            ]
            tasks = [asyncio.create_task(chore) for chore in chores]
            yield
            for task in tasks:
                task.cancel()
            await runner.close()
            decoder.shared.close()

    return lifespan


def main(settings: Settings, handover: float = HANDOVER, pace: Pace = PACE) -> None:
    """Serves the page until it is interrupted; `handover` is how long it waits for an earlier
    process to leave the data folder, in seconds, and `pace` how often it asks the service."""
    settings.adjust(os.environ)
    logs.configure(settings.log, settings.api_key)
    if warning := warning_of_a_space(os.environ):
        logging.getLogger("wavespeed.studio").warning(warning)
    if settings.is_default_budget:
        logging.getLogger("wavespeed.studio").warning(labels.DEFAULT_BUDGET)
    # What stops a container ends like Ctrl+C: the answers to submissions are waited for.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        engine, base_url = urlsplit(settings.base_url).hostname or "", settings.base_url
        key = labels.KEY_SERVER
        if settings.api_key is None:
            engine, key = labels.SANDBOX, labels.KEY_OFFERED if settings.space else labels.KEY_NONE
            sandbox = Sandbox(model=settings.model, seconds=settings.sandbox_seconds)
            base_url = stack.enter_context(serve(sandbox))
        key = labels.KEY_ASKED if settings.require_visitor_key else key
        pool, pace = ConnectionPool(settings.proxies), replace(pace, deadline=settings.deadline)
        try:
            client = AsyncClient(
                settings.api_key or "sandbox",
                base_url=base_url,
                pace=pace,
                http=pool,
                prepare=decoder.prepare,
            )
        except InvalidApiKey as error:
            sys.exit(f"WAVESPEED_API_KEY: {error}")
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
        try:
            cache.prepare(settings.cache_dir, ours=settings.temp_dir is None)
        except OSError as error:
            setting = "WAVESPEED_DATA_DIR" if settings.temp_dir is None else "GRADIO_TEMP_DIR"
            sys.exit(f"{setting} can't be written: {error}")
        previews.use_data_folder(settings.data_dir)
        limits = Limits(
            settings.budget_usd,
            settings.visitor_edits,
            settings.parallel,
            visitor_bytes=_bytes(settings.visitor_mb),
            disk_bytes=_bytes(settings.disk_mb),
        )
        service = urlsplit(base_url).netloc if settings.api_key else "sandbox"
        runner = Runner(client, store, settings.data_dir, limits, service, settings.model)
        account = Account(client, settings.model)
        uploads = Uploads(store, _bytes(settings.disk_mb))
        downloads = Downloads(runner)
        # With requirements-mcp.txt installed; but Gradio asks no model for the page's login.
        mcp = find_spec("mcp") is not None and settings.auth is None

        client_of = key_of_ones_own(settings, pace, pool)
        page = build(
            runner,
            account,
            client_of,
            settings.nsfw,
            uploads,
            downloads,
            engine=engine,
            sandbox=engine == labels.SANDBOX,
            api_url=(base_url, settings.base_url),
            key=key,
            mcp=mcp,
            space=settings.space is not None,
            budget=settings.budget_usd if settings.is_default_budget else None,
            home=settings.home,
        )
        gc.freeze()
        gc.enable()
        # Gradio makes an address of it.
        host = f"[{settings.server_name}]" if ":" in settings.server_name else settings.server_name
        try:
            page.queue(default_concurrency_limit=None)
            page._queue.sleep_when_free = QUEUE_PAUSE
            page._queue.progress_update_sleep_when_free = 1.0  # Nothing here uses `gr.Progress`.
            page.launch(
                server_name=host,
                server_port=settings.server_port,
                max_threads=MAX_THREADS,
                state_session_capacity=MAX_PAGES,
                auth=settings.auth,
                auth_message=labels.LOGIN_PAUSE,
                max_file_size=MAX_UPLOAD_BYTES,
                enable_monitoring=False,  # It shows to anyone who asks how the page is used.
                mcp_server=mcp,
                run_history=False,  # It writes every input into the browser's storage.
                app_kwargs={
                    "lifespan": life(
                        runner,
                        account,
                        settings.keep_days,
                        pool,
                        security(settings),
                        uploads,
                        downloads,
                    ),
                    "middleware": [Middleware(UploadRecorder, uploads=uploads)],
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


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * 1_000_000


if __name__ == "__main__":
    main(SETTINGS)
