"""The runs as a visitor may see them: as they are now, from memory or else from the store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from .batch import latest_attempts
from .board import Board
from .run import Run
from .store import SESSION_GAP, Store


class Records:
    """Everything here is one visitor's own."""

    def __init__(self, board: Board, store: Store) -> None:
        self._board = board
        self._store = store

    async def get(self, run_id: str, visitor: str) -> Run | None:
        """A visitor's own run as it is now, from memory or from the store."""
        run = self._board.get(run_id)
        if run is None:
            return await asyncio.to_thread(self._store.get, run_id, visitor)
        return run if run.visitor_id == visitor else None

    async def group(self, group: str, visitor: str) -> list[Run]:
        """The runs that belong together, in their order, of each place the newest. What has just
        begun is not in the store yet, and what ended before a restart is there alone."""
        stored = await asyncio.to_thread(self._store.by_group, group, visitor)
        here = [run for run in self._board.group(group) if run.visitor_id == visitor]
        return latest_attempts({run.id: run for run in (*stored, *here)}.values())

    async def current(self, shown: str | None, visitor: str) -> list[Run]:
        """What a page shows: a group, or one of several alone."""
        if together := await self.group(shown or "", visitor):
            return together
        run = await self.get(shown or "", visitor)
        return [run] if run else []

    async def history(self, visitor: str, *, skip: int = 0, most: int = 12) -> list[Run]:
        """A visitor's runs, newest first, as they are now."""
        stored = await asyncio.to_thread(self._store.history, visitor, skip=skip, most=most)
        now = {run.id: self._board.get(run.id) or run for run in stored}
        if not skip:  # What has just begun is not in the store yet.
            now |= {run.id: run for run in self._board.of_visitor(visitor) if not run.is_finished}
        return sorted(now.values(), key=lambda run: run.started_at, reverse=True)[:most]

    async def by_prediction(self, prediction_id: str, visitor: str) -> Run | None:
        """A visitor's own run that made the prediction, or is fetching it."""
        stored = await asyncio.to_thread(self._store.by_prediction, prediction_id, visitor)
        here = (
            run
            for run in self._board.of_visitor(visitor)
            if run.prediction and run.prediction.id == prediction_id
        )
        return stored or next(here, None)

    async def by_press(self, press: str, visitor: str) -> list[Run]:
        """The runs that a visitor's press began, of each place the newest."""
        stored = await asyncio.to_thread(self._store.by_press, press, visitor)
        here = [run for run in self._board.of_visitor(visitor) if press and run.press_id == press]
        return latest_attempts({run.id: run for run in (*stored, *here)}.values())

    async def session_runs(self, visitor: str) -> list[Run]:
        """The runs of what the visitor does now, newest first, 200 at most."""
        runs, after = [], datetime.now(UTC)
        for run in await self.history(visitor, most=200):
            if (after - run.started_at).total_seconds() > SESSION_GAP:
                break
            runs.append(run)
            after = run.started_at
        return runs

    async def spent_today(self, visitor: str) -> float:
        """USD of a visitor's UTC day."""
        return await asyncio.to_thread(self._store.spent_usd, datetime.now(UTC), visitor)

    async def session_totals(self, visitor: str) -> tuple[int, float]:
        """Edits and USD of what the visitor does now; see `Store.session`."""
        return await asyncio.to_thread(self._store.session_totals, visitor, datetime.now(UTC))
