"""The history's cards, and the links to what can be taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wavespeed.studio.export.downloads import Link
from wavespeed.studio.runs.run import Run
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels, status


@dataclass(frozen=True, slots=True)
class RunThumbnail:
    """What may be seen of a run, small: a file, or the data URI of its cover."""

    file: Path | None = None
    covered: bool = False
    cover: str = ""


def render_history(
    runs: Sequence[Run],
    thumbnails: Mapping[str, RunThumbnail],
    *,
    skip: int,
    has_more: bool,
    spent_usd: float,
    note: str,
) -> str:
    """A page of a visitor's runs, newest first; `skip` runs are on the pages before it, `spent_usd`
    are the visitor's of today, and `note` is a word on what was just asked."""
    cards = [
        {"run": run, "thumbnail": thumbnails.get(run.id), "caption": status.card_text(run)}
        for run in runs
    ]
    return render_template(
        "history", cards=cards, skip=skip, has_more=has_more, spent_usd=spent_usd, note=note
    )


def render_exported(archive: Link, contact_sheet: Link) -> str:
    """Links to what can be taken away."""
    links = [(labels.ARCHIVE, archive), (labels.CONTACT_SHEET, contact_sheet)]
    return render_template("exported", links=links)
