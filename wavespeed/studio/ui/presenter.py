"""What the page's components show of runs: values in, updates of components out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence, Set
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from wavespeed.errors import InvalidEdit
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.export.archive import archive, contact_sheet
from wavespeed.studio.export.downloads import Downloads, Link
from wavespeed.studio.media import previews
from wavespeed.studio.runs.batch import is_batch, latest_attempts
from wavespeed.studio.runs.run import OutputFile, Run, RunError
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.sessions import is_showcase
from wavespeed.studio.settings import Nsfw
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import labels

from . import render
from .form import IsWithheld

Shown = tuple[Any, ...]
"""What the page shows of an edit, in the order of `shown` in `build`."""
PageId = tuple[str | None, str]
"""Gradio's id of an open page, and its visitor: one alone could be another's."""
Offer = Callable[[Run], float | None]
Streamed = Shown | AsyncGenerator[Shown]
"""One view, or how things change."""
T = TypeVar("T")
FRAME_INTERVAL = 0.05
"""Seconds between two views of a page: of two within one frame it would draw the second alone."""
BATCH_INTERVAL = 0.5
"""The same of a batch, which is larger to send; its end is shown at once."""
MAX_VIEWS_PER_SECOND = 100
"""Changes that are shown in a second, of all pages together: then each edit still gets one a
second where a hundred are watched, and the machine's time goes into the edits."""
THUMBNAIL_BUDGET = 0.3
"""Seconds of a view that go into pictures that were dropped and have no small copy yet."""
MAX_VERSIONS = 12
"""Steps back that the strip of versions shows."""


class Presenter:
    """The page over the runs of a runner; `nsfw` says what becomes of flagged pictures, `api_url`
    where edits are sent, under the server's key and under visitors' own, `resend_price` what it
    costs to send a run's edit once more."""

    def __init__(
        self,
        runner: Runner,
        nsfw: Nsfw,
        api_url: tuple[str, str],
        offer: Offer,
        downloads: Downloads,
    ) -> None:
        self._runner = runner
        self._downloads = downloads
        self.nsfw: Nsfw = nsfw
        self._api_url = api_url
        self._offer = offer
        self._left: dict[PageId, asyncio.Event] = {}

    def is_covered(self, run: Run, index: int, revealed: Set[str] = frozenset()) -> bool:
        """Whether the picture's bytes must not reach the browser."""
        if not run.results[index].nsfw or self.nsfw == "show":
            return False
        return self.nsfw == "hide" or render.output_key(run, index) not in revealed

    def is_kept_away(self, result: OutputFile) -> bool:
        """Whether a picture stays out of what leaves the page: nobody reveals anything there."""
        return bool(result.nsfw) and self.nsfw != "show"

    def is_hidden(self, path: Path) -> bool:
        """Whether an input is a flagged result itself: covered like any other. Blocking."""
        if self.nsfw == "show":
            return False
        recipe = previews.metadata_of(path)
        # One with Content Credentials says nothing of us: then its bytes alone tell what it is.
        is_said = recipe is not None and bool(recipe.nsfw)
        return is_said or self._runner.is_flagged(previews.digest(path))

    def withheld_from(self, request: gr.Request) -> IsWithheld:
        """Of which inputs this page must not get the address either: of the flagged ones, where
        nobody can ask to see them. Else the fields are as they were, under their covers."""
        is_strict = self.nsfw == "hide" or is_showcase(request)
        return self.is_hidden if is_strict else lambda path: False

    def _without_flagged_links(self, run: Run, revealed: Set[str]) -> Run:
        """The run without the addresses at the service of what is covered: of flagged outputs,
        those too that could not be fetched."""
        task = run.prediction
        if task is None or self.nsfw == "show":
            return run
        outputs = tuple(
            replace(output, url=None) if self._is_link_covered(run, index, revealed) else output
            for index, output in enumerate(task.outputs)
        )
        return replace(run, prediction=replace(task, outputs=outputs))

    def _is_link_covered(self, run: Run, index: int, revealed: Set[str]) -> bool:
        assert run.prediction is not None
        if index < len(run.results):
            return self.is_covered(run, index, revealed)
        return bool(run.prediction.outputs[index].nsfw)

    async def update(
        self,
        runs: Sequence[Run],
        revealed: Set[str],
        *,
        watching: bool = True,
        note: str = "",
        previous_runs: Sequence[Run] = (),
        latest_version: Run | None = None,
        staged: bool = True,
        tried: set[str] | None = None,
    ) -> Shown:
        """The page for runs that belong together. The only place that knows the order of the
        output components. The results of `finished_before` runs stay, dimmed, until there are new
        ones; `latest_version` is the newest version, where an older one is looked at. The stage is
        left as it is unless `staged`; for `tried` see `_cards`."""
        ages = [(datetime.now(UTC) - run.started_at).total_seconds() for run in runs]
        waits = len(runs) == 1 and not runs[0].is_finished and not runs[0].results
        trouble = runs[0].error if len(runs) == 1 else None
        left = not staged or (previous_runs and waits)
        return (
            (runs[0].id if len(runs) == 1 else runs[0].group_id) if runs else None,
            render.status(
                runs,
                ages,
                self._runner.median_duration,
                parallel=self._runner.parallel,
                watching=watching,
                note=note,
            ),
            gr.skip()
            if left
            else await self.render_results(
                runs, revealed, latest_version, previous_runs=previous_runs, tried=tried
            ),
            labels.PAUSE
            if is_batch(runs) and any(run.awaiting_slot for run in runs)
            else labels.STOP_WATCHING
            if any(run.in_flight for run in runs if not run.is_finished)
            else labels.STOP,
            *notes(trouble),
        )

    async def render_results(
        self,
        runs: Sequence[Run],
        revealed: Set[str],
        latest_version: Run | None = None,
        *,
        previous_runs: Sequence[Run] = (),
        pack: Link | None = None,
        tried: set[str] | None = None,
    ) -> str:
        """The pictures of runs, or their errors, or an invitation; of a batch with its archive."""
        if is_batch(runs):
            cards = await in_thread(self._cards, runs, tried)
            runs = [self._without_flagged_links(run, frozenset()) for run in runs]
            return render.batch(runs, cards, pack, self._offers(runs))
        versions = await self._versions(runs[0]) if runs else []
        line = await self._versions(latest_version) if latest_version else versions
        alone = len(runs) == 1 and runs[0].is_finished
        beside = len(await self._runner.group(runs[0].group_id, runs[0].visitor_id)) if alone else 0
        return await in_thread(
            self._rendered, runs, revealed, versions, line, beside, previous_runs
        )

    def _rendered(
        self,
        runs: Sequence[Run],
        revealed: Set[str],
        versions: list[Run],
        line: list[Run],
        beside: int,
        previous_runs: Sequence[Run],
    ) -> str:
        shots = [self._output_views(run, revealed) for run in runs]
        strip = self._strip(line) if len(runs) == 1 and len(line) > 1 else []
        pending = [
            self._pending(run, revealed, previous_runs[run.position :] or previous_runs)
            for run in runs
        ]
        hides = self.nsfw == "hide"
        # It holds the addresses of the inputs.
        requests = [
            {}
            if any(map(self.is_hidden, run.pictures))
            else render.request(run, self._api_url[run.uses_visitor_key])
            for run in runs
        ]
        runs = [self._without_flagged_links(run, revealed) for run in runs]
        return render.results(
            runs,
            shots,
            strip,
            pending,
            requests,
            offers=self._offers(runs),
            beside=beside,
            hides=hides,
        )

    def _offers(self, runs: Sequence[Run]) -> dict[str, float | None]:
        return {run.id: self._offer(run) for run in runs}

    def _pending(
        self, run: Run, revealed: Set[str], previous_runs: Sequence[Run]
    ) -> render.RunThumbnail:
        """What stands in the place of a result until it is there: an older one, else the picture
        that is being edited, small; nothing of one that is covered."""
        if run.is_finished:
            return render.RunThumbnail(None, False, "")
        if previous_runs and not self.is_covered(previous_runs[0], 0, revealed):
            return render.RunThumbnail(
                previews.screen_size(previous_runs[0].results[0].path), False, ""
            )
        thumb = previews.inspect(run.pictures[0]).thumbnail if self._shows_input(run) else ""
        return render.RunThumbnail(None, False, thumb)

    def _output_views(self, run: Run, revealed: Set[str]) -> list[render.OutputView]:
        """What of each result may be seen; blocking."""
        before = self._before(run) if run.results and self._shows_input(run) else None
        return [
            render.OutputView(
                index,
                self.is_covered(run, index, revealed),
                None if covered else previews.screen_size(result.path),
                None if covered else previews.original(result.path),
                before,
            )
            for index, result in enumerate(run.results)
            for covered in [self.is_covered(run, index, revealed)]
        ]

    def _shows_input(self, run: Run) -> bool:
        return bool(run.pictures) and not self.is_hidden(run.pictures[0])

    def _before(self, run: Run) -> previews.SentImage | None:
        changes = run.preprocessing[0] if run.preprocessing else None
        if changes and changes.is_unchanged:  # Then it need not be prepared once more.
            file = previews.screen_size(run.pictures[0])
            return previews.SentImage(file, *changes.size) if file else None
        return previews.sent_image(run.pictures[0])

    def _strip(self, versions: list[Run]) -> list[render.Version]:
        """The original, and each version up to this one; blocking."""
        first = versions[0]
        original = previews.sent_image(first.pictures[0]) if self._shows_input(first) else None
        strip = [render.Version(first.id, "original", original.file if original else None, "")]
        for run in versions:
            if run.results:  # What failed has made no version.
                result, covered = run.results[0], self.is_covered(run, 0)
                file = None if covered else previews.thumbnail(result.path)
                strip.append(render.Version(run.id, "version", file, result.blur_placeholder))
        return strip

    def archive_link(self, runs: Sequence[Run], visitor: str, *, by_input: bool = False) -> Link:
        """Where a visitor gets an archive of runs."""
        make = partial(archive, covered=self.is_kept_away, hidden=self.is_hidden, by_input=by_input)
        return self._downloads.offer(runs, visitor, f"{_stem()}.zip", make)

    def contact_sheet_link(self, runs: Sequence[Run], visitor: str) -> Link:
        """Where a visitor gets a contact sheet of runs."""
        make = partial(contact_sheet, covered=self.is_kept_away, hidden=self.is_hidden)
        return self._downloads.offer(runs, visitor, f"{_stem()}.html", make)

    async def _versions(self, run: Run) -> list[Run]:
        """The runs that led to this one, oldest first."""
        chain = [run]
        while chain[0].parent_id is not None and len(chain) < MAX_VERSIONS:
            parent = await self._runner.get(chain[0].parent_id, run.visitor_id)
            if parent is None:
                break
            chain.insert(0, parent)
        return chain

    async def history(self, runs: Sequence[Run], **about: Any) -> str:
        """A page of cards."""
        files = await in_thread(self._cards, runs)
        return render.history(runs, files, **about)

    def _cards(
        self, runs: Sequence[Run], tried: set[str] | None = None
    ) -> dict[str, render.RunThumbnail]:
        """What may be seen of each run's result, or, where it has none, of what it edits. Of many
        dropped pictures that takes long: as many as fit into a moment are `tried` each time."""
        cards, began = {}, time.monotonic()
        tried = set() if tried is None else tried
        for run in runs:
            if run.results:
                covered, result = self.is_covered(run, 0), run.results[0]
                file = None if covered else previews.thumbnail(result.path)
                cards[run.id] = render.RunThumbnail(file, covered, result.blur_placeholder)
            elif run.id in tried or time.monotonic() - began < THUMBNAIL_BUDGET:
                tried.add(run.id)
                # `prepare` alone opens what nobody has checked.
                shown = self._shows_input(run) and previews.inspect(run.pictures[0]).thumbnail
                file = previews.thumbnail(run.pictures[0]) if shown else None
                cards[run.id] = render.RunThumbnail(file, False, "")
        return cards

    async def stream(
        self,
        runs: Sequence[Run],
        page: PageId,
        revealed: Set[str],
        *,
        note: str = "",
        previous_runs: Sequence[Run] = (),
        latest_version: Run | None = None,
    ) -> AsyncGenerator[Shown]:
        """Shows runs on behalf of an open page, which looks at one group at a time: the status at
        once, then the pictures; and as long as one of them goes on, all of its group at each
        change. What is `revealed` can change meanwhile.

        Not by Gradio's `cancels`: what a cancelled event sends last can come after what the
        cancelling one showed, and empties the page. Gradio also sends the last output again when
        a generator ends, over whatever was shown since: the last one of a page that has left says
        nothing. Else it is welcome: under load the browser may have missed the first.
        """
        self.stop_watching(page)
        left = self._left[page] = asyncio.Event()
        group = next((run.group_id for run in runs if run.id in self._runner.active_ids()), None)
        tried: set[str] = set()

        def throttle() -> float:
            return (
                BATCH_INTERVAL
                if is_batch(runs)
                else min(1.0, len(self._left) / MAX_VIEWS_PER_SECOND)
            )

        try:
            yield await self.update(runs, revealed, note=note, staged=False)
            if group:  # What ended before a restart is in the store alone.
                runs = await self._runner.group(group, page[1])
            known = {run.id: run for run in runs}
            changes = self._runner.watch_group(group, throttle) if group else _once(runs)
            async with aclosing(changes) as groups:
                while (changed := await _unless(left, anext(groups, None))) is not None:
                    known |= {run.id: run for run in changed}
                    runs = latest_attempts(known.values())
                    while not left.is_set():
                        now = await self.update(
                            runs,
                            revealed,
                            note=note,
                            previous_runs=previous_runs,
                            latest_version=latest_version,
                            tried=tried,
                        )
                        if left.is_set():
                            break
                        # All of it: what is the same is nothing on the wire, and cheaper than
                        # `gr.skip()`, for which Gradio makes the component anew.
                        yield now
                        await asyncio.sleep(FRAME_INTERVAL)
                        if not is_batch(runs) or all(r.results or r.id in tried for r in runs):
                            break
                        runs = await self._runner.group(group, page[1]) if group else runs
            if left.is_set():
                yield no_update()
        finally:
            if self._left.get(page) is left:
                del self._left[page]

    def stop_watching(self, page: PageId) -> None:
        """The page looks at nothing any more; what it looked at goes on."""
        left = self._left.pop(page, None)
        if left is not None:
            left.set()


def _stem() -> str:
    return f"image-edits-{datetime.now(UTC):%Y-%m-%d-%H%M%S}"


async def _once(runs: Sequence[Run]) -> AsyncGenerator[tuple[Run, ...]]:
    yield tuple(runs)


async def _unless(event: asyncio.Event, coming: Awaitable[T]) -> T | None:
    """What is coming, or None if the event is first."""
    step, first = asyncio.ensure_future(coming), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({step, first}, return_when=asyncio.FIRST_COMPLETED)
        return step.result() if step.done() else None
    finally:
        # A generator that is still asked for its next can't be closed.
        step.cancel()
        first.cancel()
        await asyncio.gather(step, first, return_exceptions=True)


def notes(trouble: RunError | None) -> Shown:
    """A word beside the field that is at fault: the pictures, the prompt, the key, the id."""
    at_fault = trouble.field if trouble else None
    advice = {"key": f" {labels.NOTHING_SPENT}", "id": ""}
    usual = f" {labels.NOTHING_SPENT} {labels.CHANGE_IT}"
    said = trouble.message + advice.get(at_fault or "", usual) if trouble else ""
    note = render_template("note", text=said) if said else ""
    return tuple(note if field == at_fault else "" for field in ("images", "prompt", "key", "id"))


def no_update() -> Shown:
    """The page stays as it is."""
    return tuple(gr.skip() for _ in range(8))


def refusal(error: InvalidEdit) -> Shown:
    """Nothing but the note changes: an earlier result stays."""
    return (*no_update()[:4], *notes(RunError.of(error)))
