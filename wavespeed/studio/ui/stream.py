"""When the page changes: a page looks at one group of runs at a time, and sees each change of it
not more often than it can draw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from wavespeed.studio.runs.batch import is_batch, latest_attempts
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner

from .page_event import PageId
from .page_update import PageUpdate
from .presenter import Presenter, View

T = TypeVar("T")
FRAME_INTERVAL = 0.05
"""Seconds between two views of a page: of two within one frame it would draw the second alone."""
BATCH_INTERVAL = 0.5
"""The same of a batch, which is larger to send; its end is shown at once."""
MAX_VIEWS_PER_SECOND = 100
"""Changes that are shown in a second, of all pages together: then each edit still gets one a
second where a hundred are watched, and the machine's time goes into the edits."""


@dataclass(eq=False)
class _Watching:
    """What one page watches, until it turns to something else."""

    page: PageId
    view: View
    group_id: str | None
    """None where all of it is over."""
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    attempted: set[str] = field(default_factory=set)


class RunStream:
    """Shows runs on behalf of open pages."""

    def __init__(self, runner: Runner, presenter: Presenter) -> None:
        self._runner = runner
        self._presenter = presenter
        self._watching: dict[PageId, _Watching] = {}

    async def stream(self, view: View, page: PageId) -> AsyncGenerator[PageUpdate]:
        """The status at once, then the pictures; and as long as one of the runs goes on, all of its
        group at each change.

        Not by Gradio's `cancels`: what a cancelled event sends last can come after what the
        cancelling one showed, and empties the page. Gradio also sends the last output again when
        a generator ends, over whatever was shown since: the last one of a page that has left says
        nothing. Else it is welcome: under load the browser may have missed the first.
        """
        self.stop_watching(page)
        active = self._runner.active_ids()
        group_id = next((run.group_id for run in view.runs if run.id in active), None)
        watching = self._watching[page] = _Watching(page, view, group_id)
        try:
            yield await self._presenter.update(replace(view, has_results=False))
            async with aclosing(self._updates(watching)) as updates:
                async for update in updates:
                    yield update
            if watching.has_ended.is_set():
                yield PageUpdate()
        finally:
            if self._watching.get(page) is watching:
                del self._watching[page]

    def stop_watching(self, page: PageId) -> None:
        """The page looks at nothing any more; what it looked at goes on."""
        watching = self._watching.pop(page, None)
        if watching is not None:
            watching.has_ended.set()

    async def _updates(self, watching: _Watching) -> AsyncGenerator[PageUpdate]:
        runs = watching.view.runs
        if watching.group_id:  # What ended before a restart is in the store alone.
            runs = await self._runner.runs.group(watching.group_id, watching.page[1])
        known = {run.id: run for run in runs}
        async with aclosing(self._changes(watching)) as changes:
            while (changed := await _unless(watching.has_ended, anext(changes, None))) is not None:
                known |= {run.id: run for run in changed}
                runs = latest_attempts(known.values())
                async with aclosing(self._drawn(watching, runs)) as updates:
                    async for update in updates:
                        yield update

    def _changes(self, watching: _Watching) -> AsyncGenerator[tuple[Run, ...]]:
        if watching.group_id is None:
            return _once(watching.view.runs)

        def throttle() -> float:
            if is_batch(watching.view.runs):
                return BATCH_INTERVAL
            return min(1.0, len(self._watching) / MAX_VIEWS_PER_SECOND)

        return self._runner.runs.watch_group(watching.group_id, throttle)

    async def _drawn(self, watching: _Watching, runs: Sequence[Run]) -> AsyncGenerator[PageUpdate]:
        """One view of the runs; of a batch as many as it takes until each has its thumbnail."""
        while not watching.has_ended.is_set():
            view = replace(watching.view, runs=runs, attempted=watching.attempted)
            update = await self._presenter.update(view)
            if watching.has_ended.is_set():
                return
            # All of it: what is the same is nothing on the wire, and cheaper than `gr.skip()`, for
            # which Gradio makes the component anew.
            yield update
            await asyncio.sleep(FRAME_INTERVAL)
            if not is_batch(runs) or all(r.results or r.id in watching.attempted for r in runs):
                return
            if watching.group_id:
                runs = await self._runner.runs.group(watching.group_id, watching.page[1])


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
