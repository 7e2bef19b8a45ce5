"""Events and endpoints called by hand, with paths of files that are not the caller's."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.apps import App, free_port, served
from wavespeed.studio import words

REFUSED = words.NOT_UPLOADED


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
        outputs: list[Any] = []
        with self.http.stream("GET", f"/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line else {}
                if told.get("msg") == "process_completed":
                    if not told["success"]:
                        raise PermissionError(told["output"].get("error"))
                    return outputs or told["output"]["data"]
                if told.get("msg") == "process_generating" and not outputs:
                    outputs = told["output"]["data"]
        raise AssertionError("the stream ended before the event")

    def edit(self, path: str, prompt: str = "sepia", *, meta: bool = True) -> list[Any]:
        files = gallery(path, meta=meta)
        return self.send("edit", "click", {"inputs": files, "prompt": prompt, "variants": "1"})

    def runs(self) -> list[str]:
        """The bodies of this visitor's runs."""
        database = self.app.log_file.parent / "data" / "studio.db"
        with closing(sqlite3.connect(database)) as store:
            rows = store.execute("SELECT body FROM runs WHERE visitor = ?", (self.id,))
            return [row[0] for row in rows]


def gallery(path: str, *, meta: bool) -> list[dict[str, Any]]:
    image: dict[str, Any] = {"path": path, "url": "", "orig_name": "picture.png"}
    return [{"image": image | ({"meta": {"_type": "gradio.FileData"}} if meta else {})}]


@pytest.fixture(scope="module")
def victim(app: App) -> Visitor:
    """Has an edit, and its result among the pictures of the next."""
    victim = Visitor(app)
    victim.edit(victim.upload(PHOTOS / "rocket.jpg"), "private words")
    [run] = [json.loads(body) for body in victim.runs()]
    assert run["state"] == "done"
    run_id = run["id"]
    victim.send("results", "click", {}, "inputs", do="input", index=0, run=run_id)
    return victim


@pytest.fixture
def stranger(app: App) -> Visitor:
    return Visitor(app)


@pytest.fixture(
    params=["outside", "climbing", "result", "input", "in the cache", "address", "elsewhere"]
)
def hostile(request: pytest.FixtureRequest, app: App, victim: Visitor, tmp_path: Path) -> str:
    """A path that exists, and is not the stranger's."""
    folder = app.log_file.parent
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    result = next((folder / "data" / "outputs").rglob("*private-words*.png"))
    copy = next((folder / "cache").rglob("*private-words*.png"))
    return {
        "outside": str(secret),
        "climbing": f"{folder}/cache/x/../../data/{result.relative_to(folder / 'data')}",
        "result": str(result),
        "input": str(next((folder / "data" / "inputs").rglob("rocket.jpg"))),
        "in the cache": str(copy),
        "address": f"{app.url}/gradio_api/file={copy}",
        "elsewhere": "https://127.0.0.1:1/picture.png",
    }[request.param]


with_and_without = pytest.mark.parametrize("meta", [True, False], ids=["meta", "no meta"])


def refused(visitor: Visitor, where: str, event: str, values: dict[str, Any], **data: Any) -> str:
    """What is said in markup; Gradio's own refusal says nothing there."""
    try:
        return json.dumps(visitor.send(where, event, values, **data), ensure_ascii=False)
    except PermissionError:
        return REFUSED


@with_and_without
def test_no_edit_is_made_of_a_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str, meta: bool
) -> None:
    values = {"inputs": gallery(hostile, meta=meta), "prompt": "sepia", "variants": "1"}
    assert REFUSED in refused(stranger, "edit", "click", values)
    assert stranger.runs() == []


@with_and_without
def test_no_thumbnail_shows_a_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str, meta: bool
) -> None:
    said = refused(stranger, "inputs", "change", {"inputs": gallery(hostile, meta=meta)})
    assert REFUSED in said
    assert "data:image" not in said


@with_and_without
@pytest.mark.parametrize("do", ["restore", "left", "right", "remove"])
def test_no_button_of_the_pictures_opens_a_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str, meta: bool, do: str
) -> None:
    """The recipe in a result would tell the prompt."""
    values = {"inputs": gallery(hostile, meta=meta)}
    said = refused(stranger, "strip", "click", values, do=do, index=0)
    assert REFUSED in said
    assert "private words" not in said


def test_a_forged_draft_brings_no_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str
) -> None:
    draft = {"text": "a bowl", "paths": [hostile], "each": False}
    said = json.dumps(stranger.send("page", "load", {"wavespeed-draft": draft}))
    assert "a bowl" in said
    assert Path(hostile).name not in said


@with_and_without
@pytest.mark.parametrize("endpoint", ["edit", "edit_stream", "edit_picture"])
def test_no_endpoint_takes_a_file_that_is_not_its_callers(
    app: App, hostile: str, meta: bool, endpoint: str
) -> None:
    if hostile.startswith("https:"):
        pytest.skip("the service fetches addresses, this server does not")
    image: Any = hostile
    if endpoint != "edit_picture":
        image = gallery(hostile, meta=meta)[0]["image"]
    data = [[image], "sepia", *([] if endpoint == "edit_picture" else [False, False])]
    call = httpx.post(f"{app.url}/gradio_api/call/{endpoint}", json={"data": data}, timeout=30)
    event = call.json().get("event_id")
    if event is None:
        pytest.skip("that endpoint is for models")
    events = httpx.get(f"{app.url}/gradio_api/call/{endpoint}/{event}", timeout=30)
    assert "event: error" in events.text
    assert "event: complete" not in events.text


def test_what_was_uploaded_is_taken_by_every_event(stranger: Visitor) -> None:
    path = stranger.upload(PHOTOS / "coffee.jpg")
    for meta in (True, False):
        files = gallery(path, meta=meta)
        [strip] = stranger.send("inputs", "change", {"inputs": files})
        assert "data:image" in strip
        assert REFUSED not in strip
        stranger.send("strip", "click", {"inputs": files}, do="remove", index=0)
    draft = {"text": "a bowl", "paths": [path], "each": False}
    assert "coffee.jpg" in json.dumps(stranger.send("page", "load", {"wavespeed-draft": draft}))
    stranger.edit(path)
    assert len(stranger.runs()) == 1


def test_a_result_is_an_input_of_its_own_visitor(app: App, victim: Visitor) -> None:
    [run] = [json.loads(body) for body in victim.runs() if "private words" in body]
    filled = victim.send("results", "click", {}, "inputs", do="input", index=0, run=run["id"])
    path = filled[0][0]["image"]["path"]
    [strip] = victim.send("inputs", "change", {"inputs": gallery(path, meta=True)})
    assert "data:image" in strip
    [strip] = Visitor(app).send("inputs", "change", {"inputs": gallery(path, meta=True)})
    assert REFUSED in strip


def test_names_of_results_can_not_be_guessed_and_are_not_told(app: App, victim: Visitor) -> None:
    results = list((app.log_file.parent / "data" / "outputs").rglob("*.png"))
    assert results
    for result in results:
        digits = result.stem.rsplit("-", 1)[1]
        assert len(digits) == 16
        int(digits, 16)


def test_a_script_edits_a_result_of_an_earlier_call_by_its_address(app: App) -> None:
    client = Client(app.url, verbose=False, analytics_enabled=False, download_files=False)
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    files, _ = client.predict(images=[picture], prompt="sepia", api_name="/edit")
    again, _ = client.predict(
        images=[handle_file(files[0]["url"])], prompt="warm", api_name="/edit"
    )
    assert len(again) == 1
    with pytest.raises(AppError, match="has to be a file uploaded here"):
        client.predict(
            images=[handle_file(f"{app.url}/gradio_api/file=/etc/hostname")],
            prompt="warm",
            api_name="/edit",
        )


@pytest.mark.parametrize(
    "climbing",
    [
        "{data}/studio.db",
        "{cache}/../data/studio.db",
        "{cache}/%2e%2e/data/studio.db",
        "{cache}/studio/..%2f..%2fdata/studio.db",
        "{cache}/....//data/studio.db",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        ".gitignore",
        "{cache}/%00/../../data/studio.db",
    ],
)
def test_nothing_but_the_cache_is_served(app: App, climbing: str) -> None:
    folder = app.log_file.parent
    path = climbing.replace("{cache}", f"{folder}/cache").replace("{data}", f"{folder}/data")
    request = httpx.Request("GET", f"{app.url}/gradio_api/file=x")
    request.url = request.url.copy_with(raw_path=f"/gradio_api/file={path}".encode())
    with httpx.Client(trust_env=False) as http:
        answer = http.send(request)
    assert answer.status_code in (400, 403, 404), answer.status_code
    assert b"SQLite" not in answer.content
    assert b"root:" not in answer.content


def test_a_draft_outlives_a_crash_of_the_server(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port=port) as app:
        before = Visitor(app)
        path = before.upload(PHOTOS / "coffee.jpg")
        app.kill()
    with served(tmp_path, port=port) as app:
        after = Visitor(app, before.id)
        draft = {"text": "a bowl", "paths": [path], "each": False}
        assert "coffee.jpg" in json.dumps(after.send("page", "load", {"wavespeed-draft": draft}))
