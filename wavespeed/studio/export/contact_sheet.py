"""The contact sheet: finished edits, before and after, as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wavespeed.studio import templating
from wavespeed.studio.decoding import decoder, thumbnails
from wavespeed.studio.runs.run import OutputFile, Run, total_usd
from wavespeed.studio.text import labels

SHEET_BYTES = 11_000_000
"""What the pictures of a sheet share: many a mail takes no more than 20 MB."""
LEAST_BYTES = 20_000
"""Of one picture, however many there are; with less there is little to see."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the sheet: its data URI, and of the file it shows the size and the format."""

    source: str
    width: int
    height: int
    format: str

    @property
    def shape(self) -> float:
        """Width by height of its frame: that of the picture, unless it is a mere strip."""
        return min(max(self.width / self.height, 0.4), 2.5)


@dataclass(frozen=True, slots=True)
class Pair:
    """A finished edit on the sheet; `missing` says why there is no `before`."""

    run: Run
    afters: list[Picture]
    before: Picture | None
    missing: str

    @property
    def shapes(self) -> float:
        """All frames side by side."""
        return (self.before or self.afters[0]).shape + sum(after.shape for after in self.afters)


def draw(
    runs: Sequence[Run], *, covered: Callable[[OutputFile], bool], hidden: Callable[[Path], bool]
) -> str:
    """The page. `covered` results are not on it, nor inputs that are `hidden`. Blocking, some
    0.3 s a picture."""
    done = [run for run in runs if run.state == "done"]
    wanted = {run.id: [r.path for r in run.results if not covered(r)] for run in done}
    # A quarter of it goes to base64.
    share = SHEET_BYTES * 3 // 4 // max(1, sum(1 + len(paths) for paths in wanted.values()))
    pairs, gone = [], 0
    for run in done:
        afters = [after for path in wanted[run.id] if (after := _picture(path, share))]
        gone += len(wanted[run.id]) - len(afters)
        if afters:
            pairs.append(Pair(run, afters, *_before(run, hidden, share)))
    return templating.render_template(
        "contact_sheet",
        pairs=pairs,
        cost=total_usd(pair.run.cost_usd for pair in pairs),
        days=_days([pair.run for pair in pairs]),
        models=sorted({pair.run.model for pair in pairs} - {""}),
        flagged=sum(len(run.results) - len(wanted[run.id]) for run in done),
        gone=gone,
    )


def _before(run: Run, hidden: Callable[[Path], bool], share: int) -> tuple[Picture | None, str]:
    """The picture that was edited, or None and why."""
    first = run.edit.images[0] if run.edit else None
    if not isinstance(first, Path):
        return None, labels.NO_BEFORE
    if hidden(first):
        return None, labels.COVERED_BEFORE
    return _picture(first, share), labels.NO_BEFORE


def _picture(path: Path, share: int) -> Picture | None:
    """Upright, on white, as a JPEG of `share` bytes at most; None where the file is no picture, or
    gone."""
    try:
        small = decoder.shared.run(thumbnails.for_sheet, path, max(share, LEAST_BYTES))
    except Exception:  # noqa: BLE001 - Pillow names no closed set of what it raises
        return None
    source = thumbnails.data_uri("jpeg", small.jpeg)
    return Picture(source, *small.size, small.format)


def _days(runs: Sequence[Run]) -> str:
    """ "23 Nov 2025", or from the first to the last."""
    days = [f"{run.started_at.day} {run.started_at:%b %Y}" for run in runs]
    return " – ".join(dict.fromkeys(days[:1] + days[-1:]))
