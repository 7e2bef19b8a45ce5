"""The page: drop one to four pictures, say what should change, watch it happen.

Layout, wiring, launch, in that order; what the events do is in `wavespeed.studio.handlers`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from wavespeed.studio.settings import LOCAL, BadSetting, Settings, from_environment

if __name__ == "__main__":
    # Before Gradio, which reads GRADIO_SERVER_PORT while it is imported and dies of a wrong one.
    try:
        SETTINGS = from_environment(os.environ)
    except BadSetting as bad:
        sys.exit(str(bad))

import gradio as gr
from gradio.events import api

from wavespeed import AsyncClient, BadKey, InvalidEdit, Pace, connection_pool
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio import log, pieces, words
from wavespeed.studio.handlers import Handlers
from wavespeed.studio.runner import Limits, Runner
from wavespeed.studio.store import Store, StoreError
from wavespeed.studio.theme import theme

MAX_UPLOAD = "51mb"
"""A little more than `prepare` takes, so that it can say what is wrong, and by name."""
MAX_THREADS = 2000
"""Gradio lets this many events run at once, waiting ones included; its default is 40."""


# --- Layout and wiring ------------------------------------------------------------------------


# Markup of our own, without Gradio's styles for prose.
drawn = partial(gr.HTML, apply_default_css=False)


def build(
    runner: Runner, client_of: Callable[[str], AsyncClient | None], *, engine: str, sandbox: bool
) -> gr.Blocks:
    """The page over a runner; `engine` says in the banner who answers."""
    page = gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        run_id, revealed, place = gr.State(), gr.State(frozenset()), gr.State(0)
        # The key and the secret are fixed, so that a restart of the server forgets nobody. The id
        # is what lets a browser see its runs, and long enough that nobody guesses another's.
        visitor = gr.BrowserState(storage_key="wavespeed-visitor", secret="wavespeed-visitor")
        drawn(pieces.header(engine, sandbox=sandbox), elem_id="header")
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="ask"):
                with gr.Column(elem_classes="ws-card"):
                    drawn(pieces.heading(words.PICTURES, words.PICTURES_HINT))
                    inputs = gr.Gallery(
                        elem_id="inputs",
                        label=words.PICTURES,
                        show_label=False,
                        type="filepath",
                        interactive=True,
                        file_types=["image"],
                        sources=["upload", "clipboard", "webcam"],
                        columns=4,
                        height=128,
                        fit_columns=False,
                        object_fit="cover",
                        allow_preview=False,
                        buttons=[],
                    )
                    inputs_note = drawn(elem_id="inputs-note")
                    drawn(pieces.heading(words.PROMPT), elem_id="prompt-heading")
                    prompt = gr.Textbox(
                        elem_id="prompt",
                        label=words.PROMPT,
                        show_label=False,
                        placeholder=words.PROMPT_HINT,
                        lines=4,
                        max_lines=12,
                    )
                    prompt_note = drawn(elem_id="prompt-note")
                with gr.Column(elem_classes="ws-card"):
                    with gr.Row(elem_id="buttons"):
                        edit = gr.Button(words.edit_button(), variant="primary", elem_id="edit")
                        stop = gr.Button(words.STOP, elem_id="stop", visible="hidden")
                    drawn(pieces.keys())
                    with gr.Accordion(words.ADVANCED, open=False):
                        sync_mode = gr.Checkbox(label=words.SYNC, info=words.SYNC_INFO)
                        base64_output = gr.Checkbox(label=words.BASE64, info=words.BASE64_INFO)
                    # In this page's session only: no event hands it back, nothing keeps it.
                    key = gr.Textbox(
                        elem_id="api-key", type="password", label=words.KEY, info=words.KEY_INFO
                    )
                    key_note = drawn(elem_id="key-note")
            with gr.Column(elem_id="answer", elem_classes="ws-card"):
                status = drawn(pieces.status(None), elem_id="status")
                results = drawn(
                    pieces.results(None, {}, shown=frozenset()),
                    elem_id="results",
                    js_on_load=pieces.asset("actions.js"),
                )
        past = drawn(elem_id="history", js_on_load=pieces.asset("actions.js"))
        shown = [run_id, revealed, status, results, edit, stop, inputs_note, prompt_note, key_note]
        fields = [inputs, prompt, sync_mode, base64_output, key]
        do = Handlers(runner, client_of)
        ours: dict[str, Any] = {
            "concurrency_limit": None,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        editing = edit.click(do.start, [*fields, visitor], shown, **ours)
        acting = results.click(do.act, [run_id, key, visitor, revealed], shown, **ours)
        arriving = page.load(do.arrive, visitor, [visitor, inputs, prompt, past, *shown], **ours)
        halting = stop.click(do.halt, run_id, shown, cancels=[editing, acting, arriving], **ours)
        for ending in (editing, acting, halting):
            ending.then(do.remember, [visitor, place], past, **ours)
        past.click(do.browse, [visitor, place], [inputs, prompt, place, past, *shown], **ours)
        api(do.edit_for_scripts, api_name="edit", concurrency_limit=None)
    return page


# --- Launch -----------------------------------------------------------------------------------


def main(settings: Settings) -> None:
    """Serves the page until it is interrupted."""
    # Gradio asks its own server whether it is up; a proxy has no part in that.
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), *LOCAL]))
    log.begin(settings.log, settings.api_key)
    with ExitStack() as stack:
        engine = urlsplit(settings.base_url).hostname or ""
        if settings.api_key is None:
            engine = words.SANDBOX
            base_url = stack.enter_context(serve(Sandbox()))
            settings = replace(settings, api_key="sandbox", base_url=base_url)
        pool, pace = connection_pool(), Pace(deadline=settings.deadline)
        try:
            client = AsyncClient(
                settings.api_key or "",
                base_url=settings.base_url,
                pace=pace,
                http=pool,
            )
        except BadKey as error:
            sys.exit(f"WAVESPEED_API_KEY: {error}")
        try:
            store = stack.enter_context(closing(Store(settings.data_dir / "studio.db")))
        except (OSError, StoreError) as error:
            sys.exit(f"WAVESPEED_DATA_DIR can't be written: {error}")
        limits = Limits(settings.budget_usd, settings.visitor_edits)
        runner = Runner(client, store, settings.data_dir, limits)

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncIterator[None]:
            async with pool:
                await runner.take_up()
                sweeping = asyncio.create_task(runner.sweep(settings.keep_days))
                yield
                sweeping.cancel()
                await runner.close()

        def client_of(key: str) -> AsyncClient | None:
            """A client of a visitor's own key; None: the server's is used."""
            if not key.strip():
                if settings.require_visitor_key:
                    raise InvalidEdit(words.KEY_MISSING, field="key")
                return None
            try:
                return AsyncClient(key, base_url=settings.base_url, pace=pace, http=pool)
            except BadKey as error:
                raise InvalidEdit(str(error), field="key") from None

        page = build(runner, client_of, engine=engine, sandbox=engine == words.SANDBOX)
        try:
            page.queue(default_concurrency_limit=None).launch(
                server_name=settings.server_name,
                server_port=settings.server_port,
                max_threads=MAX_THREADS,
                auth=settings.auth,
                max_file_size=MAX_UPLOAD,
                run_history=False,  # It writes every input into the browser's storage.
                app_kwargs={"lifespan": lifespan},
                theme=theme(),
                css=pieces.asset("page.css"),
                js=pieces.asset("page.js"),
                footer_links=["api"],
                i18n=gr.I18n(en=words.GRADIO),
            )
        except OSError:
            place = f"{settings.server_name}, port {settings.server_port}"
            sys.exit(f"The page can't be served at {place}: see GRADIO_SERVER_NAME and _PORT.")


if __name__ == "__main__":
    main(SETTINGS)
