"""One run from wherever it is to its end: what is asked of the client, and what is written down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from wavespeed import AsyncClient, Edit, Prediction, WaveSpeedError
from wavespeed.errors import AmbiguousSubmit, InvalidEdit
from wavespeed.events import (
    Completed,
    Downloaded,
    Event,
    Finished,
    Submitted,
    Submitting,
    Uploading,
    Waiting,
)
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.decoding.upload_memory import UploadMemory
from wavespeed.studio.logs import RUN

from .errors import InvalidOutput, StoreWriteFailed
from .files import RunFiles, sha256
from .inputs import Inputs
from .metadata import read
from .recovery import matching_predictions, search_window
from .repository import RunRepository
from .run import (
    AwaitingSlot,
    Failed,
    OutcomeUnknown,
    OutputFile,
    Recovered,
    RecoveryStarted,
    Run,
    Saved,
)
from .store import Store, StoreError

log = logging.getLogger("wavespeed.studio")

RECOVERY_DELAYS = (2.0, 8.0)
"""Seconds before each look for a lost submission; the list may lag behind."""
DOWNLOAD_TRIES = 3
"""Tries to get a picture that can be decoded."""
SAVE_RETRY_DELAY = 5.0
"""Seconds until a run that could not be written down is written again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_usd` and `visitor_edits` are of a UTC day, None: no limit; `parallel` is how many
    edits of one group are under way at once; for the last two see `Inputs`."""

    budget_usd: float | None = None
    visitor_edits: int | None = None
    parallel: int = 2
    visitor_bytes: int | None = None
    disk_bytes: int | None = None


class RunExecutor:
    """Lives the runs; whose they are and when they begin is the runner's business."""

    def __init__(self, runs: RunRepository, store: Store, folder: Path, limits: Limits) -> None:
        self._runs = runs
        self._store = store
        self.files = RunFiles(folder)
        self.inputs = Inputs(folder, store, limits.visitor_bytes, limits.disk_bytes)
        self._limits = limits
        # Of each group; gone with the last of its tasks.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._keeping = asyncio.Lock()
        self._upload_memory = UploadMemory()
        self._unwritten: dict[str, asyncio.Task[None]] = {}
        self.median_duration: float | None = None

    async def learn_median(self) -> None:
        """Looks up how long edits take here."""
        self.median_duration = await asyncio.to_thread(self._store.median_duration)

    async def run(self, run: Run, client: AsyncClient) -> None:
        """The whole of a run's life, which ends in words whatever happens."""
        RUN.set(run.id)
        try:
            place = self._slot(run)
            if place.locked():
                self._publish(run := run.apply(AwaitingSlot(age_of(run))))
                async with self._keeping:  # One after another: so their turns come in their order.
                    # It may wait for long, and an upload is cleaned away after a day or a restart.
                    run = await in_thread(self._prepare_run, run)
                    run = await in_thread(self.inputs.copy_inputs, run)
                    await self.save_and_publish(run := run.apply(AwaitingSlot(age_of(run))))
            async with place:
                await self._run_from_step(run, client)
            await self.learn_median()
        except AmbiguousSubmit as error:
            log.warning("run %s: %s", run.id, error, exc_info=error)
            await self.finish(run, OutcomeUnknown(age_of(run), error))
        except WaveSpeedError as error:
            # A refused file says all there is; anything else may need its cause to be understood.
            cause = None if isinstance(error, InvalidEdit) else error
            log.warning("run %s: %s", run.id, error, exc_info=cause)
            await self.finish(run, Failed(age_of(run), error))
        except Exception as error:  # Whatever broke, a run ends in words.
            log.exception("run %s broke", run.id)
            if self._with_elapsed(run).is_finished:
                return
            broken = WaveSpeedError(
                "The studio itself failed.", spent=self._with_elapsed(run).spent
            )
            broken.__cause__ = error
            await self.finish(run, Failed(age_of(run), broken))

    async def finish(self, run: Run, event: Failed | OutcomeUnknown) -> None:
        """The run ends in an error."""
        run = self._with_elapsed(run)
        if run.prediction is not None:
            event.error.prediction_id = run.prediction.id
            if event.error.spent == "no":
                event.error.spent = "yes"  # It was accepted, whatever went wrong since.
        await self.save_and_publish(run.apply(event))

    async def save_and_publish(self, run: Run) -> None:
        """Writes the run down, and shows it to whoever watches. With a full disk it is only shown,
        and written as soon as there is room: what it knows must not be lost from memory too."""
        try:
            await asyncio.to_thread(self._store.save, run)
        except StoreError:
            log.exception("run %s could not be written down; trying again", run.id)
            if run.id not in self._unwritten:
                self._unwritten[run.id] = asyncio.create_task(self._save_later(run.id))
        self._publish(run)

    async def _save_later(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(SAVE_RETRY_DELAY)
            run = self._runs.latest(run_id)
            with suppress(StoreError):
                if run is not None:
                    await asyncio.to_thread(self._store.save, run)
                del self._unwritten[run_id]
                return

    def _slot(self, run: Run) -> asyncio.Semaphore:
        """Where the run waits until it may begin. What is at the service already takes a place, so
        that others wait for it, but waits for none itself."""
        place = self._places.get(run.group_id)
        if place is None:
            self._places[run.group_id] = place = asyncio.Semaphore(self._limits.parallel)
        return asyncio.Semaphore() if is_under_way(run) and place.locked() else place

    def _prepare_run(self, run: Run) -> Run:
        """The run with the one that made its first picture. Blocking."""
        if age_of(run) > 1.0:  # It was held, or a restart came: its time begins now.
            run = replace(run, started_at=datetime.now(UTC), elapsed=0.0, step_started=())
        parent = self._parent_of(run.pictures[0], run.visitor_id) if run.pictures else None
        return replace(run, parent_id=parent.id) if parent else run

    def _parent_of(self, picture: Path, visitor_id: str) -> Run | None:
        """The visitor's run whose result the picture is. Blocking."""
        recipe = read(picture)
        if recipe is not None:
            return self._store.by_prediction(recipe.prediction_id, visitor_id)
        return self._store.by_output(sha256(picture), visitor_id)

    async def _run_from_step(self, run: Run, client: AsyncClient) -> None:
        """From wherever the run is to its end."""
        if not is_under_way(run):
            run = await in_thread(self._prepare_run, run)
            assert run.edit is not None
            await self.save_and_publish(run)
            try:
                return await self._apply_all(run, client, self._edit_events(run.edit, client), 0.0)
            except AmbiguousSubmit as error:
                lost = error
        else:
            lost = AmbiguousSubmit("The server was restarted while it sent this.")
        run = self._with_elapsed(run)
        if run.edit is None:  # What was made elsewhere stays there, where there is no room here.
            await asyncio.to_thread(self.inputs.check_room, run)
        if run.prediction is None:
            run = await self._recover(run, client, lost)
        assert run.prediction is not None
        began = age_of(run)
        accepted = None if run.sent_at is None else began - run.sent_at
        source = client.watch(run.prediction.id, age=accepted)
        await self._apply_all(run, client, source, began)

    async def _edit_events(self, edit: Edit, client: AsyncClient) -> AsyncGenerator[Event]:
        """The client's events, once there is memory for the pictures, which are let go of when they
        are uploaded: before `Submitting`."""
        began = time.monotonic()
        async with self._upload_memory.reserved(len(edit.images)) as memory:
            waited = time.monotonic() - began
            async with aclosing(client.edit(edit)) as events:
                async for event in events:
                    if isinstance(event, Uploading):
                        memory.shrink(sum(one.size_bytes for one in event.preprocessing if one))
                    elif isinstance(event, Submitting):
                        memory.shrink(0)
                    yield replace(event, elapsed=event.elapsed + waited)

    async def _apply_all(
        self, run: Run, client: AsyncClient, source: AsyncGenerator[Event], began: float
    ) -> None:
        """Applies each event; they count from `began` seconds after the run's start."""
        async with aclosing(source) as events:
            async for event in events:
                run = await self._apply(run, client, replace(event, elapsed=event.elapsed + began))

    async def _apply(self, run: Run, client: AsyncClient, event: Event) -> Run:
        """The run after the event, and after what the event asks of us. The client goes on, and a
        submission leaves, when this returns: by then it is written down."""
        if isinstance(event, Downloaded) and len(run.results) > event.index:
            return run  # Fetched again, saved already.
        run = run.apply(event)
        match event:
            case Uploading():  # All of it was read and found to be pictures.
                run = await asyncio.to_thread(partial(self.inputs.copy_inputs, run, checked=True))
                self._publish(run)
            case Submitting():
                self._publish(run)  # From here on it can't be stopped any more, only then written.
                await self._reserve(run)
            case Downloaded():
                result = await self._save_output(run, client, event)
                run = run.apply(Saved(age_of(run), result))
                await self.save_and_publish(run)
            case Waiting() | Submitted() | Completed() | Finished():
                await self.save_and_publish(run)
            case _:
                self._publish(run)
        return run

    async def _reserve(self, run: Run) -> None:
        try:
            await asyncio.to_thread(
                self._store.reserve,
                run,
                now=datetime.now(UTC),
                budget_usd=self._limits.budget_usd,
                visitor_edits=self._limits.visitor_edits,
            )
        except StoreError as error:
            raise StoreWriteFailed(
                "This server could not write the edit down, so it was not sent."
            ) from error

    async def _save_output(self, run: Run, client: AsyncClient, event: Downloaded) -> OutputFile:
        """The picture on the disk; one that arrived broken is fetched again a few times."""
        assert run.prediction is not None
        output = run.prediction.outputs[event.index]
        for attempt in range(1, DOWNLOAD_TRIES + 1):
            try:
                return await in_thread(self.files.save, run, event)
            except InvalidOutput:
                if attempt == DOWNLOAD_TRIES or output.url is None:
                    raise
                event = replace(event, content=await client.download(output))
        raise AssertionError("the last try returns or raises")

    async def _recover(self, run: Run, client: AsyncClient, ambiguous: AmbiguousSubmit) -> Run:
        """Looks through the service's list for a submission whose answer was lost: among the
        tasks of the model that the run asked, whichever is asked by now.

        Raises `lost` unless exactly one task can be it and no other run can claim that one.
        """
        sent = run.started_at + timedelta(seconds=run.sent_at or 0.0)
        for pause in RECOVERY_DELAYS:
            await self.save_and_publish(run.apply(RecoveryStarted(age_of(run), pause, ambiguous)))
            await asyncio.sleep(pause)
            after, before = search_window(sent, client.clock_offset)
            found: list[Prediction] = []
            with suppress(WaveSpeedError):  # A list that can't be had proves nothing either way.
                found = await client.list_predictions(
                    created_after=after, created_before=before, model=run.model
                )
            known = await asyncio.to_thread(
                self._store.existing_prediction_ids, [task.id for task in found]
            )
            # Its answer may have been the first to tell what the service's clock says.
            fits = search_window(sent, client.clock_offset)
            candidates = matching_predictions(found, known, fits, run.model)
            rivals = await asyncio.to_thread(self._store.ambiguous_submissions, run, sent)
            if len(candidates) == 1 and not rivals:
                run = run.apply(Recovered(age_of(run), candidates[0]))
                await self.save_and_publish(run)
                return run
        raise ambiguous

    def _publish(self, run: Run) -> None:
        log.info("run %s %.2f s: %s, %s", run.id, run.elapsed, run.state, run.step)
        self._runs.publish(run)

    def _with_elapsed(self, run: Run) -> Run:
        return self._runs.latest(run.id) or run


def age_of(run: Run) -> float:
    """Seconds since the run began, by the calendar: a restart may lie between."""
    return max(0.0, (datetime.now(UTC) - run.started_at).total_seconds())


def is_under_way(run: Run) -> bool:
    """Whether it may be at the service."""
    return run.in_flight or run.prediction is not None


def is_awaiting_answer(run: Run) -> bool:
    """Whether a submission of it is out without an id: any new task may be its own."""
    return run.in_flight and run.prediction is None
