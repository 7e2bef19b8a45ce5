"""Links to what can be taken away of a visitor's runs, without what is covered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from wavespeed.studio.export.archive import archive, contact_sheet
from wavespeed.studio.export.downloads import Downloads, Link
from wavespeed.studio.runs.run import Run

from .nsfw_covers import Covers


class ExportLinks:
    def __init__(self, downloads: Downloads, covers: Covers) -> None:
        self._downloads = downloads
        self._covers = covers

    def archive(self, runs: Sequence[Run], visitor_id: str, *, by_input: bool = False) -> Link:
        """Where a visitor gets an archive of runs, its files named in the order of the runs or,
        `by_input`, after the pictures that they edit."""
        make = partial(
            archive,
            covered=self._covers.is_kept_away,
            hidden=self._covers.is_hidden,
            by_input=by_input,
        )
        return self._downloads.offer(runs, visitor_id, f"{_stem()}.zip", make)

    def contact_sheet(self, runs: Sequence[Run], visitor_id: str) -> Link:
        """Where a visitor gets a contact sheet of runs."""
        make = partial(
            contact_sheet, covered=self._covers.is_kept_away, hidden=self._covers.is_hidden
        )
        return self._downloads.offer(runs, visitor_id, f"{_stem()}.html", make)


def _stem() -> str:
    return f"image-edits-{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
