"""The runs in memory, and who watches them. On one event loop only."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress

from .run import Run

MAX_FINISHED = 1000
"""Ended runs in memory; the oldest go first, the store has them all."""


class Board:
    """What was published last of each run; a group's watchers wake at each change in it."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._groups: dict[str, dict[str, None]] = {}  # The ids of each, in order.
        self._changed: dict[str, asyncio.Event] = {}
        self._ended: deque[str] = deque()

    def publish(self, run: Run) -> None:
        """Shows the run as it is now to whoever watches."""
        group, self._runs[run.id] = run.group_id, run
        self._groups.setdefault(group, {})[run.id] = None
        changed = self._changed.get(group)
        self._changed[group] = asyncio.Event()
        if changed is not None:
            changed.set()
        if run.is_finished:
            self._ended.append(run.id)
            self._trim()

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def of_visitor(self, visitor: str) -> list[Run]:
        return [run for run in self._runs.values() if run.visitor_id == visitor]

    def remove(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        group = run.group_id
        self._groups[group].pop(run_id)
        if not self._groups[group]:
            del self._groups[group]
            self._changed.pop(group).set()  # Nothing more comes.

    async def watch_group(
        self, group: str, throttle: Callable[[], float] = lambda: 0.0
    ) -> AsyncGenerator[tuple[Run, ...]]:
        """The group's runs now and after each change, to the end of all; changes in quick
        succession are one, and so are those within `throttle` seconds, but the end is told at once.
        Leaving it ends the watching alone."""
        while runs := self.group(group):
            changed, told = self._changed[group], time.monotonic()
            yield runs
            if _are_over(runs):
                return
            await changed.wait()
            while (rest := told + throttle() - time.monotonic()) > 0 and not _are_over(
                self.group(group)
            ):
                with suppress(TimeoutError):
                    async with asyncio.timeout(rest):
                        await self._changed[group].wait()

    def group(self, group: str) -> tuple[Run, ...]:
        """The runs of a group, of each place those that were tried before as well."""
        return tuple(self._runs[run_id] for run_id in self._groups.get(group, ()))

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
        while len(self._ended) > MAX_FINISHED:
            run = self._runs.get(self._ended.popleft())
            if run is not None and run.is_finished:
                self.remove(run.id)


def _are_over(runs: Iterable[Run]) -> bool:
    return all(run.is_finished for run in runs)
