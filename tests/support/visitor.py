"""A visitor without a browser: sends events as the page does, or as it never would."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.support.apps import App


class Visitor:
    """Someone who sends events as the page does, or as it never would."""

    def __init__(self, app: App, visitor_id: str | None = None) -> None:
        self.app = app
        self.id = visitor_id or uuid.uuid4().hex
        self.http = httpx.Client(
            base_url=f"{app.url}/gradio_api",
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),  # Nothing is left to be closed.
        )
        self.config: dict[str, Any] = httpx.get(f"{app.url}/config", trust_env=False).json()
        self.session = uuid.uuid4().hex

    def upload(self, file: Path) -> str:
        answer = self.http.post("/upload", files={"files": (file.name, file.read_bytes())})
        return str(answer.json()[0])

    def send(
        self, where: str, event: str, values: dict[str, Any], into: str = "", **data: Any
    ) -> list[Any]:
        """An event of the component `where`, with values by element id: what it puts out first,
        `into` that component among others.

        Raises `PermissionError` where the server answers with an error."""
        self.join(where, event, values, into, **data)
        return self.read()

    def join(
        self, where: str, event: str, values: dict[str, Any], into: str = "", **data: Any
    ) -> None:
        """Begins such an event, and does not look what comes of it."""
        ids = {
            part["props"].get("elem_id") or part["props"].get("storage_key"): part["id"]
            for part in self.config["components"]
        }
        defaults = {part["id"]: part["props"].get("value") for part in self.config["components"]}
        target = ids.get(where)  # None of the page itself.
        found = [
            one
            for one in self.config["dependencies"]
            if one["backend_fn"]
            and any(
                happens == event and target in (source, None) for source, happens in one["targets"]
            )
            and {ids[name] for name in values} <= set(one["inputs"])
            and ids.get(into, one["outputs"][:1]) in [*one["outputs"], one["outputs"][:1]]
        ]
        names = {number: name for name, number in ids.items()}
        values = {"wavespeed-visitor": self.id} | values
        body = {
            "data": [
                values.get(names.get(number, ""), defaults.get(number))
                for number in found[0]["inputs"]
            ],
            "fn_index": found[0]["id"],
            "session_hash": self.session,
            "event_data": data or None,
        }
        assert self.http.post("/queue/join", json=body).status_code == 200

    def read(self, ends: int = 1) -> list[Any]:
        """Until so many events have ended: what was put out first. Raises `PermissionError` for an
        error."""
        outputs: list[Any] = []
        with self.http.stream("GET", f"/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise PermissionError(message["output"].get("error"))
                    outputs = outputs or message["output"]["data"]
                    ends -= 1
                    if not ends:
                        return outputs
                if message.get("msg") == "process_generating" and not outputs:
                    outputs = message["output"]["data"]
        raise AssertionError("the stream ended before the event")

    def edit(self, path: str, prompt: str = "sepia", *, meta: bool = True) -> list[Any]:
        files = gallery(path, meta=meta)
        return self.send("edit", "click", {"inputs": files, "prompt": prompt, "variants": "1"})

    def runs(self) -> list[str]:
        """The bodies of this visitor's runs."""
        database = self.app.log_file.parent / "data" / "studio.db"
        with closing(sqlite3.connect(database)) as store:
            rows = store.execute("SELECT run_json FROM runs WHERE visitor_id = ?", (self.id,))
            return [row[0] for row in rows]


def gallery(path: str, *, meta: bool) -> list[dict[str, Any]]:
    image: dict[str, Any] = {"path": path, "url": "", "orig_name": "picture.png"}
    return [{"image": image | ({"meta": {"_type": "gradio.FileData"}} if meta else {})}]
