"""The tasks that own runs: start, watch, stop, take up again. A browser only ever watches."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wavespeed import MODEL, PRICE_USD, AsyncClient, Edit, Prediction, WaveSpeedError
from wavespeed.studio.decoding.decoder import in_thread

from .errors import ApiKeyRequired, Interrupted
from .executor import Limits, RunExecutor, age_of, is_awaiting_answer, is_under_way
from .repository import RunRepository
from .run import VISITORS, Failed, OutcomeUnknown, Recovered, Run, Stopped
from .store import Store, StoreError

log = logging.getLogger("wavespeed.studio")

MAX_RESUME_AGE = timedelta(minutes=10)
"""An edit that a restart found unsent is sent after all, but not when its person is long gone."""
DAY = 86_400.0
MAX_PRESSES = 10_000
"""Remembered in memory; a run's press is in the store within a moment."""
SHUTDOWN_TIMEOUT = 5.0
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
        self.runs = RunRepository(store)
        limits = limits or Limits()
        self.parallel = limits.parallel
        self._executor = RunExecutor(self.runs, store, folder, limits)
        self._inputs = self._executor.inputs
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._presses: dict[tuple[str, str], None] = {}  # Oldest first.

    # --- For the page -----------------------------------------------------------------------

    def start(
        self,
        edit: Edit,
        visitor_id: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
    ) -> Run:
        """Starts the edit and returns at once; the run goes on whoever watches.

        A `client` with the visitor's own key is used for this run alone. `price_usd` is what the
        visitor was told that it costs, None where nobody knew.
        """
        return self.start_group([edit], visitor_id, client, price_usd)[0]

    def start_group(
        self,
        edits: Sequence[Edit],
        visitor_id: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
        *,
        batch: bool = False,
        press_id: str = "",
    ) -> tuple[Run, ...]:
        """Starts edits that belong together, as many of them at once as the account allows; each
        goes its own way. A `batch` has a picture for each instead of variants of one."""
        runs = [self._new(visitor_id, edit, client) for edit in edits]
        # An id of its own, so that one of several can be looked at alone.
        group_id = uuid.uuid4().hex if len(runs) > 1 else runs[0].id
        runs = [
            replace(
                run,
                group_id=group_id,
                position=number,
                price_usd=price_usd,
                batch=batch,
                press_id=press_id,
            )
            for number, run in enumerate(runs)
        ]
        for run in runs:
            self._spawn(run, client or self._client)
        return tuple(runs)

    async def is_new(self, press_id: str, visitor_id: str) -> bool:
        """Whether this press of a visitor's begins something; asked once, it never does again, not
        after a restart either, since it is written down with its runs."""
        if (visitor_id, press_id) in self._presses:
            return False
        self._presses[visitor_id, press_id] = None  # Before anything is awaited: of two one begins.
        while len(self._presses) > MAX_PRESSES:
            del self._presses[next(iter(self._presses))]
        try:
            return not await asyncio.to_thread(self._store.has_press, press_id, visitor_id)
        except StoreError:
            self._presses.pop((visitor_id, press_id), None)  # It began nothing, and may yet.
            raise

    async def fetch(
        self, prediction: Prediction, visitor_id: str, client: AsyncClient | None = None
    ) -> Run:
        """A run of a task that was made elsewhere, or the visitor's own that made it; costs
        nothing."""
        existing = await self.runs.by_prediction(
            prediction.id, visitor_id
        )  # Of two presses one fetches.
        if existing is not None:
            if existing.state != "done":
                await self.recheck(existing.id, visitor_id, client)
            return self.runs.latest(existing.id) or existing
        run = self._new(visitor_id, None, client)
        run = run.apply(
            Recovered(0.0, replace(prediction, status="processing"))
        )  # Past the queue, for us.
        self._spawn(run, client or self._client)
        return run

    async def wait_until_finished(self, run_id: str) -> Run:
        """The run once it is over."""
        async with aclosing(self.runs.watch(run_id)) as runs:
            async for run in runs:
                if run.is_finished:
                    return run
        raise KeyError(run_id)

    async def stop(self, run_id: str) -> Run | None:
        """Ends the run if nothing that costs money was sent, else leaves it alone: there is no
        call that cancels an edit at the service. The run as it is then, its pictures kept.

        The client yields before it sends and we answer on the same loop, so between the look and
        the cancellation no request can leave.
        """
        run, task = self.runs.latest(run_id), self._tasks.get(run_id)
        if run is None or task is None or run.in_flight or run.is_finished:
            return run
        task.cancel()
        await asyncio.wait([task])
        run = self.runs.latest(run.id) or run
        with suppress(WaveSpeedError):  # What is no picture, or has no room, is not kept.
            run = await in_thread(self._inputs.copy_inputs, run)
        stopped = run.apply(Stopped(age_of(run)))
        await self._executor.save_and_publish(stopped)
        return stopped

    async def recheck(
        self, run_id: str, visitor_id: str, client: AsyncClient | None = None
    ) -> bool:
        """Asks once more for what may be at the service: costs nothing, sends no edit.

        False where there is nothing to ask for.
        """
        run = await self.runs.get(run_id, visitor_id)
        run = run and (
            self.runs.latest(run_id) or run
        )  # As in `resume`: of two presses one begins.
        if run is None or not run.is_finished or not (run.prediction or run.state == "unknown"):
            return False
        if (run.uses_visitor_key and client is None) or run.payer not in (VISITORS, self._service):
            return False
        # A task is asked for with the key it was made under.
        asking = client if run.uses_visitor_key and client else self._client
        self._spawn(replace(run, state="running"), asking)
        return True

    async def resume(
        self,
        run_id: str,
        visitor_id: str,
        client: AsyncClient | None = None,
        price_usd: float | None = PRICE_USD,
    ) -> None:
        """Goes on with a run that was stopped before anything was sent, under the key it had: the
        visitor's own has to be there again."""
        run = await self.runs.get(run_id, visitor_id)
        # Nothing is awaited between this look and the start: two presses make one edit.
        run = run and (self.runs.latest(run_id) or run)
        if run is None or run.state != "stopped" or run.edit is None or run_id in self._tasks:
            return
        payer_client = client if run.uses_visitor_key else self._client
        if payer_client is not None and run.payer in (VISITORS, self._service):
            edit = replace(run.edit, model=self._model)
            self._spawn(replace(run, state="running", edit=edit, price_usd=price_usd), payer_client)

    def retry(
        self, run: Run, client: AsyncClient | None, price_usd: float | None, press_id: str = ""
    ) -> None:
        """Sends the edit of a run once more, in the same place of its group; but one that stands
        there by now was sent by another press."""
        assert run.edit is not None
        if any(
            other.position == run.position and other.attempt > run.attempt
            for other in self.runs.attempts(run.group_id)
        ):
            return
        new = replace(
            self._new(run.visitor_id, replace(run.edit, model=self._model), client),
            group_id=run.group_id,
            position=run.position,
            batch=run.batch,
            price_usd=price_usd,
            attempt=run.attempt + 1,
            press_id=press_id,
        )
        self._spawn(new, client or self._client)

    async def delete(self, run_id: str, visitor_id: str) -> list[Path]:
        """Deletes a visitor's run that is over, its pictures and results, from this machine, but
        no picture that another run uses. Returns the files that are gone."""
        run = await self.runs.get(run_id, visitor_id)
        if run is None or not run.is_finished:
            return []
        files = await asyncio.to_thread(self._inputs.delete, run)
        self.runs.remove(run_id)
        return files

    async def purge_expired(self, keep_days: float | None) -> None:
        """Once a day, forever: deletes the runs of all visitors that are older (None: never)."""
        while keep_days is not None:
            oldest = datetime.now(UTC) - timedelta(days=keep_days)
            try:
                for run in await asyncio.to_thread(self._store.finished_before, oldest):
                    await self.delete(run.id, run.visitor_id)
            except (OSError, StoreError):
                log.exception("what is too old could not be deleted; tomorrow again")
            await asyncio.sleep(DAY)

    @property
    def median_duration(self) -> float | None:
        """What an edit usually takes here, in seconds; see `Store.median_duration`."""
        return self._executor.median_duration

    # --- For main ---------------------------------------------------------------------------

    async def resume_unfinished(self) -> None:
        """Goes on with everything that an earlier process left unfinished."""
        await self._executor.learn_median()
        await asyncio.to_thread(self._executor.files.remove_partial_files)
        await asyncio.to_thread(self._inputs.remove_orphans)
        unfinished = await asyncio.to_thread(self._store.unfinished)
        last_activity = _last_activity(unfinished)
        # What is under way there first: it has its place, and the rest of its group waits for one.
        for run in sorted(unfinished, key=lambda run: not is_under_way(run)):
            log.info("run %s: taken up in step %s", run.id, run.step)
            if is_under_way(run) and not run.uses_visitor_key and run.payer != self._service:
                # Money of another account: it waits until the server is started with that again.
                log.warning("run %s: belongs to %s", run.id, run.payer)
                continue
            error = self._restart_error(run, last_activity[run.group_id])
            if error is None:
                self._spawn(run, self._client)
            else:
                await self._end_at_restart(run, error)

    def _restart_error(self, run: Run, last_activity: datetime) -> WaveSpeedError | None:
        """Why a run does not go on after a restart; None where it does."""
        if run.uses_visitor_key:
            return ApiKeyRequired("The server was restarted, and forgot your key.")
        if is_under_way(run):
            return None
        if run.payer != self._service:
            return Interrupted("The server was restarted with another service.")
        if run.model != self._model:
            # Neither to the model that the owner has left, nor to one at another price.
            return Interrupted("The server was restarted with another model.")
        if datetime.now(UTC) - last_activity > MAX_RESUME_AGE:
            return Interrupted("The server was restarted before this was sent.")
        return None

    async def _end_at_restart(self, run: Run, error: WaveSpeedError) -> None:
        self.runs.publish(run)
        error.spent = run.spent
        # Of what was not sent there is nothing to look for.
        end = OutcomeUnknown if is_under_way(run) else Failed
        await self._executor.finish(run, end(age_of(run), error))

    async def _wait_for_answer(self, run_id: str) -> None:
        """Waits until the run's submission has an answer."""
        async with aclosing(self.runs.watch(run_id)) as runs:
            async for run in runs:
                if not is_awaiting_answer(run):
                    return

    def active_ids(self) -> frozenset[str]:
        """The ids of the runs under way."""
        return frozenset(self._tasks)

    async def close(self) -> None:
        """Ends all watching at the service; the edits there go on, and so will their runs.

        A submission under way gets a few seconds for its answer, which nobody could find later
        with certainty.
        """
        lost = [
            run_id
            for run_id in self._tasks
            if (run := self.runs.latest(run_id)) and is_awaiting_answer(run)
        ]
        answers = [asyncio.create_task(self._wait_for_answer(run_id)) for run_id in lost]
        late = (await asyncio.wait(answers, timeout=SHUTDOWN_TIMEOUT))[1] if answers else set()
        for answer in late:
            answer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- A run's own task -------------------------------------------------------------------

    def _spawn(self, run: Run, client: AsyncClient) -> None:
        self.runs.publish(run)
        task = asyncio.create_task(self._executor.run(run, client), name=f"run {run.id}")
        self._tasks[run.id] = task

        def over(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(run.id) is ended:  # Else the run was taken up again already.
                del self._tasks[run.id]

        task.add_done_callback(over)

    def _new(self, visitor_id: str, edit: Edit | None, client: AsyncClient | None) -> Run:
        run_id = uuid.uuid4().hex
        return Run(
            id=run_id,
            group_id=run_id,
            visitor_id=visitor_id,
            edit=edit,
            started_at=datetime.now(UTC),
            uses_visitor_key=client is not None,
            payer=VISITORS if client else self._service,
        )


def _last_activity(runs: Iterable[Run]) -> dict[str, datetime]:
    """The last sign of life of each group."""
    found: dict[str, datetime] = {}
    for run in runs:
        last = run.started_at + timedelta(seconds=run.elapsed)
        found[run.group_id] = max(last, found.get(run.group_id, last))
    return found
