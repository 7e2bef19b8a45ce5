"""The service's calls as methods, and an edit as a stream of events.

Money moves in one request alone, the submission; everything else may be repeated. What may be
sent again, and when, is decided in `_policies`; the requests themselves are in `_api`.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from ._api import PAGE_SIZE, Api
from ._durations import Durations, life
from ._policies import Pace
from ._pool import ConnectionPool
from ._responses import task_error
from ._transport import BearerAuth, Transport
from ._uploads import UNREADABLE, Clock, EditImages, OnRetry, Prepare, Uploads
from .errors import (
    ApiError,
    EditFailed,
    EditTimeout,
    FileUnavailable,
    MissingOutputs,
    PredictionNotFound,
    WaveSpeedError,
)
from .types import (
    MODEL,
    Completed,
    Downloaded,
    Edit,
    Event,
    Finished,
    Image,
    Output,
    Polled,
    Prediction,
    Preparing,
    Submitted,
    Submitting,
    Uploaded,
    Uploading,
    Waiting,
)

BASE_URL = "https://api.wavespeed.ai"
MAX_PAGES = 10
"""Of the list of predictions: a thousand are more than any recovery looks through."""

T = TypeVar("T")
Emit = Callable[[Event], None]


class AsyncClient:
    """WaveSpeed's image edit, over one pool of connections.

    Use as `async with AsyncClient(key) as client`; an `http` of one's own is shared, not closed.
    A file that was uploaded within the hour is not uploaded again. How long tasks take is learned
    in `_durations`, which clients of one service may share. `now` is a clock, in seconds.
    Pictures are made ready in threads, unless `prepare` does it elsewhere.
    Every method raises `WaveSpeedError`s only; a key that can't be one is a `InvalidApiKey` at
    once. The key goes to `base_url` alone, never to the hosts that keep the files.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        pace: Pace | None = None,
        http: ConnectionPool | None = None,
        durations: Durations | None = None,
        now: Clock = time.monotonic,
        prepare: Prepare | None = None,
    ) -> None:
        key = BearerAuth(api_key)
        del api_key  # Tools that print a traceback with its variables must not find it.
        key.check()
        self._pace = pace or Pace()
        self._transport = Transport(key, base_url=base_url, pace=self._pace, http=http)
        self._calls = Api(self._transport, self._pace)
        self._durations = durations or Durations()
        self._now = now
        self._uploads = Uploads(self._upload, now, prepare)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.close()

    @property
    def usual(self) -> float | None:
        """Seconds that an edit usually is at the service, from those that this process saw end;
        None before there are three."""
        return self._durations.usual

    @property
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of this machine's, by its last answer; zero before
        the first. What it says of when a task was created counts by its clock."""
        return self._transport.clock_offset

    # --- An edit, as a stream of events -----------------------------------------------------

    async def edit(self, edit: Edit) -> AsyncGenerator[Event]:
        """Everything from the files to the result, event by event; `Finished` is the last.

        `Submitting` comes before the request that costs money, which goes out when the next event
        is asked for. Closing the generator stops the watching, never the edit at the service.
        """
        clock = self._clock()
        with closing(self._uploads.of_edit(edit.images)) as batch:
            yield Preparing(clock())
            changes = await batch.prepare()
            yield Uploading(clock(), changes)
            urls: tuple[str, ...] = ()
            async with aclosing(_stream(partial(_upload_all, batch, clock))) as events:
                async for event in events:
                    urls = event.urls if isinstance(event, Uploaded) else urls
                    yield event
        # From here on nobody needs the pictures, up to 67 MB, during the minutes of waiting.
        try:
            async with aclosing(self._submit_and_poll(edit, urls, clock)) as events:
                async for event in events:
                    yield event
        except (EditFailed, ApiError) as error:
            if error.service_code == UNREADABLE:
                batch.forget()
            raise

    async def _submit_and_poll(
        self, edit: Edit, urls: Iterable[str], clock: Clock
    ) -> AsyncGenerator[Event]:
        prediction, sent, submitted_at = None, 0.0, 0.0
        async with aclosing(self._submit_with_retries(edit, urls, clock)) as events:
            async for event in events:
                if isinstance(event, Submitting):
                    sent = event.elapsed
                elif isinstance(event, Submitted):
                    prediction, submitted_at = (
                        event.prediction,
                        sent if edit.sync_mode else event.elapsed,
                    )
                yield event
        assert prediction is not None, "a submission ends with Submitted or an error"
        async with aclosing(
            self._poll_and_download(prediction, clock, submitted_at, submitted_at)
        ) as events:
            async for event in events:
                yield event

    async def watch(self, prediction_id: str, *, age: float | None = None) -> AsyncGenerator[Event]:
        """`edit` from the middle: from an id to the result. Costs nothing.

        `age_of` is how many seconds ago the service took it, if that is known: one that is very new
        may not be known everywhere yet.
        """
        known, clock = Prediction.from_id(prediction_id), self._clock()
        accepted = None if age is None else clock() - age
        async with aclosing(self._poll_and_download(known, clock, None, accepted)) as events:
            async for event in events:
                yield event

    async def _submit_with_retries(
        self, edit: Edit, urls: Iterable[str], clock: Clock
    ) -> AsyncGenerator[Event]:
        body = {
            "prompt": edit.prompt,
            "images": list(urls),
            "enable_sync_mode": edit.sync_mode,
            "enable_base64_output": edit.base64_output,
        }
        began, attempt = clock(), 0
        while True:
            # One event before each try, the later ones too: whoever reads is in step with us and
            # always knows whether a request that costs money can be on its way.
            yield Submitting(clock())
            attempt += 1
            try:
                prediction = await self._calls.submit(edit.model, body)
            except WaveSpeedError as error:
                seconds = self._retry_delay(error, attempt, clock() - began)
                yield Waiting(clock(), seconds, error)
                await asyncio.sleep(seconds)
            else:
                yield Submitted(clock(), prediction)
                return

    async def _poll_and_download(
        self,
        prediction: Prediction,
        clock: Clock,
        submitted_at: float | None,
        accepted: float | None,
    ) -> AsyncGenerator[Event]:
        """From a task, `submitted_at` and `accepted_prediction` then by the clock, to its pictures.
        Where `submitted_at` is None nobody knows well enough when to learn from it."""
        try:
            async with aclosing(
                self._poll_until_done(prediction, clock, submitted_at, accepted)
            ) as events:
                async for event in events:
                    prediction = event.prediction if isinstance(event, Completed) else prediction
                    yield event
            async with aclosing(_stream(partial(self._download_all, prediction, clock))) as events:
                async for event in events:
                    prediction = event.prediction if isinstance(event, Completed) else prediction
                    yield event
            yield Finished(clock(), prediction)
        except WaveSpeedError as error:
            # An edit was accepted, whatever went wrong since; unless nobody knows its id.
            error.prediction_id = prediction.id
            if error.spent == "no":
                error.spent = "yes"
            raise

    async def _poll_until_done(
        self,
        prediction: Prediction,
        clock: Clock,
        submitted_at: float | None,
        accepted: float | None,
    ) -> AsyncGenerator[Event]:
        """Asks until the task has ended, and learns from one whose birth is known."""
        began, attempt, created = clock(), 0, submitted_at
        end, seen = began + self._pace.deadline, began if prediction.is_terminal else submitted_at
        due = began if submitted_at is None else submitted_at + self._next_delay(0.0)
        last_error: WaveSpeedError | None = None
        while not _is_settled(prediction):
            if clock() >= end:
                raise EditTimeout(
                    f"No result within {self._pace.deadline:.0f} s. The edit may still finish.",
                    prediction_id=prediction.id,
                    last_error=last_error,
                )
            await asyncio.sleep(due - clock())
            asked = clock()
            event: Event
            try:
                prediction = await self._poll_once(prediction.id)
            except WaveSpeedError as error:
                # Of each kind the tries are counted for itself.
                attempt = attempt + 1 if type(error) is type(last_error) else 1
                last_error = error
                since = math.inf if accepted is None else clock() - accepted
                pause = self._retry_delay(error, attempt, 0, waited=since, already_billed=True)
                pause = max(self._pace.shortest, pause)
                event = Waiting(clock(), pause, error)
            else:
                if prediction.is_terminal:
                    break
                created = clock() - self._age(prediction) if created is None else created
                attempt, seen, pause = 0, asked, self._next_delay(clock() - created)
                last_error, event = None, Polled(clock(), prediction)
            # The deadline brings the last look forward, but not too close to this one.
            due = min(clock() + pause, max(end, clock() + self._pace.shortest))
            yield event
        if error_of_task := task_error(prediction):
            raise error_of_task
        if submitted_at is not None and seen is not None:
            said, tolerance = prediction.execution_time, self._pace.shortest
            self._durations.add(
                life(seen - submitted_at, clock() - submitted_at, said, tolerance=tolerance)
            )
        yield Completed(clock(), prediction)

    async def _poll_once(self, prediction_id: str) -> Prediction:
        """The task as it stands now. Raises `MissingOutputs` for one that is done and has no
        picture, which may be a moment too early."""
        try:
            prediction = await self._calls.result(prediction_id)
        except PredictionNotFound as error:
            error.spent = "unknown"  # Deleted, expired, or never there.
            raise
        if not prediction.is_terminal or _is_settled(prediction):
            return prediction
        raise MissingOutputs(prediction_id=prediction_id)

    async def _download_all(self, prediction: Prediction, clock: Clock, emit: Emit) -> None:
        for index in range(len(prediction.outputs)):
            try:
                content = await self._download_paid(
                    prediction.outputs[index], _on_retry(clock, emit)
                )
            except FileUnavailable:
                fresh = await self._renew_urls(prediction, index)
                if fresh is None:
                    raise
                prediction = fresh
                emit(Completed(clock(), prediction))
                content = await self._download_paid(
                    prediction.outputs[index], _on_retry(clock, emit)
                )
            emit(Downloaded(clock(), index, content))

    async def _download_paid(self, output: Output, on_retry: OnRetry) -> bytes:
        """A picture that is paid for, as long as it takes."""
        if output.content is not None:
            return output.content
        return await self._with_retries(
            partial(self._calls.download, output.url or ""), on_retry, already_billed=True
        )

    async def _renew_urls(self, prediction: Prediction, index: int) -> Prediction | None:
        """The task asked for once more, which renews the addresses of its pictures; None where it
        has no other one for this picture."""
        try:
            fresh = await self._with_retries(partial(self._calls.result, prediction.id))
        except WaveSpeedError:
            return None  # What is wrong with the picture says more.
        known = fresh.outputs[index : index + 1]
        return fresh if known and known[0].url != prediction.outputs[index].url else None

    # --- The calls, tried until they get through or `pace` gives up ------------------------

    async def upload(self, image: Image) -> str:
        """The address under which the service reads the picture (for 7 days)."""
        return await self._upload(image)

    async def submit(self, edit: Edit, urls: Iterable[str]) -> Prediction:
        """Costs money. Sent at most once, unless the first try certainly created nothing.

        Raises `AmbiguousSubmit` where that is not known.
        """
        async with aclosing(self._submit_with_retries(edit, urls, self._clock())) as events:
            async for event in events:
                if isinstance(event, Submitted):
                    return event.prediction
        raise AssertionError("a submission ends with Submitted or an error")

    async def result(self, prediction_id: str) -> Prediction:
        """The task as it stands now."""
        known = Prediction.from_id(prediction_id)
        return await self._with_retries(lambda: self._calls.result(known.id))

    async def download(self, output: Output) -> bytes:
        """The picture's bytes, untouched; the key is not sent to its host."""
        if output.content is not None:
            return output.content
        return await self._with_retries(lambda: self._calls.download(output.url or ""))

    async def balance(self) -> float:
        """What the account holds, in USD."""
        return await self._with_retries(self._calls.balance)

    async def price(self, model: str = MODEL) -> float:
        """What one edit by the model costs this account, in USD. Asking is free."""
        return await self._with_retries(partial(self._calls.price, model))

    async def list_predictions(
        self,
        *,
        created_after: datetime,
        created_before: datetime | None = None,
        model: str = MODEL,
    ) -> list[Prediction]:
        """This account's predictions of the model in that time (aware; 7 days at most), in the
        service's order: how a submission whose answer was lost is found again."""
        found: list[Prediction] = []
        for page in range(1, MAX_PAGES + 1):
            items = await self._with_retries(
                partial(self._calls.list_predictions, model, created_after, created_before, page)
            )
            found += items
            if len(items) < PAGE_SIZE:
                break
        return found

    async def delete(self, prediction_ids: Iterable[str]) -> int:
        """Deletes tasks and their pictures at the service for good; how many there were."""
        identifiers = list(prediction_ids)
        return await self._with_retries(lambda: self._calls.delete(identifiers))

    # --- Trying again -----------------------------------------------------------------------

    async def _with_retries(
        self,
        once: Callable[[], Awaitable[T]],
        on_retry: OnRetry | None = None,
        *,
        already_billed: bool = False,
    ) -> T:
        clock, attempt = self._clock(), 0
        missing: float | None = None
        while True:
            attempt += 1
            try:
                return await once()
            except WaveSpeedError as error:
                if missing is None and isinstance(error, FileUnavailable):
                    missing = clock()
                waited = 0.0 if missing is None else clock() - missing
                if isinstance(error, PredictionNotFound):
                    waited = math.inf  # Nobody says that it was accepted just now.
                seconds = self._retry_delay(
                    error, attempt, clock(), waited=waited, already_billed=already_billed
                )
                if on_retry:
                    on_retry(seconds, error)
                await asyncio.sleep(seconds)

    def _next_delay(self, age: float) -> float:
        """Seconds until a task of this age is asked for again."""
        return self._pace.next_delay(age, self._durations.looks(self._pace))

    async def _upload(self, image: Image, on_retry: OnRetry | None = None) -> str:
        return await self._with_retries(lambda: self._calls.upload(image), on_retry)

    def _clock(self) -> Clock:
        """Seconds since now."""
        began = self._now()
        return lambda: self._now() - began

    def _retry_delay(
        self,
        error: WaveSpeedError,
        attempt: int,
        since: float,
        *,
        waited: float = 0.0,
        already_billed: bool = False,
    ) -> float:
        """Seconds until the next try, `since` seconds after the first; raises `error` where there
        is none. `waited` is as in `Pace.again`."""
        luck = random.random()
        seconds = self._pace.retry_delay(
            error, attempt, waited=waited, already_billed=already_billed, luck=luck
        )
        if seconds is None or since + seconds > self._pace.deadline:
            raise error
        return seconds

    def _age(self, prediction: Prediction) -> float:
        """Seconds since the service made it, by the service's clock."""
        if prediction.created_at is None:
            return 0.0
        now = datetime.now(UTC) + self.clock_offset
        return max(0.0, (now - prediction.created_at).total_seconds())


async def _upload_all(batch: EditImages, clock: Clock, emit: Emit) -> None:
    urls = await batch.upload(_on_retry(clock, emit))
    emit(Uploaded(clock(), urls))


def _is_settled(prediction: Prediction) -> bool:
    """Whether it has ended; one that is done and names no picture may still do that."""
    return prediction.is_terminal and not isinstance(task_error(prediction), MissingOutputs)


def _on_retry(clock: Clock, emit: Emit) -> OnRetry:
    """Pauses as events."""
    return lambda seconds, error: emit(Waiting(clock(), seconds, error))


async def _stream(work: Callable[[Emit], Awaitable[None]]) -> AsyncGenerator[Event]:
    """What `work` tells, as it happens, then its error if it has one; closing this cancels it."""
    heard: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(heard.put_nowait))
    task.add_done_callback(lambda _: heard.put_nowait(None))
    try:
        while (event := await heard.get()) is not None:
            yield event
        task.result()
    finally:
        task.cancel()
