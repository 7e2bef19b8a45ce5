"""What the page shows of runs: values in, a `PageUpdate` out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wavespeed.errors import InvalidEdit
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.export.downloads import Link
from wavespeed.studio.media import previews
from wavespeed.studio.runs.batch import is_batch
from wavespeed.studio.runs.run import Run, RunError
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels
from wavespeed.studio.ui.render.batch import render_batch
from wavespeed.studio.ui.render.history import RunThumbnail, render_history
from wavespeed.studio.ui.render.results import OutputView, Tile, Version, render_results
from wavespeed.studio.ui.render.snippets import request_snippets
from wavespeed.studio.ui.render.status import render_status

from .nsfw_covers import Covers
from .page_update import UNCHANGED, PageUpdate

ResendPrice = Callable[[Run], float | None]
THUMBNAIL_BUDGET = 0.3
"""Seconds of a view that go into pictures that were dropped and have no small copy yet."""
MAX_VERSIONS = 12
"""Steps back that the strip of versions shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a page looks at: runs that belong together, and how."""

    runs: Sequence[Run] = ()
    revealed: Set[str] = frozenset()
    """The keys of the flagged pictures that the page has uncovered."""
    previous_runs: Sequence[Run] = ()
    """Their results stay, dimmed, until there are new ones."""
    latest_version: Run | None = None
    """The newest version, where an older one is looked at."""
    note: str = ""
    """Goes before the status as long as the runs go on."""
    is_watched: bool = True
    has_results: bool = True
    """Whether the results are drawn; else they are left as they are."""
    attempted: set[str] | None = None
    """The ids of the runs of which a thumbnail of the input was tried; grows, see `_thumbnails`."""


class Presenter:
    """The page over the runs of a runner. `api_url` says where edits are sent, under the server's
    key and under visitors' own, `resend_price` what it costs to send a run's edit once more."""

    def __init__(
        self,
        runner: Runner,
        covers: Covers,
        api_url: tuple[str, str],
        resend_price: ResendPrice,
    ) -> None:
        self._runner = runner
        self._covers = covers
        self._api_url = api_url
        self._resend_price = resend_price

    async def update(self, view: View) -> PageUpdate:
        """The page for these runs."""
        runs = view.runs
        alone = runs[0] if len(runs) == 1 else None
        is_waiting = alone is not None and not alone.is_finished and not alone.results
        keeps_results = not view.has_results or (view.previous_runs and is_waiting)
        results = UNCHANGED if keeps_results else await self.results(view)
        notes = notes_of(alone.error if alone else None)
        return PageUpdate(
            shown=_shown(runs),
            status=self._status(view),
            results=results,
            stop=_stop_label(runs),
            **notes,
        )

    def _status(self, view: View) -> str:
        now = datetime.now(UTC)
        return render_status(
            view.runs,
            [(now - run.started_at).total_seconds() for run in view.runs],
            self._runner.median_duration,
            parallel=self._runner.parallel,
            is_watched=view.is_watched,
            note=view.note,
        )

    async def results(self, view: View, pack: Link | None = None) -> str:
        """The pictures of runs, or their errors, or an invitation; of a batch with its archive."""
        runs = view.runs
        if is_batch(runs):
            thumbnails = await in_thread(self._thumbnails, runs, view.attempted)
            runs = [self._covers.without_flagged_links(run) for run in runs]
            return render_batch(runs, thumbnails, pack, self._prices(runs))
        versions: list[Run] = []
        sibling_count = 0
        if runs:
            versions = await self._versions(view.latest_version or runs[0])
        if len(runs) == 1 and runs[0].is_finished:
            sibling_count = len(await self._runner.runs.group(runs[0].group_id, runs[0].visitor_id))
        return await in_thread(self._rendered, view, versions, sibling_count)

    def _rendered(self, view: View, versions: list[Run], sibling_count: int) -> str:
        """The same once all that has to be looked up is there. Blocking."""
        has_versions = len(view.runs) == 1 and len(versions) > 1
        return render_results(
            [self._tile(run, view) for run in view.runs],
            self._version_strip(versions) if has_versions else [],
            sibling_count=sibling_count,
            hides=self._covers.hides,
        )

    def _tile(self, run: Run, view: View) -> Tile:
        older = view.previous_runs[run.position :] or view.previous_runs
        # The request holds the addresses of the inputs.
        has_request = not any(map(self._covers.is_hidden, run.pictures))
        url = self._api_url[run.uses_visitor_key]
        return Tile(
            run=self._covers.without_flagged_links(run, view.revealed),
            outputs=self._output_views(run, view.revealed),
            pending=self._pending(run, view.revealed, older),
            snippets=request_snippets(run, url) if has_request else {},
            resend_usd=self._resend_price(run),
        )

    def _prices(self, runs: Sequence[Run]) -> dict[str, float | None]:
        return {run.id: self._resend_price(run) for run in runs}

    def _pending(self, run: Run, revealed: Set[str], older: Sequence[Run]) -> RunThumbnail:
        """What stands in the place of a result until it is there: an older one, else the picture
        that is being edited, small; nothing of one that is covered."""
        if run.is_finished:
            return RunThumbnail()
        if older and not self._covers.is_covered(older[0], 0, revealed):
            return RunThumbnail(file=previews.screen_size(older[0].results[0].path))
        if not self._covers.shows_input(run):
            return RunThumbnail()
        return RunThumbnail(cover=previews.inspect(run.pictures[0]).thumbnail)

    def _output_views(self, run: Run, revealed: Set[str]) -> list[OutputView]:
        """What of each result may be seen."""
        before = self._before(run) if run.results and self._covers.shows_input(run) else None
        views = []
        for index, output in enumerate(run.results):
            is_covered = self._covers.is_covered(run, index, revealed)
            views.append(
                OutputView(
                    index=index,
                    is_covered=is_covered,
                    preview=None if is_covered else previews.screen_size(output.path),
                    original=None if is_covered else previews.original(output.path),
                    before=before,
                )
            )
        return views

    def _before(self, run: Run) -> previews.SentImage | None:
        preprocessing = run.preprocessing[0] if run.preprocessing else None
        if preprocessing is None or not preprocessing.is_unchanged:
            return previews.sent_image(run.pictures[0])
        file = previews.screen_size(run.pictures[0])  # It need not be prepared once more.
        return previews.SentImage(file, *preprocessing.size) if file else None

    def _version_strip(self, versions: list[Run]) -> list[Version]:
        """The original, and each version up to the newest."""
        first = versions[0]
        original = None
        if self._covers.shows_input(first):
            original = previews.sent_image(first.pictures[0])
        strip = [Version(first.id, "original", original.file if original else None)]
        for run in versions:
            if run.results:  # What failed has made no version.
                output = run.results[0]
                is_covered = self._covers.is_covered(run, 0)
                file = None if is_covered else previews.thumbnail(output.path)
                strip.append(Version(run.id, "version", file, output.blur_placeholder))
        return strip

    async def _versions(self, run: Run) -> list[Run]:
        """The runs that led to this one, oldest first."""
        chain = [run]
        while chain[0].parent_id is not None and len(chain) < MAX_VERSIONS:
            parent = await self._runner.runs.get(chain[0].parent_id, run.visitor_id)
            if parent is None:
                break
            chain.insert(0, parent)
        return chain

    async def history(self, runs: Sequence[Run], **about: Any) -> str:
        """A page of cards; for `about` see `render_history`."""
        return render_history(runs, await in_thread(self._thumbnails, runs), **about)

    def _thumbnails(
        self, runs: Sequence[Run], attempted: set[str] | None = None
    ) -> dict[str, RunThumbnail]:
        """What may be seen of each run's result, or, where it has none, of what it edits. Of many
        dropped pictures that takes long: as many as fit into a moment are `attempted` each time.
        Blocking."""
        thumbnails = {}
        started = time.monotonic()
        attempted = set() if attempted is None else attempted
        for run in runs:
            if run.results:
                thumbnails[run.id] = self._output_thumbnail(run)
            elif run.id in attempted or time.monotonic() - started < THUMBNAIL_BUDGET:
                attempted.add(run.id)
                thumbnails[run.id] = self._input_thumbnail(run)
        return thumbnails

    def _output_thumbnail(self, run: Run) -> RunThumbnail:
        is_covered = self._covers.is_covered(run, 0)
        output = run.results[0]
        file = None if is_covered else previews.thumbnail(output.path)
        return RunThumbnail(file, is_covered, output.blur_placeholder)

    def _input_thumbnail(self, run: Run) -> RunThumbnail:
        # `prepare` alone opens what nobody has checked.
        is_shown = self._covers.shows_input(run) and previews.inspect(run.pictures[0]).thumbnail
        return RunThumbnail(previews.thumbnail(run.pictures[0]) if is_shown else None)


def _shown(runs: Sequence[Run]) -> str | None:
    if not runs:
        return None
    return runs[0].id if len(runs) == 1 else runs[0].group_id


def _stop_label(runs: Sequence[Run]) -> str:
    if is_batch(runs) and any(run.awaiting_slot for run in runs):
        return labels.PAUSE
    if any(run.in_flight for run in runs if not run.is_finished):
        return labels.STOP_WATCHING
    return labels.STOP


def notes_of(error: RunError | None) -> dict[str, str]:
    """A word beside the field that is at fault, and nothing beside the others."""
    names = {
        "images": "inputs_note",
        "prompt": "prompt_note",
        "key": "key_note",
        "id": "fetch_note",
    }
    advice = {"key": f" {labels.NOTHING_SPENT}", "id": ""}
    notes = dict.fromkeys(names.values(), "")
    if error is None or error.field not in names:
        return notes
    usual = f" {labels.NOTHING_SPENT} {labels.CHANGE_IT}"
    text = error.message + advice.get(error.field, usual)
    notes[names[error.field]] = render_template("note", text=text)
    return notes


def refusal(error: InvalidEdit) -> PageUpdate:
    """Nothing but the note changes: an earlier result stays."""
    return PageUpdate(**notes_of(RunError.of(error)))
