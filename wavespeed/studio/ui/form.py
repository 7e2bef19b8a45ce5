"""What the fields of the form are filled with: pictures as a gallery can show them, and words."""

from __future__ import annotations

import asyncio
from typing import Any

from wavespeed import MAX_PROMPT
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.runs.run import Run
from wavespeed.studio.security.uploads import Uploads

from .nsfw_covers import IsWithheld
from .page_update import UNCHANGED, PageUpdate


async def form_of_run(run: Run | None, uploads: Uploads, is_withheld: IsWithheld) -> PageUpdate:
    """The pictures and the prompt of a run, for their fields. All pictures are there or none: words
    count them."""
    if run is None or run.edit is None:
        return PageUpdate()
    if await asyncio.to_thread(lambda: any(map(is_withheld, run.pictures))):
        return PageUpdate(prompt=run.prompt)
    files = await uploads.cached_copies(run.pictures, run.visitor_id)
    return PageUpdate(files=files, prompt=run.prompt)


async def parse_draft(
    draft: Any, visitor_id: str, uploads: Uploads, is_withheld: IsWithheld
) -> PageUpdate:
    """The pictures and the words that a browser kept, and whether each is on its own. What it
    says is a stranger's: a path counts only where this visitor may name the file, and all are there
    or none."""
    match draft:
        case {"text": str(text), "paths": [*paths]} if len(paths) <= MAX_EDITS:
            files = await uploads.allowed_paths(paths, visitor_id)
            is_there = await asyncio.to_thread(
                lambda: all(file and file.is_file() and not is_withheld(file) for file in files)
            )
            # As `Path`: of a string that ends in ".svg" Gradio makes a picture without a path.
            pictures = [file for file in files if file] if is_there else []
            return PageUpdate(
                files=pictures or UNCHANGED,
                prompt=text[:MAX_PROMPT] or UNCHANGED,
                one_edit_per_image=draft.get("each") is True or UNCHANGED,
            )
        case _:
            return PageUpdate()


def parse_query(draft: Any) -> tuple[str, str | None]:
    """The prompt and the run's id that the page's address asks for: a stranger's words as well."""
    query_of_draft = draft.get("asked") if isinstance(draft, dict) else None
    query = query_of_draft if isinstance(query_of_draft, dict) else {}
    prompt, run_id = query.get("prompt"), query.get("run")
    return (
        prompt[:MAX_PROMPT] if isinstance(prompt, str) else "",
        run_id if isinstance(run_id, str) else None,
    )
