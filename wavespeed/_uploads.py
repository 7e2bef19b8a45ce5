"""Files on their way to the service, and those that are there: the same bytes go once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import images
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
Clock = Callable[[], float]
OnRetry = Callable[[float, WaveSpeedError], None]
"""Told how many seconds an upload that did not get through pauses, and why."""
Send = Callable[[Image, OnRetry], Awaitable[str]]
Prepare = Callable[[Path, str], Awaitable[Image]]
"""Makes a picture ready to send, of a file and what people call it. Whatever it raises becomes an
`InvalidEdit` that says the name."""


class Uploads:
    """What a client uploaded within the hour, by the SHA-256 of the files as they were.

    `send` takes a picture to the service and returns its address; `now` gives seconds.
    """

    def __init__(self, send: Send, now: Clock, prepare: Prepare | None = None) -> None:
        self._send = send
        self._prepare = prepare or _in_thread
        self._now = now
        self._parcels: dict[bytes, CachedUpload] = {}  # Oldest first.

    def of_edit(self, pictures: Iterable[str | Path]) -> EditImages:
        """The pictures of one edit. To be closed."""
        return EditImages(self, tuple(pictures))

    def acquire(self, digest: bytes, path: Path, name: str) -> CachedUpload:
        """The parcel of this file's bytes; to be released as often as it is held."""
        parcel = self._parcels.get(digest)
        if parcel is None or parcel.is_stale(self._now()):
            parcel = self._parcels[digest] = CachedUpload(digest)
            parcel.prepare(self._prepared(parcel, path, name))
        parcel.holders += 1
        return parcel

    def release(self, parcel: CachedUpload) -> None:
        """What nobody waits for any more is given up, as what has failed is; what has arrived is
        kept."""
        parcel.holders -= 1
        if not parcel.holders and parcel.address is None:
            parcel.cancel()
            self.forget(parcel)

    def forget(self, parcel: CachedUpload) -> None:
        """The same bytes will be prepared and uploaded again."""
        if self._parcels.get(parcel.digest) is parcel:
            del self._parcels[parcel.digest]

    async def url(self, parcel: CachedUpload, on_retry: OnRetry) -> str:
        """Where the service reads it: known, or the end of the one upload that all wait for."""
        if parcel.address is not None:
            return parcel.address
        if parcel.sending is None or parcel.sending.done():  # Done, and no address: it failed.
            parcel.sending = _task(self._sent(parcel))
        parcel.listeners.append(on_retry)
        try:
            return await _result(parcel.sending)
        finally:
            parcel.listeners.remove(on_retry)

    async def _prepared(self, parcel: CachedUpload, path: Path, name: str) -> Image:
        image = await self._prepare(path, name)
        if await asyncio.to_thread(images.sha256, path) != parcel.digest:
            raise RuntimeError("The file changed while it was read.")
        parcel.changes = image.preprocessing
        return image

    async def _sent(self, parcel: CachedUpload) -> str:
        url = await self._send(await parcel.image(), parcel.on_retry)
        parcel.complete(url, self._now())
        known = [one for one in self._parcels.values() if one.address is not None]
        for oldest in known[:-MAX_CACHED]:
            self.forget(oldest)
        return url


class EditImages:
    """The pictures of one edit, prepared and then uploaded side by side. Addresses are left as
    they are. Close it (at once, nothing to await) when they are there or not wanted any more."""

    def __init__(self, uploads: Uploads, pictures: Sequence[str | Path]) -> None:
        self._uploads = uploads
        self._pictures = pictures
        self._ready: list[CachedUpload | str] = []
        self._held: list[CachedUpload] = []

    async def prepare(self) -> tuple[Preprocessing | None, ...]:
        """What was done to each; None for an address.

        Raises `InvalidEdit` with the name that the file has in this edit.
        """
        self._ready = await _all_of(self._acquire(picture) for picture in self._pictures)
        return tuple(None if isinstance(one, str) else one.changes for one in self._ready)

    async def upload(self, on_retry: OnRetry) -> tuple[str, ...]:
        """The addresses of all, once they are `prepare`d. Raises `WaveSpeedError`s."""

        async def url(ready: CachedUpload | str) -> str:
            return ready if isinstance(ready, str) else await self._uploads.url(ready, on_retry)

        return tuple(await _all_of(url(ready) for ready in self._ready))

    def close(self) -> None:
        """Idempotent. Lets go of the pictures' bytes, some 67 MB at the most."""
        while self._held:
            self._uploads.release(self._held.pop())

    def forget(self) -> None:
        """The service could not read one of them, and does not say which."""
        for parcel in self._ready:
            if not isinstance(parcel, str):
                self._uploads.forget(parcel)

    async def _acquire(self, picture: str | Path) -> CachedUpload | str:
        if isinstance(picture, str) and is_url(picture):
            return picture
        path = Path(picture)
        with images.naming(path.name) as name:
            # Not its content: of many edits at once that would be all the memory there is.
            digest = await asyncio.to_thread(images.sha256, path)
        parcel = self._uploads.acquire(digest, path, name)
        self._held.append(parcel)
        if parcel.changes is None:
            with images.naming(name):
                await parcel.image()
        return parcel


class CachedUpload:
    """One file's bytes, for every edit that sends them: each step is a task that they share."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.holders = 0
        self.listeners: list[OnRetry] = []
        self.changes: Preprocessing | None = None
        self.address: str | None = None
        self.sending: asyncio.Task[str] | None = None
        self._preparing: asyncio.Task[Image] | None = None
        self._arrived_at = 0.0

    def prepare(self, work: Coroutine[Any, Any, Image]) -> None:
        self._preparing = _task(work)

    async def image(self) -> Image:
        assert self._preparing is not None, "asked for before it was prepared, or after it was sent"
        return await _result(self._preparing)

    def on_retry(self, seconds: float, error: WaveSpeedError) -> None:
        for listener in tuple(self.listeners):
            listener(seconds, error)

    def complete(self, url: str, at: float) -> None:
        self.address, self._arrived_at = url, at
        self._preparing = self.sending = None  # The picture itself is not needed any more.

    def is_stale(self, now: float) -> bool:
        return self.address is not None and now - self._arrived_at >= LIFETIME

    def cancel(self) -> None:
        for task in (self._preparing, self.sending):
            if task is not None:
                task.cancel()


async def _in_thread(path: Path, name: str) -> Image:
    return await asyncio.to_thread(images.convert_file, path, name)


def _task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Its error is for those who wait; that there is nobody left is no news for the log."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def _result(task: asyncio.Task[T]) -> T:
    """Of a task that others wait for too: to give up waiting does not cancel it."""
    await asyncio.wait([task])
    return task.result()


async def _all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; at the first error the rest is cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
