"""The runs as they are now, from memory or else from the store; and who watches them.

What has just begun is not in the store yet, and what ended long ago is there alone. On one event
loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from .batch import latest_attempts
from .run import Run
from .store import SESSION_GAP, Store

MAX_FINISHED = 1000
"""Ended runs in memory; the oldest go first, the store has them all."""


class RunRepository:
    """What a visitor asks for is theirs alone; what needs no visitor is for the runner."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, Run] = {}
        self._groups: dict[str, dict[str, None]] = {}  # The ids of each, in order.
        self._changed: dict[str, asyncio.Event] = {}
        self._finished: deque[str] = deque()

    # --- What a visitor may see -------------------------------------------------------------

    async def get(self, run_id: str, visitor_id: str) -> Run | None:
        """A visitor's own run."""
        run = self._runs.get(run_id)
        if run is None:
            return await asyncio.to_thread(self._store.get, run_id, visitor_id)
        return run if run.visitor_id == visitor_id else None

    async def group(self, group_id: str, visitor_id: str) -> list[Run]:
        """The runs that belong together, in their order, of each place the newest."""
        stored = await asyncio.to_thread(self._store.by_group, group_id, visitor_id)
        here = [run for run in self.attempts(group_id) if run.visitor_id == visitor_id]
        return latest_attempts({run.id: run for run in (*stored, *here)}.values())

    async def current(self, shown: str | None, visitor_id: str) -> list[Run]:
        """What a page shows: a group, or one of several alone."""
        if group := await self.group(shown or "", visitor_id):
            return group
        run = await self.get(shown or "", visitor_id)
        return [run] if run else []

    async def history(self, visitor_id: str, *, skip: int = 0, most: int = 12) -> list[Run]:
        """A visitor's runs, newest first."""
        stored = await asyncio.to_thread(self._store.history, visitor_id, skip=skip, most=most)
        runs = {run.id: self._runs.get(run.id) or run for run in stored}
        if not skip:
            runs |= {run.id: run for run in self._of_visitor(visitor_id) if not run.is_finished}
        return sorted(runs.values(), key=lambda run: run.started_at, reverse=True)[:most]

    async def by_prediction(self, prediction_id: str, visitor_id: str) -> Run | None:
        """A visitor's own run that made the prediction, or is fetching it."""
        stored = await asyncio.to_thread(self._store.by_prediction, prediction_id, visitor_id)
        if stored is not None:
            return stored
        for run in self._of_visitor(visitor_id):
            if run.prediction and run.prediction.id == prediction_id:
                return run
        return None

    async def by_press(self, press_id: str, visitor_id: str) -> list[Run]:
        """The runs that a visitor's press began, of each place the newest."""
        if not press_id:
            return []
        stored = await asyncio.to_thread(self._store.by_press, press_id, visitor_id)
        here = [run for run in self._of_visitor(visitor_id) if run.press_id == press_id]
        return latest_attempts({run.id: run for run in (*stored, *here)}.values())

    async def session_runs(self, visitor_id: str) -> list[Run]:
        """The runs of what the visitor does now, newest first, 200 at most."""
        runs, next_start = [], datetime.now(UTC)
        for run in await self.history(visitor_id, most=200):
            if (next_start - run.started_at).total_seconds() > SESSION_GAP:
                break
            runs.append(run)
            next_start = run.started_at
        return runs

    async def session_totals(self, visitor_id: str) -> tuple[int, float]:
        """Edits and USD of what the visitor does now; see `Store.session_totals`."""
        return await asyncio.to_thread(self._store.session_totals, visitor_id, datetime.now(UTC))

    async def spent_today(self, visitor_id: str) -> float:
        """USD of a visitor's UTC day."""
        return await asyncio.to_thread(self._store.spent_usd, datetime.now(UTC), visitor_id)

    def is_flagged(self, sha256: str) -> bool:
        """Whether a file with these bytes came as a flagged result, to whomever. Blocking."""
        return self._store.is_flagged(sha256)

    def _of_visitor(self, visitor_id: str) -> list[Run]:
        return [run for run in self._runs.values() if run.visitor_id == visitor_id]

    # --- What is in memory ------------------------------------------------------------------

    def latest(self, run_id: str) -> Run | None:
        """The run as it was published last, whoever's it is."""
        return self._runs.get(run_id)

    def attempts(self, group_id: str) -> tuple[Run, ...]:
        """The runs of a group, of each place those that were tried before as well."""
        return tuple(self._runs[run_id] for run_id in self._groups.get(group_id, ()))

    def publish(self, run: Run) -> None:
        """Shows the run as it is now to whoever watches its group."""
        group_id = run.group_id
        self._runs[run.id] = run
        self._groups.setdefault(group_id, {})[run.id] = None
        changed = self._changed.get(group_id)
        self._changed[group_id] = asyncio.Event()
        if changed is not None:
            changed.set()
        if run.is_finished:
            self._finished.append(run.id)
            self._trim()

    def remove(self, run_id: str) -> None:
        """Forgets it here; the store is left alone."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        group = self._groups[run.group_id]
        group.pop(run_id)
        if not group:
            del self._groups[run.group_id]
            self._changed.pop(run.group_id).set()  # Nothing more comes.

    async def watch_group(
        self, group_id: str, throttle: Callable[[], float] = lambda: 0.0
    ) -> AsyncGenerator[tuple[Run, ...]]:
        """The group's runs now and after each change, to the end of all; changes in quick
        succession are one, and so are those within `throttle` seconds, but the end is told at once.
        Leaving it ends the watching alone."""
        while runs := self.attempts(group_id):
            changed, told_at = self._changed[group_id], time.monotonic()
            yield runs
            if _are_finished(runs):
                return
            await changed.wait()
            await self._wait_quietly(group_id, told_at, throttle)

    async def _wait_quietly(
        self, group_id: str, told_at: float, throttle: Callable[[], float]
    ) -> None:
        while not _are_finished(self.attempts(group_id)):
            left = told_at + throttle() - time.monotonic()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed[group_id].wait()

    async def watch(self, run_id: str) -> AsyncGenerator[Run]:
        """One run in the same way."""
        known = self._runs.get(run_id)
        before: Run | None = None
        if known is None:
            return
        async with aclosing(self.watch_group(known.group_id)) as groups:
            async for _ in groups:
                now = self._runs.get(run_id)
                if now is None:
                    return
                if now is not before:
                    before = now
                    yield now
                if now.is_finished:
                    return

    def _trim(self) -> None:
        while len(self._finished) > MAX_FINISHED:
            run = self._runs.get(self._finished.popleft())
            if run is not None and run.is_finished:
                self.remove(run.id)


def _are_finished(runs: Iterable[Run]) -> bool:
    return all(run.is_finished for run in runs)
