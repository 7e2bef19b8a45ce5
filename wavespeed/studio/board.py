"""The runs in memory, and who watches them. On one event loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

from .run import Run

KEPT = 1000
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
        group = _group(run)
        self._runs[run.id] = run
        self._groups.setdefault(group, {})[run.id] = None
        changed = self._changed.get(group)
        self._changed[group] = asyncio.Event()
        if changed is not None:
            changed.set()
        if run.is_over:
            self._ended.append(run.id)
            self._trim()

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def all(self) -> list[Run]:
        return list(self._runs.values())

    def forget(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        group = _group(run)
        self._groups[group].pop(run_id)
        if not self._groups[group]:
            del self._groups[group], self._changed[group]

    async def watch_group(self, group: str) -> AsyncGenerator[tuple[Run, ...]]:
        """The group's runs now and after each change, to the end of all; changes in quick
        succession are one. Leaving it ends the watching alone."""
        while group in self._groups:
            changed = self._changed[group]
            runs = tuple(self._runs[run_id] for run_id in self._groups[group])
            yield runs
            if all(run.is_over for run in runs):
                return
            await changed.wait()

    async def watch(self, run_id: str) -> AsyncGenerator[Run]:
        """One run in the same way."""
        known = self._runs.get(run_id)
        before: Run | None = None
        if known is None:
            return
        async with aclosing(self.watch_group(_group(known))) as groups:
            async for _ in groups:
                now = self._runs.get(run_id)
                if now is None:
                    return
                if now is not before:
                    before = now
                    yield now
                if now.is_over:
                    return

    def _trim(self) -> None:
        while len(self._ended) > KEPT:
            run = self._runs.get(self._ended.popleft())
            if run is not None and run.is_over:
                self.forget(run.id)


def _group(run: Run) -> str:
    return run.group or run.id
