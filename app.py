"""The page: drop one to four pictures, say what should change, watch it happen.

Handlers, layout, wiring, launch, in that order: read from top to bottom it is the interface.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wavespeed.studio.settings import BadSetting, Settings, from_environment

if __name__ == "__main__":
    # Before Gradio, which reads GRADIO_SERVER_PORT while it is imported and dies of a wrong one.
    try:
        SETTINGS = from_environment(os.environ)
    except BadSetting as bad:
        sys.exit(str(bad))

import gradio as gr
from gradio.events import api
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder, is_in_or_equal

from wavespeed import AsyncClient, BadKey, Edit, InvalidEdit
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio import pieces, words
from wavespeed.studio.run import Result, Run, Trouble, details
from wavespeed.studio.runner import Runner
from wavespeed.studio.theme import theme

MAX_THREADS = 2000
"""Gradio lets this many events run at once, waiting ones included; its default is 40."""

Shown = tuple[Any, ...]
"""What the page shows of an edit, in the order of `shown` in `build`."""
Files = Sequence[tuple[str, str | None]] | None
"""What a gallery hands over: paths with captions."""


# --- Handlers ---------------------------------------------------------------------------------


async def show(
    run: Run | None, revealed: frozenset[int] = frozenset(), *, watching: bool = True
) -> Shown:
    """The page for a run. The only place that knows the order of the output components."""
    busy = run is not None and not run.is_over and watching
    age = (datetime.now(UTC) - run.started_at).total_seconds() if run else 0.0
    return (
        run.id if run else None,
        revealed,
        pieces.status(run, age, watching=watching),
        pieces.results(run, await cached(run), shown=revealed),
        gr.update(visible="hidden" if busy else True),
        gr.update(
            visible=True if busy else "hidden",
            value=words.STOP_WATCHING if run and run.in_flight else words.STOP,
        ),
        *notes(run.error if run else None),
    )


def notes(trouble: Trouble | None) -> tuple[str, str]:
    """A word beside the field that is at fault: under the pictures, under the prompt."""
    field = trouble.field if trouble else None
    said = pieces.note(trouble.message) if trouble and field else ""
    return ("" if field == "prompt" else said, said if field == "prompt" else "")


def refuse(error: InvalidEdit) -> Shown:
    """Nothing but the note changes: an earlier result stays."""
    return (*(gr.skip() for _ in range(6)), *notes(Trouble.of(error)))


def asked(files: Files, prompt: str, sync_mode: bool, base64_output: bool) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    images = tuple(Path(path) for path, _ in files or [])
    return Edit(prompt, images, sync_mode=sync_mode, base64_output=base64_output)


async def follow(runner: Runner, run_id: str) -> AsyncGenerator[Shown]:
    """The page at each change of a run; what did not change is not sent again."""
    before: Shown = ()
    async with aclosing(runner.watch(run_id)) as runs:
        async for run in runs:
            now = await show(run)
            yield (
                now
                if not before
                else tuple(
                    gr.skip() if new == old else new for new, old in zip(now, before, strict=True)
                )
            )
            before = now


async def cached(run: Run | None) -> dict[Path, Path]:
    """Where Gradio serves the results from: copies in its cache, at addresses nobody can guess."""

    def copy(results: tuple[Result, ...]) -> dict[Path, Path]:
        folder = get_upload_folder()
        return {one.path: Path(save_file_to_cache(one.path, folder)) for one in results}

    return await asyncio.to_thread(copy, run.results) if run and run.results else {}


async def edit_to_the_end(runner: Runner, wanted: Edit) -> tuple[list[gr.FileData], dict[str, Any]]:
    """For scripts: the files and the details. Raises `gr.Error` with what a person would read."""
    run = runner.start(wanted)
    run = await runner.finished(run.id)
    if run.state != "done":
        problem = words.problem(run)
        message = f"{problem.what} {problem.money} {problem.advice}"
        raise gr.Error(message, title=problem.what, print_exception=False)
    files = await cached(run)
    return [
        gr.FileData(path=str(files[result.path]), orig_name=result.path.name)
        for result in run.results
    ], details(run)


def uploaded(image: gr.FileData | dict[str, Any]) -> str:
    """The path of a file that the caller uploaded. `gr.api` hands over what it was sent, unchecked,
    and a caller must not name other files of this machine."""
    path = image.get("path") if isinstance(image, dict) else image.path
    if not isinstance(path, str) or not is_in_or_equal(path, get_upload_folder()):
        raise InvalidEdit("A picture has to be uploaded first, with handle_file.")
    return path


# --- Layout and wiring ------------------------------------------------------------------------


# Markup of our own, without Gradio's styles for prose.
drawn = partial(gr.HTML, apply_default_css=False)


def build(runner: Runner, *, engine: str, sandbox: bool) -> gr.Blocks:
    """The page over a runner; `engine` says in the banner who answers."""
    page = gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        run_id, revealed = gr.State(), gr.State(frozenset())
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
            with gr.Column(elem_id="answer", elem_classes="ws-card"):
                status = drawn(pieces.status(None), elem_id="status")
                results = drawn(
                    pieces.results(None, {}, shown=frozenset()),
                    elem_id="results",
                    js_on_load=pieces.asset("results.js"),
                )
        shown = [run_id, revealed, status, results, edit, stop, inputs_note, prompt_note]

        fields = [inputs, prompt, sync_mode, base64_output]

        watched: dict[str | None, str] = {}  # The run that each open page looks at.

        async def start(
            files: Files, text: str, sync: bool, base64: bool, request: gr.Request
        ) -> AsyncGenerator[Shown]:
            try:
                wanted = asked(files, text, sync, base64)
            except InvalidEdit as error:
                yield refuse(error)
                return
            # Gradio lets the second click of a double click through (it notes the first one only
            # after gathering the inputs): that one looks at the run of the first.
            session = request.session_hash
            run_id = watched.get(session) or runner.start(wanted).id
            watched[session] = run_id
            try:
                async with aclosing(follow(runner, run_id)) as views:
                    async for view in views:
                        yield view
            finally:
                watched.pop(session, None)

        async def halt(current: str | None) -> Shown:
            """Ends the run if that saves money, and the watching in any case."""
            run = await runner.stop(current or "")
            return await show(run, watching=False)

        async def uncover(
            current: str | None, before: frozenset[int], event: gr.EventData
        ) -> Shown:
            """Shows or covers the one flagged picture whose button was pressed."""
            return await show(runner.get(current or ""), before ^ {int(event.index)})

        async def edit_for_scripts(
            images: list[gr.FileData],
            prompt: str,
            sync_mode: bool = False,
            base64_output: bool = False,
        ) -> tuple[list[gr.FileData], dict[str, Any]]:
            """Edits a picture as the prompt says, with the model openai/gpt-image-1-mini/edit.

            Parameters:
                images: 1 to 4 picture files; the first is edited, the others are references.
                prompt: what should change, at most 32,000 characters.
                sync_mode: one request that stays open until the result is there.
                base64_output: the result comes inside the service's answer.
            Returns:
                The edited picture files, and details: id, model, status, created_at, error,
                outputs (nsfw, width, height, size_bytes of each), timings_ms, cost_usd.
            """
            try:
                files = [(uploaded(image), None) for image in images]
                wanted = asked(files, prompt, sync_mode, base64_output)
            except InvalidEdit as error:
                raise gr.Error(f"{error} {words.NOTHING_SPENT}", print_exception=False) from error
            return await edit_to_the_end(runner, wanted)

        ours: dict[str, Any] = {
            "concurrency_limit": None,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        editing = gr.on([edit.click, prompt.submit], start, fields, shown, **ours)
        stop.click(halt, run_id, shown, cancels=[editing], **ours)
        results.click(uncover, [run_id, revealed], shown, **ours)
        api(edit_for_scripts, api_name="edit", concurrency_limit=None)
    return page


# --- Launch -----------------------------------------------------------------------------------


def main(settings: Settings) -> None:
    """Serves the page until it is interrupted."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Its lines hold signed addresses.
    with ExitStack() as stack:
        engine = urlsplit(settings.base_url).hostname or ""
        if settings.api_key is None:
            engine = words.SANDBOX
            base_url = stack.enter_context(serve(Sandbox()))
            settings = replace(settings, api_key="sandbox", base_url=base_url)
        try:
            client = AsyncClient(settings.api_key or "", base_url=settings.base_url)
        except BadKey as error:
            sys.exit(f"WAVESPEED_API_KEY: {error}")
        runner = Runner(client, settings.data_dir / "outputs")

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncIterator[None]:
            async with client:
                yield
                await runner.close()

        page = build(runner, engine=engine, sandbox=engine == words.SANDBOX)
        try:
            page.queue(default_concurrency_limit=None).launch(
                server_name=settings.server_name,
                server_port=settings.server_port,
                max_threads=MAX_THREADS,
                run_history=False,  # It writes every input into the browser's storage.
                app_kwargs={"lifespan": lifespan},
                theme=theme(),
                css=pieces.asset("page.css"),
                js=pieces.asset("page.js"),
                footer_links=["api"],
                i18n=gr.I18n(en=words.GRADIO),
            )
        except OSError as error:
            sys.exit(f"The page can't be served at port {settings.server_port}: {error}")


if __name__ == "__main__":
    main(SETTINGS)
