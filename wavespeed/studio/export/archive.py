"""Runs to take away: an archive of the original files, and a contact sheet to mail to someone.

`covered` results are in neither, nor are inputs that are `hidden` since they once were such a
result. Both are made while they are sent, part by part, each of which blocks: ask for it in a
thread.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from zipfile import ZipFile, ZipInfo

from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.metadata import TOOL
from wavespeed.studio.runs.run import OutputFile, Run, output_details

from .contact_sheet import draw

Covered = Callable[[OutputFile], bool]
Hidden = Callable[[Path], bool]
Parts = Generator[bytes, None, dict[str, Any]]
"""The next bytes of the archive; and what the manifest says of what they were."""
PART_BYTES = 1_000_000


def archive(
    runs: Sequence[Run], *, covered: Covered, hidden: Hidden, by_input: bool = False
) -> Iterator[bytes]:
    """A ZIP by day, part by part: results under the name of their run, inputs in a folder of that
    name, and `manifest.json`, which also says why a file was left out: "flagged", "gone", or
    "running".
    With `by_input` the results alone, in the order of `runs`, each under the name of the picture
    that was edited, whose place the manifest tells.
    """
    out = _Buffer()
    with ZipFile(out, "w") as pack:
        packer = _Packer(out, pack, covered, hidden, by_input)
        described = []
        for run in runs if by_input else _oldest_first(runs):
            described.append((yield from packer.add(run)))
        text = json.dumps({"tool": TOOL, "edits": described}, indent=2, ensure_ascii=False)
        # The service's words can hold half an emoji, which is no UTF-8.
        pack.writestr("manifest.json", text.encode(errors="replace"))
    yield out.drain()


def contact_sheet(runs: Sequence[Run], *, covered: Covered, hidden: Hidden) -> Iterator[bytes]:
    """One HTML file that needs nothing else: each finished edit, before and after."""
    page = draw(_oldest_first(runs), covered=covered, hidden=hidden)
    yield page.encode(errors="replace")


class _Buffer:
    """What was written since it was drained: where a ZIP goes that is sent while it is made."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes, /) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def drain(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


def _oldest_first(runs: Sequence[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.started_at)


@dataclass(frozen=True, slots=True)
class _Packer:
    """Puts runs into an archive. `taken` are the names so far, in small letters."""

    out: _Buffer
    pack: ZipFile
    covered: Covered
    hidden: Hidden
    by_input: bool
    taken: set[str] = field(default_factory=set)

    def add(self, run: Run) -> Parts:
        """Adds the files of a run; what the manifest says of it."""
        day = f"{run.started_at:%Y-%m-%d}"
        if self.by_input:
            about = self._about(run) | {
                "number": run.position + 1,
                "inputs": [path.name for path in run.pictures],
            }
            return about | {"results": (yield from self._results(run, _input_stem(run)))}
        folder = self._name(f"inputs/{day}/{_stem(run)}")
        # One name for both, so that runs of one second and one prompt are not taken for another.
        name = folder.removeprefix("inputs/")
        inputs = []
        for number, image in enumerate(run.edit.images if run.edit else (), 1):
            inputs.append((yield from self._input(run, f"{folder}/{number}-", image)))
        results = yield from self._results(run, f"results/{name}", numbered=True)
        return self._about(run) | {"inputs": inputs, "results": results}

    def _about(self, run: Run) -> dict[str, Any]:
        known = output_details(run)
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

    def _input(self, run: Run, prefix: str, image: str | Path) -> Parts:
        if isinstance(image, str):
            return {"url": _address(image)}
        stem = f"{prefix}{_safe(image.stem, 'picture', 60)}"
        return (yield from self._file(run, stem, image, flagged=self.hidden(image)))

    def _results(
        self, run: Run, stem: str, *, numbered: bool = False
    ) -> Generator[bytes, None, list[dict[str, Any]]]:
        described = []
        for number, result in enumerate(run.results, 1):
            named = f"{stem}-{number}" if numbered else stem
            packed = yield from self._file(run, named, result.path, flagged=self.covered(result))
            facts = ("width", "height", "format", "size_bytes", "nsfw")
            described.append(packed | {name: getattr(result, name) for name in facts})
        return described

    def _file(self, run: Run, stem: str, path: Path, *, flagged: bool) -> Parts:
        name = self._name(stem, path.suffix)
        digest = sha256(path) or None
        told: dict[str, Any] = {"file": name, "sha256": digest}
        if flagged or digest is None or not run.is_finished:
            return told | {
                "left_out": "flagged" if flagged else "gone" if digest is None else "running"
            }
        with path.open("rb") as file, self._entry(run, name) as entry:
            while part := file.read(PART_BYTES):
                entry.write(part)
                yield self.out.drain()
        return told

    def _entry(self, run: Run, name: str) -> IO[bytes]:
        return self.pack.open(ZipInfo(name, _zip_time(run.started_at)), "w")

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
