"""The tasks that own runs: start, watch, stop. A browser only ever watches."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from wavespeed import (
    AsyncClient,
    Downloaded,
    Edit,
    Event,
    InvalidEdit,
    Spent,
    WaveSpeedError,
)

from .outputs import save
from .run import Failed, Result, Run, Saved, Stopped

log = logging.getLogger("wavespeed.studio")

KEPT = 1000
"""Ended runs in memory; the oldest go first."""


class Runner:
    """Owns every run of this process. Use it on one event loop only."""

    def __init__(self, client: AsyncClient, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def start(self, edit: Edit) -> Run:
        """Starts the edit and returns at once; the run goes on whoever watches."""
        run = Run(id=uuid.uuid4().hex, edit=edit, started_at=datetime.now(UTC))
        self._changed[run.id] = asyncio.Event()
        self._publish(run)
        task = asyncio.create_task(self._own(run), name=f"run {run.id}")
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.id, None))
        return run

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    async def watch(self, run_id: str) -> AsyncGenerator[Run]:
        """The run now and after each change, to its end; changes in quick succession are one.
        Leaving it ends the watching alone."""
        while (run := self._runs.get(run_id)) is not None:
            changed = self._changed[run_id]
            yield run
            if run.is_over:
                return
            await changed.wait()

    async def finished(self, run_id: str) -> Run:
        """The run once it is over."""
        async with aclosing(self.watch(run_id)) as runs:
            async for run in runs:
                if run.is_over:
                    return run
        raise KeyError(run_id)

    async def stop(self, run_id: str) -> Run | None:
        """Ends the run if nothing that costs money was sent, else leaves it alone: there is no
        call that cancels an edit at the service. The run as it is then.

        The client yields before it sends and we answer on the same loop, so between the look and
        the cancellation no request can leave.
        """
        run, task = self._runs.get(run_id), self._tasks.get(run_id)
        if run is not None and task is not None and not run.in_flight and task.cancel():
            await asyncio.wait([task])
        return self._runs.get(run_id)

    async def close(self) -> None:
        """Ends all watching at the service; the edits there go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _own(self, run: Run) -> None:
        began = time.monotonic()
        try:
            async with aclosing(self._client.edit(run.edit)) as events:
                async for event in events:
                    run = await self._take(run, event)
        except asyncio.CancelledError:
            if not run.in_flight:  # Else the process is ending, and the edit goes on without us.
                self._publish(run.after(Stopped(time.monotonic() - began)))
            raise
        except WaveSpeedError as error:
            if run.prediction is not None:
                error.prediction_id = run.prediction.id
            # A refused file says all there is; anything else may need its cause to be understood.
            cause = None if isinstance(error, InvalidEdit) else error
            log.warning("run %s: %s", run.id, error, exc_info=cause)
            self._publish(run.after(Failed(time.monotonic() - began, error)))
        except Exception as error:  # Whatever broke, a run ends in words.
            log.exception("run %s broke", run.id)
            broken = WaveSpeedError("The studio itself failed.", spent=_spent(run))
            broken.__cause__ = error
            self._publish(run.after(Failed(time.monotonic() - began, broken)))

    async def _take(self, run: Run, event: Event) -> Run:
        """The run after the event, and after what the event asks of us."""
        run = run.after(event)
        if isinstance(event, Downloaded):
            began = time.monotonic()
            result = await self._save(run, event)
            run = run.after(Saved(event.at + time.monotonic() - began, result))
        self._publish(run)
        return run

    async def _save(self, run: Run, event: Downloaded) -> Result:
        assert run.prediction is not None
        return await asyncio.to_thread(
            save,
            event.content,
            self._folder,
            prompt=run.edit.prompt,
            moment=run.started_at,
            number=event.index + 1,
            nsfw=run.prediction.outputs[event.index].nsfw,
        )

    def _publish(self, run: Run) -> None:
        log.info("run %s %.2f s: %s, %s", run.id, run.at, run.state, run.step)
        self._runs[run.id] = run
        over = [old.id for old in self._runs.values() if old.is_over]
        for run_id in over[: max(0, len(self._runs) - KEPT)]:
            del self._runs[run_id], self._changed[run_id]
        changed, self._changed[run.id] = self._changed[run.id], asyncio.Event()
        changed.set()


def _spent(run: Run) -> Spent:
    if run.prediction is not None:
        return "yes"
    return "unknown" if run.in_flight else "no"
