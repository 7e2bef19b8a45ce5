"""The tasks that own runs: start, watch, stop, take up again. A browser only ever watches."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wavespeed import MODEL, PRICE_USD, AsyncClient, Edit, Prediction, WaveSpeedError
from wavespeed.studio.decoding.decoder import in_thread

from .board import Board
from .errors import Interrupted, KeyNeeded
from .executor import Driver, Limits, age, is_lost, is_under_way
from .records import Records
from .run import VISITORS, Failed, Found, Lost, Run, Stopped
from .store import Store, StoreError

log = logging.getLogger("wavespeed.studio")

STALE = timedelta(minutes=10)
"""An edit that a restart found unsent is sent after all, but not when its person is long gone."""
DAY = 86_400.0
MOST_PRESSES = 10_000
"""Remembered in memory; a run's press is in the store within a moment."""
PATIENCE = 5.0
"""Seconds that an orderly end of the process waits for the answers to submissions."""


class Runner:
    """Owns every run of this process. Use it on one event loop only."""

    def __init__(
        self,
        client: AsyncClient,
        store: Store,
        folder: Path,
        limits: Limits | None = None,
        service: str = "",
        model: str = MODEL,
    ) -> None:
        """`service` names whom the client asks: what one service was given, another never gets.

        `model` is the one that is asked. What is sent anew is sent to it, whichever model a run
        asked before: an old run must not reach a model that the owner has left, or one that costs
        more than what the button said. What was sent is looked for under its own.
        """
        self._client = client
        self._store = store
        self._service = service
        self._model = model
        self._board = Board()
        limits = limits or Limits()
        self.parallel = limits.parallel
        self._driver = Driver(self._board, store, folder, limits)
        self._inputs = self._driver.inputs
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._presses: dict[tuple[str, str], None] = {}  # Oldest first.
        self.watch, self.watch_group = self._board.watch, self._board.watch_group
        records = Records(self._board, store)
        self.get, self.group, self.history = records.get, records.group, records.history
        self.of_prediction, self.spent_today = records.of_prediction, records.spent_today
        self.of_press, self.current = records.of_press, records.current
        self.session, self.of_session = records.session, records.of_session
        self.is_flagged = store.is_flagged

    # --- For the page -----------------------------------------------------------------------

    def start(
        self,
        edit: Edit,
        visitor: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
    ) -> Run:
        """Starts the edit and returns at once; the run goes on whoever watches.

        A `client` with the visitor's own key is used for this run alone. `price_usd` is what the
        visitor was told that it costs, None where nobody knew.
        """
        return self.start_group([edit], visitor, client, price_usd)[0]

    def start_group(
        self,
        edits: Sequence[Edit],
        visitor: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
        *,
        batch: bool = False,
        press: str = "",
    ) -> tuple[Run, ...]:
        """Starts edits that belong together, as many of them at once as the account allows; each
        goes its own way. A `batch` has a picture for each instead of variants of one."""
        runs = [self._new(visitor, edit, client) for edit in edits]
        # An id of its own, so that one of several can be looked at alone.
        group = uuid.uuid4().hex if len(runs) > 1 else runs[0].id
        runs = [
            replace(run, group=group, number=number, price_usd=price_usd, batch=batch, press=press)
            for number, run in enumerate(runs)
        ]
        for run in runs:
            self._spawn(run, client or self._client)
        return tuple(runs)

    async def is_new(self, press: str, visitor: str) -> bool:
        """Whether this press of a visitor's begins something; asked once, it never does again, not
        after a restart either, since it is written down with its runs."""
        if (visitor, press) in self._presses:
            return False
        self._presses[visitor, press] = None  # Before anything is awaited: of two one begins.
        while len(self._presses) > MOST_PRESSES:
            del self._presses[next(iter(self._presses))]
        try:
            return not await asyncio.to_thread(self._store.has_press, press, visitor)
        except StoreError:
            self._presses.pop((visitor, press), None)  # It began nothing, and may yet.
            raise

    async def fetch(self, task: Prediction, visitor: str, client: AsyncClient | None = None) -> Run:
        """A run of a task that was made elsewhere, or the visitor's own that made it; costs
        nothing."""
        own = await self.of_prediction(task.id, visitor)  # Of two presses one fetches.
        if own is not None:
            if own.state != "done":
                await self.again(own.id, visitor, client)
            return self._board.get(own.id) or own
        run = self._new(visitor, None, client)
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
        call that cancels an edit at the service. The run as it is then, its pictures kept.

        The client yields before it sends and we answer on the same loop, so between the look and
        the cancellation no request can leave.
        """
        run, task = self._board.get(run_id), self._tasks.get(run_id)
        if run is None or task is None or run.in_flight or run.is_over:
            return run
        task.cancel()
        await asyncio.wait([task])
        run = self._board.get(run.id) or run
        with suppress(WaveSpeedError):  # What is no picture, or has no room, is not kept.
            run = await in_thread(self._inputs.keep, run)
        stopped = run.after(Stopped(age(run)))
        await self._driver.tell(stopped)
        return stopped

    async def again(self, run_id: str, visitor: str, client: AsyncClient | None = None) -> bool:
        """Asks once more for what may be at the service: costs nothing, sends no edit.

        False where there is nothing to ask for.
        """
        run = await self.get(run_id, visitor)
        run = run and (self._board.get(run_id) or run)  # As in `resume`: of two presses one begins.
        if run is None or not run.is_over or not (run.prediction or run.state == "unknown"):
            return False
        if (run.own_key and client is None) or run.account not in (VISITORS, self._service):
            return False
        # A task is asked for with the key it was made under.
        asking = client if run.own_key and client else self._client
        self._spawn(replace(run, state="running"), asking)
        return True

    async def resume(
        self,
        run_id: str,
        visitor: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
    ) -> None:
        """Goes on with a run that was stopped before anything was sent, under the key it had: the
        visitor's own has to be there again."""
        run = await self.get(run_id, visitor)
        # Nothing is awaited between this look and the start: two presses make one edit.
        run = run and (self._board.get(run_id) or run)
        if run is None or run.state != "stopped" or run.edit is None or run_id in self._tasks:
            return
        own = client if run.own_key else self._client
        if own is not None and run.account in (VISITORS, self._service):
            edit = replace(run.edit, model=self._model)
            self._spawn(replace(run, state="running", edit=edit, price_usd=price_usd), own)

    def repeat(
        self, run: Run, client: AsyncClient | None, price_usd: float | None, press: str = ""
    ) -> None:
        """Sends the edit of a run once more, in the same place of its group; but one that stands
        there by now was sent by another press."""
        assert run.edit is not None
        if any(
            other.number == run.number and other.attempt > run.attempt
            for other in self._board.of(run.group)
        ):
            return
        again = replace(
            self._new(run.visitor, replace(run.edit, model=self._model), client),
            group=run.group,
            number=run.number,
            batch=run.batch,
            price_usd=price_usd,
            attempt=run.attempt + 1,
            press=press,
        )
        self._spawn(again, client or self._client)

    async def forget(self, run_id: str, visitor: str) -> list[Path]:
        """Deletes a visitor's run that is over, its pictures and results, from this machine, but
        no picture that another run uses. Returns the files that are gone."""
        run = await self.get(run_id, visitor)
        if run is None or not run.is_over:
            return []
        files = await asyncio.to_thread(self._inputs.delete, run)
        self._board.forget(run_id)
        return files

    async def sweep(self, keep_days: float | None) -> None:
        """Once a day, forever: deletes the runs of all visitors that are older (None: never)."""
        while keep_days is not None:
            oldest = datetime.now(UTC) - timedelta(days=keep_days)
            try:
                for run in await asyncio.to_thread(self._store.older, oldest):
                    await self.forget(run.id, run.visitor)
            except (OSError, StoreError):
                log.exception("what is too old could not be deleted; tomorrow again")
            await asyncio.sleep(DAY)

    @property
    def usual(self) -> float | None:
        """What an edit usually takes here, in seconds; see `Store.usual`."""
        return self._driver.usual

    # --- For main ---------------------------------------------------------------------------

    async def take_up(self) -> None:
        """Goes on with everything that an earlier process left unfinished."""
        await self._driver.learn_usual()
        await asyncio.to_thread(self._driver.files.tidy)
        await asyncio.to_thread(self._inputs.tidy)
        unfinished = await asyncio.to_thread(self._store.unfinished)
        heard: dict[str, datetime] = {}  # The last sign of life of each group.
        for run in unfinished:
            last = run.started_at + timedelta(seconds=run.at)
            heard[run.group] = max(last, heard.get(run.group, last))
        # What is under way there first: it has its place, and the rest of its group waits for one.
        for run in sorted(unfinished, key=lambda run: not is_under_way(run)):
            log.info("run %s: taken up in step %s", run.id, run.step)
            unsent = not is_under_way(run)
            error: WaveSpeedError | None = None
            if run.own_key:
                error = KeyNeeded("The server was restarted, and forgot your key.")
            elif run.account != self._service:
                # Money of another account: it waits until the server is started with that again.
                log.warning("run %s: belongs to %s", run.id, run.account)
                if not unsent:
                    continue
                error = Interrupted("The server was restarted with another service.")
            elif unsent and run.model != self._model:
                # Neither to the model that the owner has left, nor to one at another price.
                error = Interrupted("The server was restarted with another model.")
            elif unsent and datetime.now(UTC) - heard[run.group] > STALE:
                error = Interrupted("The server was restarted before this was sent.")
            if error is None:
                self._spawn(run, self._client)
                continue
            self._board.publish(run)
            error.spent = run.spent
            ends = Failed if unsent else Lost  # Unsent: there is nothing to look for.
            await self._driver.end(run, ends(age(run), error))

    async def _answered(self, run_id: str) -> None:
        """Waits until the run's submission has an answer."""
        async with aclosing(self.watch(run_id)) as runs:
            async for run in runs:
                if not is_lost(run):
                    return

    def live(self) -> frozenset[str]:
        """The ids of the runs under way."""
        return frozenset(self._tasks)

    async def close(self) -> None:
        """Ends all watching at the service; the edits there go on, and so will their runs.

        A submission under way gets a few seconds for its answer, which nobody could find later
        with certainty.
        """
        lost = [
            run_id for run_id in self._tasks if (run := self._board.get(run_id)) and is_lost(run)
        ]
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
        self._board.publish(run)
        task = asyncio.create_task(self._driver.live(run, client), name=f"run {run.id}")
        self._tasks[run.id] = task

        def over(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(run.id) is ended:  # Else the run was taken up again already.
                del self._tasks[run.id]

        task.add_done_callback(over)

    def _new(self, visitor: str, edit: Edit | None, own: AsyncClient | None) -> Run:
        run_id = uuid.uuid4().hex
        return Run(
            id=run_id,
            group=run_id,
            visitor=visitor,
            edit=edit,
            started_at=datetime.now(UTC),
            own_key=own is not None,
            account=VISITORS if own else self._service,
        )
