"""Visitors of a Gradio page without browsers: the same requests, at next to no cost.

HTTP/1.0, since its answers come as they are and end with the connection.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import PHOTOS

PROMPT = "make it black and white"
API = "/gradio_api"


_made = count()


def photos(how_many: int) -> list[bytes]:
    """As many files as visitors, no two the same: each has a comment of its own."""
    photo = (PHOTOS / "coffee.jpg").read_bytes()
    comments = [b"number %09d" % next(_made) for _ in range(how_many)]
    return [photo[:2] + b"\xff\xfe\x00\x12" + comment + photo[2:] for comment in comments]


@dataclass(frozen=True)
class Visit:
    """Seconds from the press to the result, bytes that came meanwhile, and what came last."""

    seconds: float
    size_bytes: int
    last: str


class Crowd:
    """Visitors of one page."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._components: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []

    async def come(self) -> None:
        """Reads what the page consists of. Once for all."""
        config = json.loads(await self._ask("GET", "/config"))
        self._components = {one["id"]: one for one in config["components"]}
        self._events = config["dependencies"]

    async def edits(self, pictures: list[bytes]) -> list[Visit]:
        """A visitor for each picture, who has dropped it before; then all press at once."""
        visitors = [Visitor(self) for _ in pictures]
        for visitor, picture in zip(visitors, pictures, strict=True):
            await visitor.drop(picture)
        return await asyncio.gather(*(visitor.press() for visitor in visitors))

    def event(self, elem_id: str, name: str) -> dict[str, Any] | None:
        """What the page does first when this happens to that component."""
        for event in self._events:
            for component, happens in event["targets"]:
                named = self._components.get(component, {}).get("props", {}).get("elem_id")
                if happens == name and named == elem_id and event["backend_fn"]:
                    return event
        return None

    def after(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """What it does then."""
        following = (one for one in self._events if one["trigger_after"] == event["id"])
        return next(following, None)

    def inputs(self, event: dict[str, Any], values: dict[str, Any]) -> list[Any]:
        """Of an event: `values` by the component's elem_id or type, else what the page began
        with."""
        components = [self._components[number] for number in event["inputs"]]
        return [
            values.get(one["props"].get("elem_id") or one["type"], one["props"].get("value"))
            for one in components
        ]

    async def lines(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Any:
        """Of an answer, as they come."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        try:
            writer.write(
                f"{method} {path} HTTP/1.0\r\nHost: {self._host}:{self._port}\r\n"
                f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            writer.write(body)
            status = await reader.readline()
            assert b" 200 " in status, status
            while await reader.readline() != b"\r\n":
                pass
            async for line in reader:
                yield line
        finally:
            writer.close()

    async def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        return b"".join([line async for line in self.lines(method, path, body, kind)])

    async def post(self, path: str, body: object) -> Any:
        return json.loads(
            await self._ask("POST", API + path, json.dumps(body).encode(), "application/json")
        )

    async def upload(self, picture: bytes) -> str:
        """The path that Gradio gives it."""
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="cup.jpg"\r\n'
        form = head + b"Content-Type: image/jpeg\r\n\r\n" + picture + b"\r\n--x--\r\n"
        answer = await self._ask("POST", f"{API}/upload", form, "multipart/form-data; boundary=x")
        return str(json.loads(answer)[0])


class Visitor:
    """Somebody with an open page."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._session = uuid.uuid4().hex[:10]
        self._values: dict[str, Any] = {"prompt": PROMPT, "browserstate": uuid.uuid4().hex}

    async def drop(self, picture: bytes) -> None:
        """Drops a picture, and lets the page do what it does then."""
        path = await self._crowd.upload(picture)
        file = {"path": path, "orig_name": "cup.jpg", "meta": {"_type": "gradio.FileData"}}
        self._values["inputs"] = [{"image": file, "caption": None}]
        changed = self._crowd.event("inputs", "change")
        if changed:
            await self._do(changed)

    async def press(self) -> Visit:
        """Presses Edit."""
        event = self._crowd.event("edit", "click")
        assert event is not None, "there is no button"
        visit = await self._do(event)
        following = self._crowd.after(event)
        while following:  # Not waited for by the visitor, but the server is busy with it.
            await self._do(following)
            following = self._crowd.after(following)
        return visit

    async def _do(self, event: dict[str, Any]) -> Visit:
        began, size, last = time.monotonic(), 0, ""
        data = self._crowd.inputs(event, self._values)
        what = {"data": data, "fn_index": event["id"], "session_hash": self._session}
        await self._crowd.post("/queue/join", what)
        path = f"{API}/queue/data?session_hash={self._session}"
        async with aclosing(self._messages(path)) as messages:
            async for line in messages:
                size += len(line)
                if b'"process_completed"' in line:
                    last = line.decode()
                    break
        return Visit(time.monotonic() - began, size, last)

    async def _messages(self, path: str) -> AsyncIterator[bytes]:
        async with aclosing(self._crowd.lines("GET", path)) as lines:
            async for line in lines:
                yield line
