"""The pictures to edit, and what the button says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wavespeed import MAX_IMAGES
from wavespeed.studio.media.previews import InputPreview
from wavespeed.studio.runs.batch import MAX_EDITS
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels
from wavespeed.studio.ui import scripts


def render_strip(
    paths: Sequence[Path],
    seen: Sequence[InputPreview],
    covered: Sequence[bool],
    *,
    each: bool,
) -> str:
    """The pictures in their order: what each is for, what will be sent of it, what it offers. With
    `each` on its own there are more of them, all edited alike."""
    pictures = [
        {"name": path.name, "seen": preview, "covered": is_covered}
        for path, preview, is_covered in zip(paths, seen, covered, strict=True)
    ]
    most = MAX_EDITS if each else MAX_IMAGES
    return render_template("strip", pictures=pictures, each=each, most=most)


def edit_button_script() -> str:
    """The script that tells the button's label from the fields: its price, or what is missing."""
    words = {
        "edit": labels.EDIT,
        "add": labels.ADD_FIRST,
        "many": labels.TOO_MANY,
        "say": labels.SAY_FIRST,
        "most": MAX_IMAGES,
        "manyEach": labels.TOO_MANY_EACH,
        "mostEach": MAX_EDITS,
        "counted": labels.COUNTED,
    }
    return scripts.call("edit-button", "update", words)
