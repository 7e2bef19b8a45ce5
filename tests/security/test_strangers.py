"""Events and endpoints called by hand, with paths of files that are not the caller's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.apps import App, free_port, served
from tests.support.visitor import Visitor, gallery
from wavespeed.studio.text import labels

REFUSED = labels.NOT_UPLOADED


@pytest.fixture(scope="module")
def victim(app: App) -> Visitor:
    """Has an edit, and its result among the pictures of the next."""
    victim = Visitor(app)
    victim.edit(victim.upload(PHOTOS / "rocket.jpg"), "private words")
    [run] = [json.loads(body) for body in victim.runs()]
    assert run["state"] == "done"
    run_id = run["id"]
    victim.send("results", "click", {}, "inputs", action="input", index=0, run=run_id)
    return victim


@pytest.fixture
def stranger(app: App) -> Visitor:
    return Visitor(app)


OURS = ("outside", "climbing", "result", "input", "in the cache", "address", "a pipe")


@pytest.fixture(params=[*OURS, "elsewhere"])
def hostile(request: pytest.FixtureRequest, app: App, victim: Visitor, tmp_path: Path) -> str:
    """A path that exists, and is not the stranger's. Whoever opens the pipe waits for ever."""
    folder = app.log_file.parent
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
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
        "a pipe": str(pipe),
        "elsewhere": "https://127.0.0.1:1/picture.png",
    }[request.param]


with_and_without = pytest.mark.parametrize("meta", [True, False], ids=["meta", "no meta"])


def refused(visitor: Visitor, where: str, event: str, values: dict[str, Any], **data: Any) -> str:
    """What is said in markup; Gradio's own refusal says nothing there, and stands in the log."""
    before = len(visitor.app.log())
    try:
        return json.dumps(visitor.send(where, event, values, **data), ensure_ascii=False)
    except PermissionError:
        assert "InvalidPathError" in visitor.app.log()[before:]
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
    answer = refused(stranger, "inputs", "change", {"inputs": gallery(hostile, meta=meta)})
    assert REFUSED in answer
    assert "data:image" not in answer


@with_and_without
@pytest.mark.parametrize("action", ["restore", "left", "right", "remove"])
def test_no_button_of_the_pictures_opens_a_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str, meta: bool, action: str
) -> None:
    """The recipe in a result would tell the prompt."""
    values = {"inputs": gallery(hostile, meta=meta)}
    answer = refused(stranger, "strip", "click", values, action=action, index=0)
    assert REFUSED in answer
    assert "private words" not in answer


def test_a_forged_draft_brings_no_file_that_is_not_its_visitors(
    stranger: Visitor, hostile: str
) -> None:
    draft = {"text": "a bowl", "paths": [hostile], "each": False}
    answer = json.dumps(stranger.send("page", "load", {"wavespeed-draft": draft}))
    assert "a bowl" in answer
    assert Path(hostile).name not in answer


@with_and_without
@pytest.mark.parametrize("endpoint", ["edit", "edit_stream", "edit_picture"])
@pytest.mark.parametrize("hostile", OURS, indirect=True)  # Of elsewhere the service fetches them.
def test_no_endpoint_takes_a_file_that_is_not_its_callers(
    app: App, hostile: str, meta: bool, endpoint: str
) -> None:
    image: Any = hostile
    if endpoint != "edit_picture":
        image = gallery(hostile, meta=meta)[0]["image"]
    data = [[image], "sepia", *([] if endpoint == "edit_picture" else [False, False])]
    call = httpx.post(f"{app.url}/gradio_api/call/{endpoint}", json={"data": data}, timeout=30)
    event = call.json()["event_id"]
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
        stranger.send("strip", "click", {"inputs": files}, action="remove", index=0)
    draft = {"text": "a bowl", "paths": [path], "each": False}
    assert "coffee.jpg" in json.dumps(stranger.send("page", "load", {"wavespeed-draft": draft}))
    stranger.edit(path)
    assert len(stranger.runs()) == 1


def test_a_result_is_an_input_of_its_own_visitor(app: App, victim: Visitor) -> None:
    [run] = [json.loads(body) for body in victim.runs() if "private words" in body]
    filled = victim.send("results", "click", {}, "inputs", action="input", index=0, run=run["id"])
    path = filled[0][0]["image"]["path"]
    [strip] = victim.send("inputs", "change", {"inputs": gallery(path, meta=True)})
    assert "data:image" in strip
    [strip] = Visitor(app).send("inputs", "change", {"inputs": gallery(path, meta=True)})
    assert REFUSED in strip


def test_names_of_results_can_not_be_guessed_and_are_not_told(app: App, victim: Visitor) -> None:
    results = list((app.log_file.parent / "data" / "outputs").rglob("*private-words*.png"))
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
