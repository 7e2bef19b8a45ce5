"""Runs to take away: an archive of the original files, and a contact sheet to mail to someone.

`covered` results are in neither, nor are inputs that are `hidden` since they once were such a
result. Both functions block: call them in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from zipfile import ZipFile, ZipInfo

from . import words
from .errors import Unsaved
from .recipe import TOOL
from .run import Result, Run, details
from .sheet import draw

Covered = Callable[[Result], bool]
Hidden = Callable[[Path], bool]


def archive(
    runs: Sequence[Run], file: Path, *, covered: Covered, hidden: Hidden, by_input: bool = False
) -> None:
    """Writes a ZIP by day: results under the name of their run, inputs in a folder of that name,
    and `manifest.json`, which also says why a file was left out: "flagged", "gone", or "running".
    With `by_input` the results alone, in the order of `runs`, each under the name of the picture
    that was edited, whose place the manifest tells.

    Raises `Unsaved`; then there is no file, not even half of one.
    """
    with _whole(file) as out, ZipFile(out, "w") as pack:
        packer = _Packer(pack, covered, hidden, by_input)
        told = [packer.add(run) for run in (runs if by_input else _oldest_first(runs))]
        text = json.dumps({"tool": TOOL, "edits": told}, indent=2, ensure_ascii=False)
        # The service's words can hold half an emoji, which is no UTF-8.
        pack.writestr("manifest.json", text.encode(errors="replace"))


def contact_sheet(runs: Sequence[Run], file: Path, *, covered: Covered, hidden: Hidden) -> None:
    """Writes one HTML file that needs nothing else: each finished edit, before and after.

    Raises `Unsaved`; then there is no file, not even half of one.
    """
    page = draw(_oldest_first(runs), covered=covered, hidden=hidden)
    with _whole(file) as out:
        out.write(page.encode(errors="replace"))


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name once it is complete. Raises `Unsaved`."""
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, file)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise Unsaved(words.UNEXPORTED) from error


def _oldest_first(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.started_at)


@dataclass(frozen=True, slots=True)
class _Packer:
    """Puts runs into an archive. `taken` are the names so far, in small letters."""

    pack: ZipFile
    covered: Covered
    hidden: Hidden
    by_input: bool
    taken: set[str] = field(default_factory=set)

    def add(self, run: Run) -> dict[str, Any]:
        """Adds the files of a run; what the manifest says of it."""
        day = f"{run.started_at:%Y-%m-%d}"
        if self.by_input:
            return self._about(run) | {
                "number": run.number + 1,
                "inputs": [path.name for path in run.pictures],
                "results": [self._result(run, _input_stem(run), result) for result in run.results],
            }
        folder = self._name(f"inputs/{day}/{_stem(run)}")
        # One name for both, so that runs of one second and one prompt are not taken for another.
        name = folder.removeprefix("inputs/")
        images = enumerate(run.edit.images if run.edit else (), 1)
        results = enumerate(run.results, 1)
        return self._about(run) | {
            "inputs": [self._input(run, f"{folder}/{number}-", image) for number, image in images],
            "results": [
                self._result(run, f"results/{name}-{number}", result) for number, result in results
            ],
        }

    def _about(self, run: Run) -> dict[str, Any]:
        known = details(run)
        return {
            "prompt": run.prompt,
            "model": known["model"],
            "prediction_id": known["id"],
            "started_at": run.started_at.isoformat(),
            "state": run.state,
            "error": known["error"],
            "timings_ms": known["timings_ms"],
            "cost_usd": None if run.spent == "unknown" else run.cost_usd,
        }

    def _input(self, run: Run, prefix: str, image: str | Path) -> dict[str, Any]:
        if isinstance(image, str):
            return {"url": _address(image)}
        stem = f"{prefix}{_safe(image.stem, 'picture', 60)}"
        return self._file(run, stem, image, flagged=self.hidden(image))

    def _result(self, run: Run, stem: str, result: Result) -> dict[str, Any]:
        packed = self._file(run, stem, result.path, flagged=self.covered(result))
        told = ("width", "height", "format", "size_bytes", "nsfw")
        return packed | {name: getattr(result, name) for name in told}

    def _file(self, run: Run, stem: str, path: Path, *, flagged: bool) -> dict[str, Any]:
        content = _content(path)
        name = self._name(stem, path.suffix)
        told = {
            "file": name,
            "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
        }
        if flagged or content is None or not run.is_over:
            return told | {
                "left_out": "flagged" if flagged else "gone" if content is None else "running"
            }
        self.pack.writestr(ZipInfo(name, _zip_time(run.started_at)), content)
        return told

    def _name(self, stem: str, ending: str = "") -> str:
        """One that nothing in the archive has, also where capitals make no difference."""
        ending = f".{_safe(ending, 'file', 8)}" if ending else ""
        tries = (f"{stem}{'' if again == 1 else f'-{again}'}{ending}" for again in count(1))
        name = next(name for name in tries if name.lower() not in self.taken)
        self.taken.add(name.lower())
        return name


def _stem(run: Run) -> str:
    """The name of a run: its time, and its prompt's first words; in a batch, where all have one
    prompt, the name of the picture that was edited."""
    about = _input_stem(run) if run.batch else _safe(run.prompt, "edit", 40)
    return f"{run.started_at:%H%M%S}-{about}"


def _input_stem(run: Run) -> str:
    return _safe(run.pictures[0].stem if run.pictures else "", "picture", 60)


def _zip_time(moment: datetime) -> tuple[int, int, int, int, int, int]:
    """A ZIP counts years in seven bits, from 1980 on: a clock that is wrong must not break it."""
    if moment.year < 1980:
        return 1980, 1, 1, 0, 0, 0
    if moment.year > 2107:
        return 2107, 12, 31, 23, 59, 58
    return moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second


def _safe(name: str, otherwise: str, most: int) -> str:
    """As a part of a path on any system: letters of any script, digits, dots and hyphens."""
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name))
    return plain.lstrip("-._")[:most].rstrip("-._") or otherwise


def _address(url: str) -> str:
    """Without the passwords and signatures that can be in one."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:
        return ""


def _content(path: Path) -> bytes | None:
    """None where it is gone or can't be read."""
    try:
        return path.read_bytes() if path.is_file() else None
    except (OSError, ValueError):
        return None
