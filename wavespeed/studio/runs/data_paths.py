"""How the store names files: relative to the data folder, with an absolute path only for what lies
outside. So a folder that was moved, or a page that is started elsewhere, still finds its pictures
and can delete them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from wavespeed.types import is_blank

from .run import Run

UNREADABLE = "(nothing to read)"
"""Stands for a prompt of invisible characters, so that its run, which was paid for, stays."""

_LAYOUT = re.compile(
    r"(?:^|[\\/])("
    r"outputs[\\/]\d{4}-\d\d-\d\d[\\/][^\\/]+"
    r"|inputs[\\/][^\\/]+[\\/]\d+[\\/][^\\/]+"
    r"|inputs[\\/][0-9a-f]{64}[\\/][^\\/]+"
    r")$"
)
"""The end of a path of ours, in any version. Where it began, only the process that wrote it knew:
as its setting said, which could be relative to wherever it was started."""


class DataPaths:
    """The paths of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def name(self, file: Path) -> str | None:
        """The file's name below the data folder; None of a file elsewhere."""
        file, folder = file.absolute(), self._folder.absolute()
        return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else None

    def file(self, name: str) -> Path:
        """The file of a name, or of an absolute path."""
        return self._folder / name

    def stored(self, run: Run) -> Run:
        """The run as it is written down."""
        return _with_paths(run, lambda file: Path(self.name(file) or file.absolute()))

    def loaded(self, run: Run) -> Run:
        """The run as it was before it was written down."""
        return _with_paths(run, lambda file: self._folder / file)


def relative_paths(run: dict[str, Any]) -> None:
    """Makes the paths of a run's JSON, as versions before 2 wrote it, what they are now."""
    if run.get("edit"):
        if is_blank(run["edit"]["prompt"]):  # Once it was taken; an edit refuses it now.
            run["edit"]["prompt"] = UNREADABLE
        run["edit"]["images"] = [_relative(image) for image in run["edit"]["images"]]
    for result in run.get("results", ()):
        result["path"] = _relative(result["path"])


def _relative(path: str) -> str:
    if "://" in path[:12]:
        return path
    found = _LAYOUT.search(path)
    return found[1].replace("\\", "/") if found else str(Path(path).absolute())


def _with_paths(run: Run, change: Callable[[Path], Path]) -> Run:
    edit = run.edit
    if edit is not None:
        images = (change(image) if isinstance(image, Path) else image for image in edit.images)
        edit = replace(edit, images=tuple(images))
    results = tuple(replace(result, path=change(result.path)) for result in run.results)
    return replace(run, edit=edit, results=results)
