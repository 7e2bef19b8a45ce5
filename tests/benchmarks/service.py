"""The service with durations that are known, and so cheap that it is not what is measured.

    python -m tests.benchmarks.service 3.15      # each task takes 3.15 s
    python -m tests.benchmarks.service 5 20      # between 5 and 20 s, evenly, always the same ones

It takes whatever comes: whether that is right is for `tests.support.service` to say.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from subprocess import PIPE, Popen
from typing import Any
from urllib.request import ProxyHandler, build_opener

from PIL import Image

from tests.support.apps import ROOT

KEY = "bench-key"
GATE = "_bench"
Tasks = list[dict[str, float]]


class Service:
    """Tasks that take between `low` and `high` seconds."""

    def __init__(self, low: float, high: float) -> None:
        self._chance, self._low, self._high = random.Random(7), low, high
        self._tasks: dict[str, dict[str, float]] = {}
        self._uploads = 0
        self.url = ""
        picture = BytesIO()
        Image.radial_gradient("L").convert("RGB").save(picture, "PNG")
        self._picture = picture.getvalue()

    def answer(self, method: str, path: str, body: bytes) -> tuple[str, bytes]:
        """Content type and content."""
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[0] == "files":
            return "image/png", self._picture if method == "GET" else b""
        if parts[0] == GATE:
            return "application/json", json.dumps(list(self._tasks.values())).encode()
        data = self._data(parts[2:], body)
        envelope = {"code": 200, "message": "success", "data": data}
        return "application/json", json.dumps(envelope).encode()

    def _data(self, parts: list[str], body: bytes) -> dict[str, Any]:
        match parts:
            case ["media", "uploads"]:
                return self._ticket(json.loads(body))
            case ["openai", *_]:
                seconds = self._chance.uniform(self._low, self._high)
                name = f"{len(self._tasks):032x}"
                self._tasks[name] = {"began": time.monotonic(), "seconds": seconds, "looks": 0}
                return self._seen(name)
            case ["predictions", name, "result"]:
                self._tasks[name]["looks"] += 1
                return self._seen(name)
            case ["balance"]:
                return {"balance": 12.34}
            case ["model", _]:
                return {"price": 0.02, "currency": "USD"}
        return {}

    def _seen(self, name: str) -> dict[str, Any]:
        task = self._tasks[name]
        late = time.monotonic() - task["began"] - task["seconds"]
        if late >= 0:
            task.setdefault("late", late)
        took = round(task["seconds"] * 1000) if late >= 0 else 0
        return {
            "id": name,
            "model": "openai/gpt-image-1-mini/edit",
            "status": "completed" if late >= 0 else "processing",
            "outputs": [f"{self.url}/files/{name}.png"] if late >= 0 else [],
            "has_nsfw_contents": [False] if late >= 0 else [],
            "created_at": "2025-05-19T06:09:15.948268264Z",
            "error": "",
            "executionTime": took,
            "timings": {"inference": took},
        }

    def _ticket(self, body: dict[str, Any]) -> dict[str, Any]:
        self._uploads += 1
        kind = body.get("content_type") or "image/jpeg"
        headers = {"Content-Type": kind, "If-None-Match": "*"}
        url = f"{self.url}/files/{self._uploads}"
        return {
            "download_url": url,
            "filename": body["filename"],
            "size": body["size"],
            "type": "image",
            "upload": {"method": "PUT", "url": url, "headers": headers, "expires_at": "2099"},
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                size = head.lower().partition("content-length:")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(size or 0))
                kind, content = self.answer(method, path, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
                    % (kind.encode(), len(content), content)
                )
                await writer.drain()
        writer.close()


@contextmanager
def running(low: float, high: float | None = None) -> Iterator[str]:
    """In a process of its own; its address."""
    command = [sys.executable, "-m", __name__, str(low), str(high or low)]
    with Popen(command, cwd=ROOT, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def settings(url: str) -> dict[str, str]:
    """Of the app that asks it."""
    return {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": url, "WAVESPEED_LOG": "warning"}


def tasks(url: str) -> Tasks:
    """Of each task in order: `seconds`, how many `looks` it took, and `late`: the seconds from
    its end to the first look that found it."""
    with build_opener(ProxyHandler({})).open(f"{url}/{GATE}") as answer:
        return json.load(answer)  # type: ignore[no-any-return]


async def main(low: float, high: float) -> None:
    service = Service(low, high)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, backlog=2000, limit=2**20)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    os.write(1, f"{service.url}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[-1])))
