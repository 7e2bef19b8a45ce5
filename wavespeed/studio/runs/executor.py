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

from wavespeed import (
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
    Uploading,
    Waiting,
    WaveSpeedError,
)
from wavespeed.studio.decoding.decoder import in_thread
from wavespeed.studio.decoding.upload_memory import UploadMemory
from wavespeed.studio.logs import RUN

from .board import Board
from .errors import NoPicture, Unwritten
from .files import Files, sha256
from .inputs import Inputs
from .metadata import read
from .recovery import fitting, window
from .run import Failed, Found, Held, Lost, Result, Run, Saved, Searching
from .store import Store, StoreError

log = logging.getLogger("wavespeed.studio")

LOOKS = (2.0, 8.0)
"""Seconds before each look for a lost submission; the list may lag behind."""
DOWNLOADS = 3
"""Tries to get a picture that can be decoded."""
WRITE_AGAIN = 5.0
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


class Driver:
    """Lives the runs; whose they are and when they begin is the runner's business."""

    def __init__(self, board: Board, store: Store, folder: Path, limits: Limits) -> None:
        self._board = board
        self._store = store
        self.files = Files(folder)
        self.inputs = Inputs(folder, store, limits.visitor_bytes, limits.disk_bytes)
        self._limits = limits
        # Of each group; gone with the last of its tasks.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._keeping = asyncio.Lock()
        self._upload_memory = UploadMemory()
        self._unwritten: dict[str, asyncio.Task[None]] = {}
        self.usual: float | None = None

    async def learn_usual(self) -> None:
        """Looks up how long edits take here."""
        self.usual = await asyncio.to_thread(self._store.usual)

    async def live(self, run: Run, client: AsyncClient) -> None:
        """The whole of a run's life, which ends in words whatever happens."""
        RUN.set(run.id)
        try:
            place = self._place(run)
            if place.locked():
                self._publish(run := run.after(Held(age(run))))
                async with self._keeping:  # One after another: so their turns come in their order.
                    # It may wait for long, and an upload is cleaned away after a day or a restart.
                    run = await in_thread(self._begun, run)
                    run = await in_thread(self.inputs.keep, run)
                    await self.tell(run := run.after(Held(age(run))))
            async with place:
                await self._go(run, client)
            await self.learn_usual()
        except AmbiguousSubmit as error:
            log.warning("run %s: %s", run.id, error, exc_info=error)
            await self.end(run, Lost(age(run), error))
        except WaveSpeedError as error:
            # A refused file says all there is; anything else may need its cause to be understood.
            cause = None if isinstance(error, InvalidEdit) else error
            log.warning("run %s: %s", run.id, error, exc_info=cause)
            await self.end(run, Failed(age(run), error))
        except Exception as error:  # Whatever broke, a run ends in words.
            log.exception("run %s broke", run.id)
            if self._now(run).is_over:
                return
            broken = WaveSpeedError("The studio itself failed.", spent=self._now(run).spent)
            broken.__cause__ = error
            await self.end(run, Failed(age(run), broken))

    async def end(self, run: Run, event: Failed | Lost) -> None:
        """The run ends in an error."""
        run = self._now(run)
        if run.prediction is not None:
            event.error.prediction_id = run.prediction.id
            if event.error.spent == "no":
                event.error.spent = "yes"  # It was accepted, whatever went wrong since.
        await self.tell(run.after(event))

    async def tell(self, run: Run) -> None:
        """Writes the run down, and shows it to whoever watches. With a full disk it is only shown,
        and written as soon as there is room: what it knows must not be lost from memory too."""
        try:
            await asyncio.to_thread(self._store.save, run)
        except StoreError:
            log.exception("run %s could not be written down; trying again", run.id)
            if run.id not in self._unwritten:
                self._unwritten[run.id] = asyncio.create_task(self._write_later(run.id))
        self._publish(run)

    async def _write_later(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(WRITE_AGAIN)
            run = self._board.get(run_id)
            with suppress(StoreError):
                if run is not None:
                    await asyncio.to_thread(self._store.save, run)
                del self._unwritten[run_id]
                return

    def _place(self, run: Run) -> asyncio.Semaphore:
        """Where the run waits until it may begin. What is at the service already takes a place, so
        that others wait for it, but waits for none itself."""
        place = self._places.get(run.group)
        if place is None:
            self._places[run.group] = place = asyncio.Semaphore(self._limits.parallel)
        return asyncio.Semaphore() if is_under_way(run) and place.locked() else place

    def _begun(self, run: Run) -> Run:
        """The run with the one that made its first picture. Blocking."""
        if age(run) > 1.0:  # It was held, or a restart came: its time begins now.
            run = replace(run, started_at=datetime.now(UTC), at=0.0, began=())
        parent = self._maker(run.pictures[0], run.visitor) if run.pictures else None
        return replace(run, parent=parent.id) if parent else run

    def _maker(self, picture: Path, visitor: str) -> Run | None:
        """The visitor's run whose result the picture is. Blocking."""
        recipe = read(picture)
        if recipe is not None:
            return self._store.of_prediction(recipe.prediction_id, visitor)
        return self._store.of_result(sha256(picture), visitor)

    async def _go(self, run: Run, client: AsyncClient) -> None:
        """From wherever the run is to its end."""
        if not is_under_way(run):
            run = await in_thread(self._begun, run)
            assert run.edit is not None
            await self.tell(run)
            try:
                return await self._drive(run, client, self._edited(run.edit, client), 0.0)
            except AmbiguousSubmit as error:
                lost = error
        else:
            lost = AmbiguousSubmit("The server was restarted while it sent this.")
        run = self._now(run)
        if run.edit is None:  # What was made elsewhere stays there, where there is no room here.
            await asyncio.to_thread(self.inputs.check_room, run)
        if run.prediction is None:
            run = await self._search(run, client, lost)
        assert run.prediction is not None
        began = age(run)
        accepted = None if run.sent_at is None else began - run.sent_at
        source = client.watch(run.prediction.id, age=accepted)
        await self._drive(run, client, source, began)

    async def _edited(self, edit: Edit, client: AsyncClient) -> AsyncGenerator[Event]:
        """The client's events, once there is memory for the pictures, which are let go of when they
        are uploaded: before `Submitting`."""
        began = time.monotonic()
        async with self._upload_memory.reserved(len(edit.images)) as memory:
            waited = time.monotonic() - began
            async with aclosing(client.edit(edit)) as events:
                async for event in events:
                    if isinstance(event, Uploading):
                        memory.shrink(sum(one.size_bytes for one in event.changes if one))
                    elif isinstance(event, Submitting):
                        memory.shrink(0)
                    yield replace(event, at=event.at + waited)

    async def _drive(
        self, run: Run, client: AsyncClient, source: AsyncGenerator[Event], began: float
    ) -> None:
        """Lives through the events, which count from `began` seconds after the run's start."""
        async with aclosing(source) as events:
            async for event in events:
                run = await self._take(run, client, replace(event, at=event.at + began))

    async def _take(self, run: Run, client: AsyncClient, event: Event) -> Run:
        """The run after the event, and after what the event asks of us. The client goes on, and a
        submission leaves, when this returns: by then it is written down."""
        if isinstance(event, Downloaded) and len(run.results) > event.index:
            return run  # Fetched again, saved already.
        run = run.after(event)
        match event:
            case Uploading():  # All of it was read and found to be pictures.
                run = await asyncio.to_thread(partial(self.inputs.keep, run, checked=True))
                self._publish(run)
            case Submitting():
                self._publish(run)  # From here on it can't be stopped any more, only then written.
                await self._reserve(run)
            case Downloaded():
                result = await self._saved(run, client, event)
                run = run.after(Saved(age(run), result))
                await self.tell(run)
            case Waiting() | Submitted() | Completed() | Finished():
                await self.tell(run)
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
            raise Unwritten(
                "This server could not write the edit down, so it was not sent."
            ) from error

    async def _saved(self, run: Run, client: AsyncClient, event: Downloaded) -> Result:
        """The picture on the disk; one that arrived broken is fetched again a few times."""
        assert run.prediction is not None
        output = run.prediction.outputs[event.index]
        for attempt in range(1, DOWNLOADS + 1):
            try:
                return await in_thread(self.files.save, run, event)
            except NoPicture:
                if attempt == DOWNLOADS or output.url is None:
                    raise
                event = replace(event, content=await client.download(output))
        raise AssertionError("the last try returns or raises")

    async def _search(self, run: Run, client: AsyncClient, lost: AmbiguousSubmit) -> Run:
        """Looks through the service's list for a submission whose answer was lost: among the
        tasks of the model that the run asked, whichever is asked by now.

        Raises `lost` unless exactly one task can be it and no other run can claim that one.
        """
        sent = run.started_at + timedelta(seconds=run.sent_at or 0.0)
        for pause in LOOKS:
            await self.tell(run.after(Searching(age(run), pause, lost)))
            await asyncio.sleep(pause)
            after, before = window(sent, client.clock_offset)
            found: list[Prediction] = []
            with suppress(WaveSpeedError):  # A list that can't be had proves nothing either way.
                found = await client.recent(
                    created_after=after, created_before=before, model=run.model
                )
            known = await asyncio.to_thread(self._store.known, [task.id for task in found])
            # Its answer may have been the first to tell what the service's clock says.
            fits = window(sent, client.clock_offset)
            candidates = fitting(found, known, fits, run.model)
            rivals = await asyncio.to_thread(self._store.rivals, run, sent)
            if len(candidates) == 1 and not rivals:
                run = run.after(Found(age(run), candidates[0]))
                await self.tell(run)
                return run
        raise lost

    def _publish(self, run: Run) -> None:
        log.info("run %s %.2f s: %s, %s", run.id, run.at, run.state, run.step)
        self._board.publish(run)

    def _now(self, run: Run) -> Run:
        return self._board.get(run.id) or run


def age(run: Run) -> float:
    """Seconds since the run began, by the calendar: a restart may lie between."""
    return max(0.0, (datetime.now(UTC) - run.started_at).total_seconds())


def is_under_way(run: Run) -> bool:
    """Whether it may be at the service."""
    return run.in_flight or run.prediction is not None


def is_lost(run: Run) -> bool:
    """Whether a submission of it is out without an id: any new task may be its own."""
    return run.in_flight and run.prediction is None
