"""Files on their way to the service, and those that are there: the same bytes go once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from . import images
from ._retries import OnRetry
from .errors import WaveSpeedError
from .types import Image, Preprocessing, is_url

LIFETIME = 3600.0
"""An upload is used again this long. The service keeps it for 7 days (documented), and the maker's
own tools rely on 24 hours."""
MAX_CACHED = 1000
"""Uploads remembered. Each is an address and what was done to the picture, never the picture."""

UNREADABLE = 1402
"""`code` of an edit whose pictures the service could not fetch or read (documented)."""

T = TypeVar("T")
Send = Callable[[Image, OnRetry], Awaitable[str]]
Prepare = Callable[[Path, str], Awaitable[Image]]
"""Makes a picture ready to send, of a file and what people call it. Whatever it raises becomes an
`InvalidEdit` that says the name."""


@dataclass(frozen=True, slots=True)
class CachedUpload:
    """A file that the service has."""

    url: str
    preprocessing: Preprocessing
    uploaded_at: float


@dataclass(frozen=True, slots=True)
class ReadyImage:
    """One picture of an edit: known under its `url`, or prepared and still to be uploaded."""

    preprocessing: Preprocessing | None
    """None for an address, which is left as it is."""
    url: str | None = None
    digest: bytes = b""
    preparation: SharedTask[Image] | None = None


class Uploads:
    """What a client uploaded within the hour, by the SHA-256 of the files as they were.

    Edits that want the same bytes at the same time share one preparation and one upload. `send`
    takes a picture to the service and returns its address.
    """

    def __init__(self, send: Send, prepare: Prepare | None = None) -> None:
        self._send = send
        self._prepare = prepare or _in_thread
        self._cached: dict[bytes, CachedUpload] = {}  # Oldest first.
        # Both live as long as an edit holds on to them, and so do the pictures in them.
        self._preparations: WeakValueDictionary[bytes, SharedTask[Image]] = WeakValueDictionary()
        self._uploads: WeakValueDictionary[bytes, SharedTask[str]] = WeakValueDictionary()

    async def prepare(self, pictures: Iterable[str | Path]) -> tuple[ReadyImage, ...]:
        """The pictures of one edit, prepared side by side. Whoever lets go of them lets go of
        their bytes, some 67 MB at the most.

        Raises `InvalidEdit` with the name that the file has in this edit.
        """
        return tuple(await _gather(self._ready(picture) for picture in pictures))

    async def upload(self, ready: Sequence[ReadyImage], on_retry: OnRetry) -> tuple[str, ...]:
        """Their addresses. Raises `WaveSpeedError`s."""
        return tuple(await _gather(self._url(image, on_retry) for image in ready))

    def forget(self, urls: Collection[str]) -> None:
        """The files under these addresses will be prepared and uploaded again: the service could
        not read one of them, and does not say which."""
        for digest, upload in list(self._cached.items()):
            if upload.url in urls:
                del self._cached[digest]

    async def _ready(self, picture: str | Path) -> ReadyImage:
        if isinstance(picture, str) and is_url(picture):
            return ReadyImage(None, url=picture)
        path = Path(picture)
        with images.naming(path.name) as name:
            # Not its content: of many edits at once that would be all the memory there is.
            digest = await asyncio.to_thread(images.sha256, path)
            if cached := self._fresh(digest):
                return ReadyImage(cached.preprocessing, url=cached.url)
            preparation = self._preparations.get(digest)
            if preparation is None or preparation.is_lost:
                preparation = SharedTask(lambda _: self._prepared(digest, path, name))
                self._preparations[digest] = preparation
            image = await preparation.result()
        return ReadyImage(image.preprocessing, digest=digest, preparation=preparation)

    async def _prepared(self, digest: bytes, path: Path, name: str) -> Image:
        image = await self._prepare(path, name)
        if await asyncio.to_thread(images.sha256, path) != digest:
            raise RuntimeError("The file changed while it was read.")
        return image

    async def _url(self, ready: ReadyImage, on_retry: OnRetry) -> str:
        if ready.url is not None:
            return ready.url
        if cached := self._fresh(ready.digest):  # Another edit was faster.
            return cached.url
        upload = self._uploads.get(ready.digest)
        if upload is None or upload.is_lost:
            upload = SharedTask(lambda on_retry: self._sent(ready, on_retry))
            self._uploads[ready.digest] = upload
        return await upload.result(on_retry)

    async def _sent(self, ready: ReadyImage, on_retry: OnRetry) -> str:
        assert ready.preparation is not None, "without an address there is a picture"
        image = await ready.preparation.result()
        url = await self._send(image, on_retry)
        self._cached.pop(ready.digest, None)  # It goes to the end.
        self._cached[ready.digest] = CachedUpload(url, image.preprocessing, monotonic())
        for oldest in list(self._cached)[:-MAX_CACHED]:
            del self._cached[oldest]
        return url

    def _fresh(self, digest: bytes) -> CachedUpload | None:
        cached = self._cached.get(digest)
        if cached is None or monotonic() - cached.uploaded_at >= LIFETIME:
            return None
        return cached


class SharedTask(Generic[T]):
    """Work that is done once for all who wait for it, and given up with the last of them.

    Whoever gives up waiting cancels nothing for the others; an error is raised to all.
    """

    def __init__(self, work: Callable[[OnRetry], Coroutine[Any, Any, T]]) -> None:
        self._listeners: list[OnRetry] = []
        self._task = asyncio.ensure_future(work(self._on_retry))
        # Its error is for those who wait; that there is nobody left is no news for the log.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def is_lost(self) -> bool:
        """Whether it has failed, or was given up."""
        if self._task.done():
            return self._task.cancelled() or self._task.exception() is not None
        return bool(self._task.cancelling())

    async def result(self, on_retry: OnRetry | None = None) -> T:
        listener = on_retry or _ignore
        self._listeners.append(listener)
        try:
            await asyncio.wait([self._task])
            return self._task.result()
        finally:
            self._listeners.remove(listener)
            if not self._listeners:
                self._task.cancel()

    def _on_retry(self, seconds: float, error: WaveSpeedError) -> None:
        for listener in tuple(self._listeners):
            listener(seconds, error)


def _ignore(seconds: float, error: WaveSpeedError) -> None:
    """Of one who waits for something that is not tried again."""


async def _in_thread(path: Path, name: str) -> Image:
    return await asyncio.to_thread(images.convert_file, path, name)


async def _gather(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; at the first error the rest is cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
