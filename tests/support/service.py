"""The real service, played strictly: a second server that shares no line with the sandbox.

It takes only what the documentation promises to take, over two hosts as the real one has, and
writes down every breach of the contract in `breaches`. `python -m tests.support.service` serves it.
"""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps

KEY = "real-service-key-42"
VISITORS_KEY = "visitors-own-key-77"
MODEL = "/api/v3/openai/gpt-image-1-mini/edit"
# How it says that it has no such model: nobody knows which of them the real one will choose.
NO_SUCH_MODEL: dict[int, bytes] = {
    400: b'{"code": 400, "message": "model not found", "data": null}',
    404: b'{"error": "Not Found"}',
    410: b"<html><head><title>410 Gone</title></head><body><h1>410 Gone</h1></body></html>",
}
TYPES = {
    "prompt": str,
    "images": list,
    "enable_sync_mode": bool,
    "enable_base64_output": bool,
}


class Service:
    """One account, its tasks and files. A task takes `seconds`, the first third in the queue; only
    the first `may_end` tasks end at all, so that a test decides when the others do.

    It has one `model`, which can change at any time; any other is refused with the HTTP status
    `missing_inputs`, in the shape of `NO_SUCH_MODEL`.
    """

    def __init__(self, seconds: float = 0.3, nsfw: bool | None = False, **about: Any) -> None:
        self.api_url = self.file_url = ""
        self.tickets: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.reset(seconds, nsfw, **about)

    def reset(
        self,
        seconds: float = 0.3,
        nsfw: bool | None = False,
        model: str = MODEL.removeprefix("/api/v3/"),
        missing: int = 400,
    ) -> None:
        """As good as new, but for its addresses and files: pages remember their uploads."""
        self.seconds, self.nsfw = seconds, nsfw
        self.model, self.missing = model, missing
        self.priced = True  # Whether it tells what the model costs.
        self.price, self.deletes = 0.02, True
        self.may_end = math.inf
        self.fails = 0  # So many of the next tasks end badly.
        self.failed: set[str] = set()
        self.error = "the picture is too dark"
        self.clock = 0.0  # Seconds that it is ahead of ours.
        self.under_way = 0  # The most tasks that were under way at once.
        self.breaches: list[str] = []
        self.keys: list[tuple[str, str]] = []
        self.submissions: list[dict[str, Any]] = []
        self.tasks: dict[str, tuple[float, str, str]] = {}
        self.models: dict[str, str] = {}  # Which of them made each task.
        # Called as a request arrives, and again when it is done but not answered yet.
        self.hook: Callable[[str], None] = lambda moment: None
        self.looks: list[float] = []
        self.sign: Callable[[bytes], bytes] = lambda picture: picture

    def settings(self) -> dict[str, str]:
        """The environment of a page that asks this service."""
        return {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": self.api_url}

    def has_ended(self, task_id: str) -> bool:
        is_held = [*self.tasks].index(task_id) >= self.may_end
        return not is_held and time.monotonic() - self.tasks[task_id][0] >= self.seconds

    def task(self, task_id: str) -> dict[str, Any]:
        began, output, created_at = self.tasks[task_id]
        age = time.monotonic() - began
        done = self.has_ended(task_id)
        status = "completed" if done else "processing" if age > self.seconds / 3 else "created"
        flags = [] if self.nsfw is None else [self.nsfw]
        error = self.error if done and task_id in self.failed else ""
        status, done = ("failed", False) if error else (status, done)
        return {
            "id": task_id,
            "model": self.models[task_id],
            "status": status,
            "outputs": [f"{self.file_url}/{output}"] if done else [],
            "urls": {"get": f"https://api.wavespeed.ai/api/v3/predictions/{task_id}/result"},
            "has_nsfw_contents": flags if done else [],
            "created_at": created_at,
            "error": error,
            "executionTime": round(self.seconds * 1000) if done else 0,
            "timings": {"inference": round(self.seconds * 600) if done else 0},
        }

    def submit(self, body: Any) -> dict[str, Any]:
        wrong = [name for name in body if type(body[name]) is not TYPES.get(name)]
        if wrong or not body.get("prompt") or not 1 <= len(body.get("images", [])) <= 4:
            self.breaches.append(f"submission: {body}")
        self.submissions.append(body)
        first = self.files[body["images"][0].rsplit("/", 1)[1]]
        picture = ImageOps.grayscale(Image.open(BytesIO(first)))
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        output, task_id = f"{uuid.uuid4().hex}.png", uuid.uuid4().hex
        self.files[output] = self.sign(buffer.getvalue())
        now = datetime.now(UTC) + timedelta(seconds=self.clock)
        created_at = f"{now:%Y-%m-%dT%H:%M:%S.%f}264Z"
        self.models[task_id] = self.model
        self.tasks[task_id] = (time.monotonic(), output, created_at)
        running = sum(not self.has_ended(task) for task in [*self.tasks])
        self.under_way = max(self.under_way, running)
        if self.fails:
            self.fails -= 1
            self.failed.add(task_id)
        return self.task(task_id)

    def recent(self, body: dict[str, Any]) -> dict[str, Any]:
        items = [self.task(task_id) for task_id in self.tasks]
        after, model = body.get("created_after", ""), body.get("model", "")
        return {
            "page": 1,
            "items": [
                task
                for task in items
                if task["created_at"] >= after and model in ("", task["model"])
            ],
        }

    def ticket(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{uuid.uuid4().hex}-{body['filename']}"
        self.tickets[name] = body
        return {
            "download_url": f"{self.file_url}/{name}",
            "filename": body["filename"],
            "size": body["size"],
            "type": "image",
            "upload": {
                "method": "PUT",
                "url": f"{self.file_url}/{name}?signature=abc%2Fdef&expires=9",
                "headers": {"Content-Type": body["content_type"], "If-None-Match": "*"},
                "expires_at": "2030-01-01T00:00:00Z",
            },
        }


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.service.clock)

    def body(self) -> bytes | None:
        """None where the sender was gone before it had sent all of it."""
        length = int(self.headers.get("Content-Length") or 0)
        with suppress(ConnectionError):
            content = self.rfile.read(length)
            return content if len(content) == length else None
        return None

    def answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        # Whoever asked may have been killed: that is what some of the tests are about.
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def data(self, data: object) -> None:
        self.answer(200, json.dumps({"code": 200, "message": "success", "data": data}).encode())

    def no(self, status: int, message: str) -> None:
        self.answer(status, json.dumps({"code": status, "message": message}).encode())


class Api(_Handler):
    """The host that the key is for."""

    def is_known(self) -> bool:
        scheme, _, key = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Bearer" and key in (KEY, VISITORS_KEY):
            self.service.keys.append((self.path, key))
            return True
        self.no(401, "unauthorized")
        return False

    def do_GET(self) -> None:
        if not self.is_known():
            return
        parts = self.path.split("/")
        if self.path == "/api/v3/balance":
            self.data({"balance": 12.34})
        elif (
            parts[3] == "predictions" and parts[5:] == ["result"] and parts[4] in self.service.tasks
        ):
            self.service.looks.append(time.monotonic())
            self.service.hook("result")
            self.data(self.service.task(parts[4]))
        else:
            self.no(404, "not found")

    def do_POST(self) -> None:
        content = self.body()
        if content is None or not self.is_known():
            return
        body = json.loads(content or b"{}")
        if self.path == f"/api/v3/{self.service.model}":
            self.service.hook("submit")
            task = self.service.submit(body)
            self.service.hook("submitted")
            self.data(task)
        elif self.path == "/api/v3/predictions":
            self.data(self.service.recent(body))
        elif self.path == "/api/v3/media/uploads":
            self.service.hook("ticket")
            self.data(self.service.ticket(body))
        elif self.path.endswith("/edit") or (
            self.path == "/api/v3/model/price" and body["model_id"] != self.service.model
        ):
            self.answer(self.service.missing, NO_SUCH_MODEL[self.service.missing])
        elif self.path == "/api/v3/model/price" and self.service.priced:
            price = {"price": self.service.price, "currency": "USD"}
            self.data({"model_id": body["model_id"]} | price)
        elif self.path == "/api/v3/predictions/delete" and self.service.deletes:
            gone = [task for task in body["ids"] if self.service.tasks.pop(task, None)]
            self.data({"deleted_count": len(gone)})
        else:
            self.no(404, "not found")


class Files(_Handler):
    """The host that keeps files, and must never see the key."""

    def do_PUT(self) -> None:
        self.service.hook("put")
        name = self.path.partition("?")[0].strip("/")
        content, ticket = self.body(), self.service.tickets.get(name, {})
        if content is None:
            return None
        self.check("signature=abc%2Fdef" in self.path, "the signed address was changed")
        self.check(len(content) == ticket.get("size"), "size is not the ticket's")
        self.check(
            self.headers["Content-Type"] == ticket.get("content_type"), "type is not the ticket's"
        )
        self.check(self.headers["If-None-Match"] == "*", "If-None-Match is missing")
        if name in self.service.files:
            return self.answer(412, b"")
        self.service.files[name] = content
        return self.answer(200, b"")

    def do_GET(self) -> None:
        self.check(True, "")
        self.service.hook("download")
        content = self.service.files.get(self.path.strip("/"))
        self.answer(200 if content else 404, content or b"", "image/png")

    def check(self, good: bool, breach: str) -> None:
        if not good:
            self.service.breaches.append(breach)
        if KEY in str(self.headers) or VISITORS_KEY in str(self.headers):
            self.service.breaches.append("the key was sent to a file host")


@contextmanager
def running(service: Service) -> Iterator[str]:
    """Serves both hosts on free ports; the API's address."""
    servers = []
    for kind in (Api, Files):
        handler = type(kind.__name__, (kind,), {"service": service})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    service.api_url, service.file_url = (
        f"http://127.0.0.1:{server.server_address[1]}" for server in servers
    )
    try:
        yield service.api_url
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


if __name__ == "__main__":
    with running(Service(seconds=3.0)) as url:
        print(f"WAVESPEED_BASE_URL={url} WAVESPEED_API_KEY={KEY}", flush=True)  # noqa: T201
        threading.Event().wait()
