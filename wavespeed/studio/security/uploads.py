"""Which files a browser may name.

A page sends paths of files, and can send anything: so a path counts only if the file came in
through Gradio's upload route, whose names are hashes of a secret and the content, or if it is a
copy that was put into the fields of the very visitor who names it. All that is written down in the
store, since after a crash the page comes back with the paths that it had; it goes after the two
days in which Gradio's cache has lost the files.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wavespeed.errors import InvalidEdit
from wavespeed.studio.media import previews
from wavespeed.studio.runs.store import Store, StoreError
from wavespeed.studio.text import labels

log = logging.getLogger("wavespeed.studio")

ROUTE = "/gradio_api/upload"
MAX_ANSWER = 2_000_000
"""Bytes of the route's answer: the paths of a thousand files, all that it takes at once."""
MAX_FILES = 1000
UPLOAD_LIFETIME = timedelta(days=2)
CACHE_LIFETIME = timedelta(days=1, hours=1)
"""How long an upload lies in Gradio's cache at most, as `delete_cache` says."""
DAY = 86_400.0

Files = Sequence[tuple[str, str | None]] | None
"""What a gallery hands over: paths with captions."""


class Uploads:
    """The files that may be named, and by whom."""

    def __init__(self, store: Store, disk_bytes: int | None = None) -> None:
        """`disk_bytes` is what uploads of a day may take in Gradio's cache; None: no limit."""
        self._store = store
        self._disk_bytes = disk_bytes

    async def is_full(self) -> bool:
        """Whether there is no room for one more upload, until the cache has lost the oldest."""
        if self._disk_bytes is None:
            return False
        since = datetime.now(UTC) - CACHE_LIFETIME
        return await asyncio.to_thread(self._store.uploaded_bytes, since) >= self._disk_bytes

    async def record(self, paths: Sequence[str]) -> None:
        """These files were uploaded. By whom the route does not know; whoever knows such a path has
        the file, or was given the path by who has. Raises `StoreError`."""
        await self._allow(paths, "")

    async def cached_copies(self, paths: Sequence[Path], visitor_id: str) -> list[str]:
        """Copies in Gradio's cache, of those files that are still there: what a gallery can show,
        and what this visitor may name from now on."""

        def copy() -> list[str]:
            return [str(file) for path in paths if (file := previews.original(path))]

        made = await asyncio.to_thread(copy)
        try:
            await self._allow(made, visitor_id)
        except StoreError:
            log.exception("copies could not be written down")
            return []
        return made

    async def allowed_paths(self, paths: Sequence[Any], visitor_id: str) -> list[Path | None]:
        """The files of these paths, which are whatever a browser sent; None where the visitor may
        not name it. Opens nothing."""
        normalized = [_normalized(path) for path in paths]
        known: set[str] = set()
        if wanted := sorted({path for path in normalized if path})[:MAX_FILES]:
            known = await asyncio.to_thread(self._store.allowed_paths, wanted, visitor_id)
        return [Path(path) if path in known else None for path in normalized]

    async def checked_paths(self, files: Files, visitor_id: str) -> list[Path]:
        """What a gallery handed over, if the visitor may name all of it. Raises `InvalidEdit`."""
        found = await self.allowed_paths([path for path, _ in files or []], visitor_id)
        paths = [path for path in found if path]
        if len(paths) < len(found):
            raise InvalidEdit(labels.NOT_UPLOADED, field="images")
        return paths

    async def purge_expired(self) -> None:
        """Once a day, forever: forgets the files that are no longer there."""
        while True:
            try:
                await asyncio.to_thread(
                    self._store.forget_paths, datetime.now(UTC) - UPLOAD_LIFETIME
                )
            except StoreError:
                log.exception("old uploads could not be forgotten; tomorrow again")
            await asyncio.sleep(DAY)

    async def _allow(self, paths: Sequence[str], visitor_id: str) -> None:
        normalized = [path for path in map(_normalized, paths) if path]
        if normalized:
            await asyncio.to_thread(
                self._store.allow_paths, normalized, visitor_id, datetime.now(UTC)
            )


class UploadRecorder:
    """ASGI middleware that reads the answers of Gradio's upload route: the only place that knows
    what was uploaded. The answer leaves once its files are recorded, so that an event that follows
    at once is not refused."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(ROUTE):
            return await self._app(scope, receive, send)
        if await self._uploads.is_full():
            return await _refuse(labels.NO_ROOM_TODAY, send)
        held: list[Message] = []
        size_bytes = 0

        async def hold(message: Message) -> None:
            nonlocal size_bytes
            size_bytes += len(message.get("body", b""))
            if size_bytes > MAX_ANSWER:
                raise RuntimeError("the answer to an upload is too long")
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await self._pass_on(held, send)

        await self._app(scope, receive, hold)

    async def _pass_on(self, held: list[Message], send: Send) -> None:
        status = held[0].get("status")
        paths = _paths(b"".join(message.get("body", b"") for message in held))
        if status == 200 and paths:
            try:
                await self._uploads.record(paths)
            except StoreError:
                log.exception("an upload could not be written down")
                return await _refuse(labels.NO_ROOM, send)
        for message in held:
            await send(message)


async def _refuse(sentence: str, send: Send) -> None:
    """Answers that there is no room."""
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 507, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _paths(body: bytes) -> list[str]:
    try:
        answer = json.loads(body)
    except ValueError:
        return []
    return [path for path in answer if isinstance(path, str)] if isinstance(answer, list) else []


def _normalized(path: object) -> str:
    """A path as it is written down, without steps up; empty where it is none."""
    if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
        return ""
    return os.path.abspath(path)
