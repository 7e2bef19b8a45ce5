"""What a visitor can make the server write: bounded, and said where the bound is met."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, served
from tests.support.pictures import padded
from tests.support.visitor import Visitor
from wavespeed.studio.text import labels

MEGABYTE = 1_000_000


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Two megabytes."""
    file = tmp_path / "large.jpg"
    file.write_bytes(padded((PHOTOS / "coffee.jpg").read_bytes(), 2 * MEGABYTE))
    return file


def disk_bytes(app: App) -> int:
    """Of all that the app has written; a file under two names counts once."""
    files = {file.stat().st_ino: file for file in app.log_file.parent.rglob("*") if file.is_file()}
    return sum(file.stat().st_size for file in files.values())


def test_a_press_on_four_variants_keeps_its_picture_once(app: App, picture: Path) -> None:
    visitor = Visitor(app)
    path = visitor.upload(picture)
    before = disk_bytes(app)
    values = {"inputs": [{"image": {"path": path}}], "prompt": "sepia", "variants": "4"}
    visitor.send("edit", "click", values)
    runs = [json.loads(body) for body in visitor.runs()]
    assert [run["state"] for run in runs] == ["done"] * 4
    results = [file for run in runs for file in run["results"]]
    size_of_results = sum(file["size_bytes"] for file in results)
    # Each result lies in the cache again as a whole and smaller, for the page.
    assert disk_bytes(app) - before < 3 * size_of_results + MEGABYTE


def test_who_has_used_up_their_room_is_told_and_others_go_on(
    app_with: AppWith, picture: Path
) -> None:
    app = app_with(WAVESPEED_VISITOR_MB="3")
    visitor = Visitor(app)
    visitor.edit(visitor.upload(picture))
    picture.write_bytes(picture.read_bytes()[:-2] + b"\0" * 2 + b"\xff\xd9")  # Another content.
    visitor.edit(visitor.upload(picture), "warm")
    first, second = sorted(map(json.loads, visitor.runs()), key=lambda run: run["started_at"])
    assert (first["state"], second["state"]) == ("done", "failed")
    assert "The pictures and results of your edits take" in second["error"]["message"]
    other = Visitor(app)
    other.edit(other.upload(picture))
    assert json.loads(other.runs()[0])["state"] == "done"


def test_when_the_day_is_full_uploads_are_refused(tmp_path: Path, picture: Path) -> None:
    with served(tmp_path / "app", WAVESPEED_DISK_MB="3") as app:
        visitor = Visitor(app)
        paths = [visitor.upload(picture)]
        while len(paths) < 10:
            picture.write_bytes(picture.read_bytes()[:-2] + bytes([len(paths)]) * 2 + b"\xff\xd9")
            files = {"files": (picture.name, picture.read_bytes())}
            answer = httpx.post(f"{app.url}/gradio_api/upload", files=files, trust_env=False)
            if answer.status_code != 200:
                break
            paths.append(answer.json()[0])
        assert (answer.status_code, answer.text) == (507, labels.NO_ROOM_TODAY)
        assert len(paths) == 2  # The second began while there was room.
        assert disk_bytes(app) < 8 * MEGABYTE
