"""The service's calls as methods, and an edit as a stream of events.

Money moves in one request alone, the submission; everything else may be repeated. What may be
sent again, and when, is decided in `_retry_policy`; the requests themselves are in `_api`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from ._api import PAGE_SIZE, Api
from ._auth import BearerAuth
from ._clock import Clock, start_clock
from ._durations import Durations
from ._policies import Policies
from ._polling import AcceptedPrediction, PredictionPoller
from ._pool import ConnectionPool
from ._retries import OnRetry, Retries
from ._transport import Transport
from ._uploads import UNREADABLE, Prepare, ReadyImage, Uploads
from .errors import ApiError, EditFailed, FileUnavailable, WaveSpeedError
from .events import (
    Completed,
    Downloaded,
    Event,
    Finished,
    Preparing,
    Submitted,
    Submitting,
    Uploaded,
    Uploading,
    Waiting,
)
from .types import MODEL, Edit, Image, Output, Prediction

BASE_URL = "https://api.wavespeed.ai"
MAX_PAGES = 10
"""Of the list of predictions: a thousand are more than any recovery looks through."""

Emit = Callable[[Event], None]


class AsyncClient:
    """WaveSpeed's image edit, over one pool of connections.

    Use as `async with AsyncClient(key) as client`; an `http` of one's own is shared, not closed.
    A file that was uploaded within the hour is not uploaded again. How long tasks take is learned
    in `durations`, which clients of one service may share.
    Pictures are made ready in threads, unless `prepare` does it elsewhere.
    Every method raises `WaveSpeedError`s only; a key that can't be one is an `InvalidApiKey` at
    once. The key goes to `base_url` alone, never to the hosts that keep the files.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        policies: Policies | None = None,
        http: ConnectionPool | None = None,
        durations: Durations | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        key = BearerAuth(api_key)
        del api_key  # Tools that print a traceback with its variables must not find it.
        key.check()
        self._policies = policies or Policies()
        timeouts = self._policies.timeouts
        self._transport = Transport(key, base_url=base_url, timeouts=timeouts, http=http)
        self._api = Api(self._transport, timeouts)
        self._retries = Retries(self._policies)
        self._durations = durations or Durations()
        self._uploads = Uploads(self._upload, prepare)

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
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of this machine's, by its last answer; zero before
        the first. What it says of when a task was created counts by its clock."""
        return self._api.clock_offset

    # --- An edit, as a stream of events -----------------------------------------------------

    async def edit(self, edit: Edit) -> AsyncGenerator[Event]:
        """Everything from the files to the result, event by event; `Finished` is the last.

        `Submitting` comes before the request that costs money, which goes out when the next event
        is asked for. Closing the generator stops the watching, never the edit at the service.
        """
        clock = start_clock()
        urls: tuple[str, ...] = ()
        # In a generator of its own, so that nobody holds the pictures, up to 67 MB, during the
        # minutes of waiting.
        async with aclosing(self._prepare_and_upload(edit, clock)) as events:
            async for event in events:
                if isinstance(event, Uploaded):
                    urls = event.urls
                yield event
        try:
            async with aclosing(self._submit_and_poll(edit, urls, clock)) as events:
                async for event in events:
                    yield event
        except (EditFailed, ApiError) as error:
            if error.service_code == UNREADABLE:
                self._uploads.forget(urls)
            raise

    async def _prepare_and_upload(self, edit: Edit, clock: Clock) -> AsyncGenerator[Event]:
        yield Preparing(clock())
        images = await self._uploads.prepare(edit.images)
        yield Uploading(clock(), tuple(image.preprocessing for image in images))
        async with aclosing(_stream(partial(self._upload_all, images, clock))) as events:
            async for event in events:
                yield event

    async def _upload_all(self, images: Sequence[ReadyImage], clock: Clock, emit: Emit) -> None:
        urls = await self._uploads.upload(images, _on_retry(clock, emit))
        emit(Uploaded(clock(), urls))

    async def _submit_and_poll(
        self, edit: Edit, urls: Iterable[str], clock: Clock
    ) -> AsyncGenerator[Event]:
        """From the addresses of the pictures to the edited ones."""
        submitting_at = 0.0
        accepted: AcceptedPrediction | None = None
        async with aclosing(self._submit_with_retries(edit, urls, clock)) as events:
            async for event in events:
                if isinstance(event, Submitting):
                    submitting_at = event.elapsed
                elif isinstance(event, Submitted):
                    # In sync mode the answer comes at the end of the task.
                    accepted_at = submitting_at if edit.sync_mode else event.elapsed
                    accepted = AcceptedPrediction(event.prediction, accepted_at, is_new=True)
                yield event
        assert accepted is not None, "a submission ends with Submitted or an error"
        async with aclosing(self._poll_and_download(accepted, clock)) as events:
            async for event in events:
                yield event

    async def watch(self, prediction_id: str, *, age: float | None = None) -> AsyncGenerator[Event]:
        """`edit` from the middle: from an id to the result. Costs nothing.

        `age` is how many seconds ago the service took it, if that is known: one that is very new
        may not be known everywhere yet.
        """
        clock = start_clock()
        accepted = AcceptedPrediction(
            Prediction.from_id(prediction_id),
            accepted_at=None if age is None else clock() - age,
            is_new=False,
        )
        async with aclosing(self._poll_and_download(accepted, clock)) as events:
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
        start = clock()
        attempt = 0
        while True:
            # One event before each try, the later ones too: whoever reads is in step with us and
            # always knows whether a request that costs money can be on its way.
            yield Submitting(clock())
            attempt += 1
            try:
                prediction = await self._api.submit(edit.model, body)
            except WaveSpeedError as error:
                delay = self._retries.delay(error, attempt, since=clock() - start)
                yield Waiting(clock(), delay, error)
                await asyncio.sleep(delay)
            else:
                yield Submitted(clock(), prediction)
                return

    async def _poll_and_download(
        self, accepted: AcceptedPrediction, clock: Clock
    ) -> AsyncGenerator[Event]:
        """From a task to its pictures."""
        prediction = accepted.prediction
        try:
            poller = PredictionPoller(self._api, self._policies, self._durations, clock, accepted)
            async with aclosing(poller.until_done()) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        prediction = event.prediction
                    yield event
            async with aclosing(_stream(partial(self._download_all, prediction, clock))) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        prediction = event.prediction
                    yield event
            yield Finished(clock(), prediction)
        except WaveSpeedError as error:
            # An edit was accepted, whatever went wrong since; unless nobody knows its id.
            error.prediction_id = prediction.id
            if error.spent == "no":
                error.spent = "yes"
            raise

    async def _download_all(self, prediction: Prediction, clock: Clock, emit: Emit) -> None:
        on_retry = _on_retry(clock, emit)
        for index in range(len(prediction.outputs)):
            try:
                content = await self._download_paid(prediction.outputs[index], on_retry)
            except FileUnavailable:
                renewed = await self._renewed(prediction, index)
                if renewed is None:
                    raise
                prediction = renewed
                emit(Completed(clock(), prediction))
                content = await self._download_paid(prediction.outputs[index], on_retry)
            emit(Downloaded(clock(), index, content))

    async def _download_paid(self, output: Output, on_retry: OnRetry) -> bytes:
        """A picture that is paid for, as long as it takes."""
        if output.content is not None:
            return output.content
        return await self._retries.call(
            partial(self._api.download, output.url or ""), on_retry, already_billed=True
        )

    async def _renewed(self, prediction: Prediction, index: int) -> Prediction | None:
        """The task, asked for once more, which renews the addresses of its pictures; None where it
        has no other one for this picture."""
        try:
            fresh = await self._retries.call(partial(self._api.result, prediction.id))
        except WaveSpeedError:
            return None  # What is wrong with the picture says more.
        if index >= len(fresh.outputs):
            return None
        is_renewed = fresh.outputs[index].url != prediction.outputs[index].url
        return fresh if is_renewed else None

    # --- The calls, tried until they get through or the policy gives up ------------------

    async def upload(self, image: Image) -> str:
        """The address under which the service reads the picture (for 7 days)."""
        return await self._upload(image)

    async def submit(self, edit: Edit, urls: Iterable[str]) -> Prediction:
        """Costs money. Sent at most once, unless the first try certainly created nothing.

        Raises `AmbiguousSubmit` where that is not known.
        """
        async with aclosing(self._submit_with_retries(edit, urls, start_clock())) as events:
            async for event in events:
                if isinstance(event, Submitted):
                    return event.prediction
        raise AssertionError("a submission ends with Submitted or an error")

    async def result(self, prediction_id: str) -> Prediction:
        """The task as it stands now."""
        known = Prediction.from_id(prediction_id)
        return await self._retries.call(partial(self._api.result, known.id))

    async def download(self, output: Output) -> bytes:
        """The picture's bytes, untouched; the key is not sent to its host."""
        if output.content is not None:
            return output.content
        return await self._retries.call(partial(self._api.download, output.url or ""))

    async def balance(self) -> float:
        """What the account holds, in USD."""
        return await self._retries.call(self._api.balance)

    async def price(self, model: str = MODEL) -> float:
        """What one edit by the model costs this account, in USD. Asking is free."""
        return await self._retries.call(partial(self._api.price, model))

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
            items = await self._retries.call(
                partial(self._api.list_predictions, model, created_after, created_before, page)
            )
            found += items
            if len(items) < PAGE_SIZE:
                break
        return found

    async def delete(self, prediction_ids: Iterable[str]) -> int:
        """Deletes tasks and their pictures at the service for good; how many there were."""
        return await self._retries.call(partial(self._api.delete, list(prediction_ids)))

    async def _upload(self, image: Image, on_retry: OnRetry | None = None) -> str:
        return await self._retries.call(partial(self._api.upload, image), on_retry)


def _on_retry(clock: Clock, emit: Emit) -> OnRetry:
    return lambda seconds, error: emit(Waiting(clock(), seconds, error))


async def _stream(work: Callable[[Emit], Awaitable[None]]) -> AsyncGenerator[Event]:
    """Yields what `work` emits, as it happens, and then raises its error if it has one; closing
    this cancels it."""
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(queue.put_nowait))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await queue.get()) is not None:
            yield event
        task.result()
    finally:
        task.cancel()
