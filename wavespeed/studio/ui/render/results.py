"""The results of runs on the stage: pictures, facts, versions; or errors, or an invitation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from wavespeed.studio.media.previews import SentImage, own_thumbnail
from wavespeed.studio.runs.run import OutputFile, Run
from wavespeed.studio.templating import PHOTOS, file_url, render_template
from wavespeed.studio.text import errors, formatting, images
from wavespeed.studio.ui.examples import EXAMPLES

from .history import RunThumbnail


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputView:
    """What may be seen of a run's result; no files of one that is covered, or gone."""

    index: int
    is_covered: bool
    preview: Path | None
    original: Path | None
    before: SentImage | None


@dataclass(frozen=True, slots=True)
class Version:
    """A step of the way from the original: its run, what a click on it does, its picture."""

    run: str
    action: str
    file: Path | None
    cover: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A run on the stage. `pending` stands in the place of its result until that is there: an
    older one, or the thumbnail of what is edited; `resend_usd` is what it costs to send it anew."""

    run: Run
    outputs: Sequence[OutputView] = ()
    pending: RunThumbnail = field(default_factory=RunThumbnail)
    snippets: Mapping[str, str] = field(default_factory=dict)
    resend_usd: float | None = None


def render_results(
    tiles: Sequence[Tile],
    versions: Sequence[Version] = (),
    *,
    sibling_count: int = 0,
    hides: bool,
) -> str:
    """The pictures of runs, their facts and where their time went; or errors, or an invitation.

    A covered picture is a blurred thumbnail: its own bytes, and its address, don't reach the
    browser; with `hides` nor does anything ask to. One alone may have siblings in its group.
    """
    strip = [
        {"version": version, "address": file_url(version.file) or version.cover}
        for version in versions
    ]
    return render_template(
        "results",
        tiles=[_tile(tile) for tile in tiles],
        versions=strip,
        examples=_examples(),
        beside=sibling_count,
        hides=hides,
    )


def _tile(tile: Tile) -> dict[str, object]:
    run = tile.run
    return {
        "run": run,
        "problem": errors.error_message(run) if run.error else None,
        "actions": errors.error_actions(run, tile.resend_usd),
        "offer": tile.resend_usd,
        "items": [_item(run, output) for output in tile.outputs],
        "times": _times(run) if run.is_finished else [],
        "request": tile.snippets,
        "pending": tile.pending,
    }


def _item(run: Run, view: OutputView) -> dict[str, object]:
    result, before = run.results[view.index], view.before
    output = run.prediction.outputs[view.index] if run.prediction else None
    shape = images.shape_changed(before.width, before.height, result) if before else ""
    return {
        "index": view.index,
        "result": result,
        "covered": view.is_covered,
        "address": result.blur_placeholder if view.is_covered else file_url(view.preview),
        "original": file_url(view.original),
        "before": file_url(before.file) if before and not view.is_covered else "",
        "shape": shape,
        "ratio": f"{_ratio(result, before):.4f}",
        "link": output.url if output and not view.is_covered else None,
        "name": result.name,
    }


def _ratio(result: OutputFile, before: SentImage | None) -> float:
    """Width by height of the box in which the result and what it was made of are equally high."""
    ratio = result.width / result.height
    return max(ratio, before.width / before.height) if before else ratio


def _times(run: Run) -> list[dict[str, object]]:
    parts = formatting.times(run.timings)
    whole = sum(seconds for _, _, seconds in parts) or 1.0
    return [
        {"kind": kind, "name": name, "seconds": seconds, "share": 100 * seconds / whole}
        for kind, name, seconds in parts
    ]


@lru_cache(maxsize=1)
def _examples() -> list[dict[str, object]]:
    return [
        {"example": example, "thumb": own_thumbnail(PHOTOS / example.photos[0])}
        for example in EXAMPLES
    ]
