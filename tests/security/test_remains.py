"""What is refused, or never arrives whole, leaves nothing on the disk."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import PHOTOS
from tests.support.apps import App


@pytest.fixture
def http(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        yield client


def files(app: App) -> set[Path]:
    """In Gradio's cache."""
    return {path for path in (app.log_file.parent / "cache").rglob("*") if path.is_file()}


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_an_upload_whose_sender_hangs_up(app: App) -> None:
    before = files(app)
    address = urlsplit(app.url)
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    )
    with socket.create_connection((address.hostname, address.port)) as sender:
        sender.sendall(head.encode() + bytes(2_000_000))
        wait_until(lambda: files(app) > before, "the upload did not begin")
    wait_until(lambda: files(app) == before, "half of the upload is still there")


def test_a_file_of_a_field_that_nobody_reads(app: App, http: httpx.Client) -> None:
    before = files(app)
    picture = (PHOTOS / "coffee.jpg").read_bytes()
    answer = http.post("/gradio_api/upload", files={"other": ("a.jpg", picture, "image/jpeg")})
    assert answer.json() == []
    wait_until(lambda: files(app) == before, "the file is still there")

    answer = http.post("/gradio_api/upload", files={"files": ("a.jpg", picture, "image/jpeg")})
    [path] = answer.json()
    wait_until(Path(path).exists, "a file that was read is gone")


def test_a_picture_in_a_call_that_is_refused(app: App, http: httpx.Client) -> None:
    before = files(app)
    picture = base64.b64encode((PHOTOS / "coffee.jpg").read_bytes()).decode()
    image = {"path": f"data:image/jpeg;base64,{picture}"}
    for images, prompt in (([image], "x" * 32_001), ([image, {"path": "/etc/passwd"}], "sepia")):
        call = http.post("/gradio_api/call/edit", json={"data": [images, prompt, False, False]})
        answer = http.get(f"/gradio_api/call/edit/{call.json()['event_id']}").text
        assert "event: error" in answer
        assert "Nothing was spent." in answer
    assert files(app) == before
