"""What the fields of the page are filled with: pictures as a gallery can show them, and words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from wavespeed import MAX_PROMPT

from . import previews
from .batch import MOST
from .run import Run

Files = Sequence[tuple[str, str | None]] | None
"""What a gallery hands over: paths with captions."""
IsWithheld = Callable[[Path], bool]
"""Whether not even the address of a picture may reach this page. Blocking."""


async def copies(paths: Sequence[Path]) -> list[str]:
    """Copies in Gradio's cache, of those files that are still there: what a gallery can show."""

    def copy() -> list[str]:
        return [str(file) for path in paths if (file := previews.original(path))]

    return await asyncio.to_thread(copy)


async def fields_of(run: Run | None, is_withheld: IsWithheld) -> tuple[Any, Any]:
    """The pictures and the prompt of a run, for their fields. All pictures are there or none: words
    count them."""
    if run is None or run.edit is None:
        return gr.skip(), gr.skip()
    if await asyncio.to_thread(lambda: any(map(is_withheld, run.pictures))):
        return gr.skip(), run.prompt
    return await copies(run.pictures), run.prompt


async def drafted(draft: Any, is_withheld: IsWithheld) -> tuple[list[str], str, bool]:
    """The pictures and the words that a browser kept, and whether each is on its own. What it
    says is a stranger's: a path counts only where Gradio serves the file anyway, and all are there
    or none."""
    match draft:
        case {"text": str(text), "paths": [*paths]} if len(paths) <= MOST:
            files = [Path(path) for path in paths if isinstance(path, str) and "\0" not in path]
            served = await asyncio.to_thread(
                lambda: all(previews.is_served(file) and not is_withheld(file) for file in files)
            )
            pictures = [str(file) for file in files] if served else []
            return pictures, text[:MAX_PROMPT], draft.get("each") is True
        case _:
            return [], "", False


def linked(draft: Any) -> tuple[str, str | None]:
    """The prompt and the run's id that the page's address asks for: a stranger's words as well."""
    asked = draft.get("asked") if isinstance(draft, dict) else None
    prompt, run = map((asked if isinstance(asked, dict) else {}).get, ("prompt", "run"))
    return (prompt if isinstance(prompt, str) else "")[:MAX_PROMPT], (
        run if isinstance(run, str) else None
    )
