"""The tasks that own runs: start, watch, stop, take up again. A browser only ever watches."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from wavespeed import (
    PRICE_USD,
    AmbiguousSubmit,
    AsyncClient,
    Completed,
    Downloaded,
    Edit,
    Event,
    Finished,
    InvalidEdit,
    Prediction,
    Submitted,
    Submitting,
    Waiting,
    WaveSpeedError,
)

from .board import Board
from .errors import Interrupted, KeyNeeded
from .log import RUN
from .lost import CLOCKS, fitting
from .outputs import Files
from .recipe import read
from .records import Records
from .run import Failed, Found, Held, Lost, Run, Saved, Searching, Stopped
from .store import Store

log = logging.getLogger("wavespeed.studio")

STALE = timedelta(minutes=10)
"""An edit that a restart found unsent is sent after all, but not when its person is long gone."""
LOOKS = (2.0, 8.0)
"""Seconds before each look for a lost submission; the list may lag behind."""
DAY = 86_400.0
PATIENCE = 5.0
"""Seconds that an orderly end of the process waits for the answers to submissions."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_usd` and `visitor_edits` are of a UTC day, None: no limit; `parallel` is how many
    edits of one group are under way at once."""

    budget_usd: float | None = None
    visitor_edits: int | None = None
    parallel: int = 2


class Runner:
    """Owns every run of this process. Use it on one event loop only."""

    def __init__(
        self, client: AsyncClient, store: Store, folder: Path, limits: Limits | None = None
    ) -> None:
        self._client = client
        self._store = store
        self._files = Files(folder)
        self._limits = limits or Limits()
        self._board = Board()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.usual: float | None = None
        """What an edit usually takes here, in seconds; see `Store.usual`."""
        # Of each group that has more runs than places; gone with the last of its tasks.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.watch, self.watch_group = self._board.watch, self._board.watch_group
        records = Records(self._board, store)
        self.get, self.group, self.history = records.get, records.group, records.history
        self.of_prediction, self.spent_today = records.of_prediction, records.spent_today
        self.session = records.session

    # --- For the page -----------------------------------------------------------------------

    def start(
        self,
        edit: Edit,
        visitor: str,
        client: AsyncClient | None = None,
        price_usd: float = PRICE_USD,
    ) -> Run:
        """Starts the edit and returns at once; the run goes on whoever watches.

        A `client` with the visitor's own key is used for this run alone. `price_usd` is what the
        visitor was told that it costs.
        """
        return self.start_group([edit], visitor, client, price_usd)[0]

    def start_group(
        self,
        edits: Sequence[Edit],
        visitor: str,
        client: AsyncClient | None = None,
        price_usd: float = PRICE_USD,
    ) -> tuple[Run, ...]:
        """Starts edits that belong together, as many of them at once as the account allows; each
        goes its own way."""
        runs = [_new(visitor, edit, client is not None) for edit in edits]
        runs = [replace(run, group=runs[0].id, price_usd=price_usd) for run in runs]
        for run in runs:
            self._spawn(run, client or self._client)
        return tuple(runs)

    async def fetch(self, task: Prediction, visitor: str, client: AsyncClient | None = None) -> Run:
        """A run of a task that was made elsewhere, or the visitor's own that made it; costs
        nothing."""
        own = await self.of_prediction(task.id, visitor)
        if own is not None:
            if own.state != "done":
                await self.again(own.id, visitor, client)
            return self._board.get(own.id) or own
        run = _new(visitor, None, client is not None)
        run = run.after(Found(0.0, replace(task, status="processing")))  # Past the queue, for us.
        self._spawn(run, client or self._client)
        return run

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
        run, task = self._board.get(run_id), self._tasks.get(run_id)
        if run is None or task is None or run.in_flight or run.is_over:
            return run
        task.cancel()
        await asyncio.wait([task])
        stopped = self._now(run).after(Stopped(_age(run)))
        await self._tell(stopped)
        return stopped

    async def again(self, run_id: str, visitor: str, client: AsyncClient | None = None) -> bool:
        """Asks once more for what may be at the service: costs nothing, sends no edit.

        False where there is nothing to ask for.
        """
        run = await self.get(run_id, visitor)
        if run is None or not run.is_over or not (run.prediction or run.state == "unknown"):
            return False
        if run.own_key and client is None:
            return False
        # A task is asked for with the key it was made under.
        asking = client if run.own_key and client else self._client
        self._spawn(replace(run, state="running"), asking)
        return True

    async def forget(self, run_id: str, visitor: str) -> None:
        """Deletes a visitor's run that is over, its pictures and results, from this machine."""
        run = await self.get(run_id, visitor)
        if run is None or not run.is_over:
            return
        await asyncio.to_thread(self._store.delete, run_id, visitor)
        self._board.forget(run_id)
        await asyncio.to_thread(self._files.remove, run)

    async def sweep(self, keep_days: float | None) -> None:
        """Once a day, forever: deletes the runs of all visitors that are older (None: never)."""
        while keep_days is not None:
            oldest = datetime.now(UTC) - timedelta(days=keep_days)
            for run in await asyncio.to_thread(self._store.older, oldest):
                await self.forget(run.id, run.visitor)
            await asyncio.sleep(DAY)

    # --- For main ---------------------------------------------------------------------------

    async def take_up(self) -> None:
        """Goes on with everything that an earlier process left unfinished."""
        self.usual = await asyncio.to_thread(self._store.usual)
        for run in await asyncio.to_thread(self._store.unfinished):
            log.info("run %s: taken up in step %s", run.id, run.step)
            if run.own_key:
                self._publish(run)
                error = KeyNeeded("The server was restarted, and forgot your key.")
                error.spent = run.spent
                ends = Lost if run.in_flight else Failed  # Unsent: there is nothing to look for.
                await self._end(run, ends(_age(run), error))
            else:
                self._spawn(run, self._client)

    async def _answered(self, run_id: str) -> None:
        """Waits until the run's submission has an answer."""
        async with aclosing(self.watch(run_id)) as runs:
            async for run in runs:
                if not _lost(run):
                    return

    def live(self) -> frozenset[str]:
        """The ids of the runs under way."""
        return frozenset(self._tasks)

    async def close(self) -> None:
        """Ends all watching at the service; the edits there go on, and so will their runs.

        A submission under way gets a few seconds for its answer, which nobody could find later
        with certainty.
        """
        lost = [run_id for run_id in self._tasks if (run := self._board.get(run_id)) and _lost(run)]
        answers = [asyncio.create_task(self._answered(run_id)) for run_id in lost]
        late = (await asyncio.wait(answers, timeout=PATIENCE))[1] if answers else set()
        for answer in late:
            answer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- A run's own task -------------------------------------------------------------------

    def _spawn(self, run: Run, client: AsyncClient) -> None:
        self._publish(run)
        task = asyncio.create_task(self._own(run, client), name=f"run {run.id}")
        self._tasks[run.id] = task

        def over(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(run.id) is ended:  # Else the run was taken up again already.
                del self._tasks[run.id]

        task.add_done_callback(over)

    async def _own(self, run: Run, client: AsyncClient) -> None:
        RUN.set(run.id)
        try:
            place = self._place(run)
            if place.locked():
                run = run.after(Held(_age(run)))
                await self._tell(run)
            async with place:
                await self._go(run, client)
        except AmbiguousSubmit as error:
            log.warning("run %s: %s", run.id, error, exc_info=error)
            await self._end(run, Lost(_age(run), error))
        except WaveSpeedError as error:
            # A refused file says all there is; anything else may need its cause to be understood.
            cause = None if isinstance(error, InvalidEdit) else error
            log.warning("run %s: %s", run.id, error, exc_info=cause)
            await self._end(run, Failed(_age(run), error))
        except Exception as error:  # Whatever broke, a run ends in words.
            log.exception("run %s broke", run.id)
            broken = WaveSpeedError("The studio itself failed.", spent=self._now(run).spent)
            broken.__cause__ = error
            await self._end(run, Failed(_age(run), broken))
        else:
            self.usual = await asyncio.to_thread(self._store.usual)

    def _place(self, run: Run) -> asyncio.Semaphore:
        """Where the run waits until it may begin; what is at the service already needs none."""
        if run.in_flight or run.prediction is not None:
            return asyncio.Semaphore()
        place = self._places.get(run.group)
        if place is None:
            self._places[run.group] = place = asyncio.Semaphore(self._limits.parallel)
        return place

    def _begun(self, run: Run) -> Run:
        """The run with pictures that stay, and with the run that made the first. Blocking."""
        run = self._files.keep(run)
        recipe = read(run.pictures[0]) if run.pictures else None
        if recipe is not None:
            parent = self._store.of_prediction(recipe.prediction_id, run.visitor)
            run = replace(run, parent=parent.id if parent else None)
        return run

    async def _go(self, run: Run, client: AsyncClient) -> None:
        """From wherever the run is to its end."""
        if run.prediction is None and not run.in_flight:
            if datetime.now(UTC) - run.started_at > STALE:
                raise Interrupted("The server was restarted before this was sent.")
            run = await asyncio.to_thread(self._begun, run)
            assert run.edit is not None
            await self._tell(run)
            try:
                return await self._drive(run, client.edit(run.edit), 0.0)
            except AmbiguousSubmit as error:
                lost = error
        else:
            lost = AmbiguousSubmit("The server was restarted while it sent this.")
        run = self._now(run)
        if run.prediction is None:
            run = await self._search(run, client, lost)
        assert run.prediction is not None
        await self._drive(run, client.watch(run.prediction.id), _age(run))

    async def _drive(self, run: Run, source: AsyncGenerator[Event], began: float) -> None:
        """Lives through the events, which count from `began` seconds after the run's start."""
        async with aclosing(source) as events:
            async for event in events:
                run = await self._take(run, replace(event, at=event.at + began))

    async def _take(self, run: Run, event: Event) -> Run:
        """The run after the event, and after what the event asks of us. The client goes on, and a
        submission leaves, when this returns: by then it is written down."""
        if isinstance(event, Downloaded) and len(run.results) > event.index:
            return run  # Fetched again, saved already.
        run = run.after(event)
        match event:
            case Submitting():
                self._publish(run)  # From here on it can't be stopped any more, only then written.
                await asyncio.to_thread(
                    self._store.reserve,
                    run,
                    now=datetime.now(UTC),
                    budget_usd=self._limits.budget_usd,
                    visitor_edits=self._limits.visitor_edits,
                )
            case Downloaded():
                result = await asyncio.to_thread(self._files.save, run, event)
                run = run.after(Saved(_age(run), result))
                await self._tell(run)
            case Waiting() | Submitted() | Completed() | Finished():
                await self._tell(run)
            case _:
                self._publish(run)
        return run

    async def _search(self, run: Run, client: AsyncClient, lost: AmbiguousSubmit) -> Run:
        """Looks through the service's list for a submission whose answer was lost.

        Raises `lost` unless exactly one task can be it and no other run can claim that one.
        """
        sent = run.started_at + timedelta(seconds=run.sent_at or 0.0)
        for pause in LOOKS:
            await self._tell(run.after(Searching(_age(run), pause, lost)))
            await asyncio.sleep(pause)
            found: list[Prediction] = []
            with suppress(WaveSpeedError):  # A list that can't be had proves nothing either way.
                found = await client.recent(created_after=sent - CLOCKS)
            ids = [task.id for task in found]
            candidates = fitting(found, await asyncio.to_thread(self._store.known, ids), sent)
            rivals = [other for other in self._board.all() if other.id != run.id and _lost(other)]
            if len(candidates) == 1 and not rivals:
                run = run.after(Found(_age(run), candidates[0]))
                await self._tell(run)
                return run
        raise lost

    async def _end(self, run: Run, event: Failed | Lost) -> None:
        run = self._now(run)
        if run.prediction is not None:
            event.error.prediction_id = run.prediction.id
        await self._tell(run.after(event))

    async def _tell(self, run: Run) -> None:
        """Shows the run to whoever watches, and writes it down."""
        await asyncio.to_thread(self._store.save, run)
        self._publish(run)

    def _publish(self, run: Run) -> None:
        log.info("run %s %.2f s: %s, %s", run.id, run.at, run.state, run.step)
        self._board.publish(run)

    def _now(self, run: Run) -> Run:
        return self._board.get(run.id) or run


def _new(visitor: str, edit: Edit | None, own_key: bool) -> Run:
    run_id = uuid.uuid4().hex
    return Run(
        id=run_id,
        group=run_id,
        visitor=visitor,
        edit=edit,
        started_at=datetime.now(UTC),
        own_key=own_key,
    )


def _age(run: Run) -> float:
    """Seconds since the run began, by the calendar: a restart may lie between."""
    return max(0.0, (datetime.now(UTC) - run.started_at).total_seconds())


def _lost(run: Run) -> bool:
    """Whether a submission of it is out without an id: any new task may be its own."""
    return run.in_flight and run.prediction is None
