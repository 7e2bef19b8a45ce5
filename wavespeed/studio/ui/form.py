"""What the fields of the page are filled with: pictures as a gallery can show them, and words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from wavespeed import MAX_PROMPT
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.run import Run
from wavespeed.studio.security.uploads import Uploads

IsWithheld = Callable[[Path], bool]
"""Whether not even the address of a picture may reach this page. Blocking."""


async def fields_of_run(
    run: Run | None, uploads: Uploads, is_withheld: IsWithheld
) -> tuple[Any, Any]:
    """The pictures and the prompt of a run, for their fields. All pictures are there or none: words
    count them."""
    if run is None or run.edit is None:
        return gr.skip(), gr.skip()
    if await asyncio.to_thread(lambda: any(map(is_withheld, run.pictures))):
        return gr.skip(), run.prompt
    return await uploads.cached_copies(run.pictures, run.visitor_id), run.prompt


async def parse_draft(
    draft: Any, visitor: str, uploads: Uploads, is_withheld: IsWithheld
) -> tuple[list[Path], str, bool]:
    """The pictures and the words that a browser kept, and whether each is on its own. What it
    says is a stranger's: a path counts only where this visitor may name the file, and all are there
    or none."""
    match draft:
        case {"text": str(text), "paths": [*paths]} if len(paths) <= MAX_EDITS:
            files = await uploads.allowed_paths(paths, visitor)
            there = await asyncio.to_thread(
                lambda: all(file and file.is_file() and not is_withheld(file) for file in files)
            )
            # As `Path`: of a string that ends in ".svg" Gradio makes a picture without a path.
            pictures = [file for file in files if file] if there else []
            return pictures, text[:MAX_PROMPT], draft.get("each") is True
        case _:
            return [], "", False


def parse_query(draft: Any) -> tuple[str, str | None]:
    """The prompt and the run's id that the page's address asks for: a stranger's words as well."""
    asked = draft.get("asked") if isinstance(draft, dict) else None
    prompt, run = map((asked if isinstance(asked, dict) else {}).get, ("prompt", "run"))
    return (prompt if isinstance(prompt, str) else "")[:MAX_PROMPT], (
        run if isinstance(run, str) else None
    )
