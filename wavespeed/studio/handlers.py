"""What the page's events do: from what a person pressed to what the page shows."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder, is_in_or_equal

from wavespeed import AsyncClient, Edit, InvalidEdit

from . import pieces, words
from .run import Run, Trouble, details
from .runner import Runner

SCRIPTS = "scripts"  # The visitor that all callers of the API are.
KEY_HEADER = "x-wavespeed-key"
PAGE = 9  # Runs on a page of the history.

Shown = tuple[Any, ...]
"""What the page shows of an edit, in the order of `shown` in `build`."""
Files = Sequence[tuple[str, str | None]] | None
"""What a gallery hands over: paths with captions."""


async def show(
    run: Run | None,
    revealed: frozenset[int] = frozenset(),
    *,
    watching: bool = True,
    note: str = "",
) -> Shown:
    """The page for a run. The only place that knows the order of the output components."""
    busy = run is not None and not run.is_over and watching
    age = (datetime.now(UTC) - run.started_at).total_seconds() if run else 0.0
    return (
        run.id if run else None,
        revealed,
        pieces.status(run, age, watching=watching, note=note),
        pieces.results(run, await cached(run), shown=revealed),
        gr.update(visible="hidden" if busy else True),
        gr.update(
            visible=True if busy else "hidden",
            value=words.STOP_WATCHING if run and run.in_flight else words.STOP,
        ),
        *notes(run.error if run else None),
    )


def notes(trouble: Trouble | None) -> Shown:
    """A word beside the field that is at fault: the pictures, the prompt, the key."""
    at_fault = trouble.field if trouble else None
    said = pieces.note(f"{trouble.message} {words.NOTHING_SPENT}") if trouble else ""
    return tuple(said if field == at_fault else "" for field in ("images", "prompt", "key"))


def nothing() -> Shown:
    """The page stays as it is."""
    return tuple(gr.skip() for _ in range(9))


def refuse(error: InvalidEdit) -> Shown:
    """Nothing but the note changes: an earlier result stays."""
    return (*nothing()[:6], *notes(Trouble.of(error)))


def known(who: str | None) -> str:
    """A visitor's id if it is one of ours, else a new one: a page can send anything."""
    return who if who and re.fullmatch(r"[0-9a-f]{32}", who) else uuid.uuid4().hex


def asked(files: Files, prompt: str, sync_mode: bool, base64_output: bool) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    images = tuple(Path(path) for path, _ in files or [])
    return Edit(prompt, images, sync_mode=sync_mode, base64_output=base64_output)


async def follow(runner: Runner, run_id: str, note: str = "") -> AsyncGenerator[Shown]:
    """The page at each change of a run; what did not change is not sent again."""
    before: Shown = ()
    async with aclosing(runner.watch(run_id)) as runs:
        async for run in runs:
            now = await show(run, note=note)
            yield now if not before else only_changes(now, before)
            before = now


def only_changes(now: Shown, before: Shown) -> Shown:
    pairs = zip(now, before, strict=True)
    return tuple(gr.skip() if new == old else new for new, old in pairs)


async def cached(*runs: Run | None) -> dict[Path, Path]:
    """Where Gradio serves the results from: copies in its cache, at addresses nobody can guess."""
    results = [result.path for run in runs if run for result in run.results]
    return await served(results) if results else {}


async def served(paths: list[Path]) -> dict[Path, Path]:
    """Copies in Gradio's cache, of those files that are still there."""

    def copy() -> dict[Path, Path]:
        folder = get_upload_folder()
        there = (path for path in paths if path.is_file())
        return {path: Path(save_file_to_cache(path, folder)) for path in there}

    return await asyncio.to_thread(copy)


async def fields_of(run: Run | None) -> tuple[Any, Any]:
    """The pictures and the prompt of a run, for their fields."""
    if run is None:
        return gr.skip(), gr.skip()
    files = [image for image in run.edit.images if isinstance(image, Path)]
    copies = await served(files)
    return [str(copies[file]) for file in files if file in copies], run.edit.prompt


async def to_the_end(runner: Runner, run: Run) -> tuple[list[gr.FileData], dict[str, Any]]:
    """For scripts: the files and the details. Raises `gr.Error` with what a person would read."""
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


def listed(images: object) -> list[Any]:
    """What a script sent as its pictures, which can be anything."""
    if isinstance(images, list):
        return images
    raise InvalidEdit("The pictures have to be a list of files.")


def uploaded(image: gr.FileData | dict[str, Any]) -> str:
    """The path of a file that the caller uploaded. `gr.api` hands over what it was sent, unchecked,
    and a caller must not name other files of this machine."""
    path = image.get("path") if isinstance(image, dict) else getattr(image, "path", None)
    if not isinstance(path, str) or not is_in_or_equal(path, get_upload_folder()):
        raise InvalidEdit("A picture has to be uploaded first, with handle_file.")
    return path


class Handlers:
    """What each event of the page does; the runs are the runner's."""

    def __init__(self, runner: Runner, client_of: Callable[[str], AsyncClient | None]) -> None:
        """`client_of` makes a client of a visitor's own key, and None of an empty one. It raises
        `InvalidEdit` or `BadKey` where that won't do."""
        self._runner = runner
        self._client_of = client_of
        self._watched: dict[str | None, str] = {}  # The run that each open page looks at.

    async def look(self, run_id: str, request: gr.Request, note: str = "") -> AsyncGenerator[Shown]:
        """Watches a run on behalf of an open page, which looks at one at a time."""
        self._watched[request.session_hash] = run_id
        try:
            async with aclosing(follow(self._runner, run_id, note)) as views:
                async for view in views:
                    yield view
        finally:
            self._watched.pop(request.session_hash, None)

    async def start(
        self,
        files: Files,
        text: str,
        sync: bool,
        base64: bool,
        key: str,
        who: str | None,
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """Edit was pressed."""
        try:
            wanted = asked(files, text, sync, base64)
            client = self._client_of(key)
        except InvalidEdit as error:
            yield refuse(error)
            return
        # Gradio lets the second click of a double click through (it notes the first one only
        # after gathering the inputs): that one looks at the run of the first.
        current = self._watched.get(request.session_hash)
        if current is None:
            current = self._runner.start(wanted, known(who), client).id
        async with aclosing(self.look(current, request)) as views:
            async for view in views:
                yield view

    async def halt(self, current: str | None) -> Shown:
        """Ends the run if that saves money, and the watching in any case."""
        run = await self._runner.stop(current or "")
        return await show(run, watching=False)

    async def act(
        self,
        current: str | None,
        key: str,
        who: str | None,
        before: frozenset[int],
        event: gr.EventData,
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """A button among the results: show or cover a flagged one, ask again, send again."""
        run = await self._runner.get(current or "", who := known(who))
        if run is None:
            return
        if event.do == "turn":
            yield await show(run, before ^ {int(event.index)})
            return
        try:
            client = self._client_of(key)
        except InvalidEdit as error:
            yield refuse(error)
            return
        if event.do == "again" and not await self._runner.again(run.id, who, client):
            return
        if event.do == "resend" and run.state == "unknown":
            run = self._runner.start(run.edit, who, client)
        async with aclosing(self.look(run.id, request)) as views:
            async for view in views:
                yield view

    async def remember(self, who: str | None, skip: int) -> str:
        """The visitor's history, as a page of cards."""
        who = known(who)
        runs = await self._runner.history(who, skip=skip, most=PAGE + 1)
        spent = await self._runner.spent_today(who)
        files = await cached(*runs[:PAGE])
        return pieces.history(runs[:PAGE], files, skip=skip, more=len(runs) > PAGE, spent=spent)

    async def arrive(self, who: str | None, request: gr.Request) -> AsyncGenerator[tuple[Any, ...]]:
        """A page is opened or reloaded: its visitor's last run is where it was."""
        who = known(who)
        last = next(iter(await self._runner.history(who, most=1)), None)
        pictures, text = await fields_of(last)
        yield who, pictures, text, await self.remember(who, 0), *await show(last)
        if last is not None and not last.is_over:
            note = words.picked_up(last)
            async with aclosing(self.look(last.id, request, note)) as views:
                async for view in views:
                    yield *(gr.skip() for _ in range(4)), *view

    async def browse(self, who: str | None, skip: int, event: gr.EventData) -> tuple[Any, ...]:
        """A button of the history: open a run, take its fields or its result, delete, turn."""
        run = await self._runner.get(str(event.run or ""), who := known(who))
        pictures, text, view = gr.skip(), gr.skip(), nothing()
        match event.do:
            case "open" if run:
                view = await show(run)
            case "reuse" if run:
                pictures, text = await fields_of(run)
            case "input" if run and run.results:
                copies = await cached(run)
                pictures = [str(copy) for copy in copies.values()]
            case "delete" if run:
                await self._runner.forget(run.id, who)
            case "older":
                skip += PAGE
            case "newer":
                skip = max(0, skip - PAGE)
        return pictures, text, skip, await self.remember(who, skip), *view

    async def edit_for_scripts(
        self,
        images: list[gr.FileData],
        prompt: str,
        sync_mode: bool = False,
        base64_output: bool = False,
        request: gr.Request | None = None,
    ) -> tuple[list[gr.FileData], dict[str, Any]]:
        """Edits a picture as the prompt says, with the model openai/gpt-image-1-mini/edit.

        Parameters:
            images: 1 to 4 picture files; the first is edited, the others are references.
            prompt: what should change, at most 32,000 characters.
            sync_mode: one request that stays open until the result is there.
            base64_output: the result comes inside the service's answer.
            request: a WaveSpeed key of one's own goes into its header X-WaveSpeed-Key.
        Returns:
            The edited picture files, and details: id, model, status, created_at, error,
            outputs (nsfw, width, height, size_bytes of each), timings_ms, cost_usd.
        """
        try:
            files = [(uploaded(image), None) for image in listed(images)]
            wanted = asked(files, prompt, sync_mode, base64_output)
            client = self._client_of(request.headers.get(KEY_HEADER, "") if request else "")
        except InvalidEdit as error:
            message = f"{error} {words.NOTHING_SPENT} {words.CHANGE_IT}"
            raise gr.Error(message, title=str(error), print_exception=False) from error
        return await to_the_end(self._runner, self._runner.start(wanted, SCRIPTS, client))
