"""What the page's components show of a run: values in, updates of components out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from wavespeed import InvalidEdit

from . import pieces, words
from .run import Run, Trouble
from .runner import Runner

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
    if run is None or run.edit is None:
        return gr.skip(), gr.skip()
    copies = await served(list(run.pictures))
    return [str(copies[file]) for file in run.pictures if file in copies], run.prompt
