"""Whatever is sent at once, the page and its helpers together stay within 2.5 GB."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.apps import App, served
from tests.support.hostile import huge_png
from tests.support.pictures import encode, padded
from tests.support.service import Service

PROC = Path("/proc")
VISITORS = 50
MOST_BYTES = 2_500_000_000
pytestmark = pytest.mark.skipif(not PROC.exists(), reason="reads /proc")


def tree_bytes(root: int) -> int:
    """The memory of a process and of all that it has started; what they share counts once."""
    parents = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # It has just ended.
    tree, grown = {root}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in tree} - tree
        tree |= more
        grown = bool(more)
    return sum(map(own_bytes, tree))


def own_bytes(process: int) -> int:
    try:
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1000 for line in lines if line.startswith("Pss:")), 0)


class Peak:
    """The most memory that was seen, in bytes."""

    def __init__(self) -> None:
        self.byte_count = 0


@contextmanager
def watched(app: App) -> Iterator[Peak]:
    peak, is_over = Peak(), threading.Event()
    assert app.process.pid is not None
    root = app.process.pid

    def watch() -> None:
        while not is_over.wait(0.1):
            peak.byte_count = max(peak.byte_count, tree_bytes(root))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def call(http: httpx.Client, *pictures: str) -> httpx.Response:
    data = {"data": [[{"path": picture} for picture in pictures], "sepia", False, False]}
    return http.post("/gradio_api/call/edit", json=data)


def test_fifty_visitors_at_once_with_huge_pictures(tmp_path: Path) -> None:
    """Each picture is 0.4 MB as a file and 400 MB as pixels."""
    content = huge_png()
    with served(tmp_path / "app") as app, watched(app) as peak:

        def send(number: int) -> str:
            with httpx.Client(base_url=app.url, trust_env=False, timeout=300) as http:
                files = {"files": (f"{number}.png", content + bytes([number]), "image/png")}
                [path] = http.post("/gradio_api/upload", files=files).json()
                event = call(http, path).json()["event_id"]
                return http.get(f"/gradio_api/call/edit/{event}").text

        with ThreadPoolExecutor(VISITORS) as pool:
            answers = list(pool.map(send, range(VISITORS)))

    assert len(answers) == VISITORS
    assert all("event: complete" in answer or "event: error" in answer for answer in answers)
    assert 0 < peak.byte_count < MOST_BYTES, f"{peak.byte_count / 1e9:.2f} GB"


def test_fifty_visitors_at_once_with_all_sorts(
    tmp_path: Path, picture: str, phone_photo: bytes
) -> None:
    """Four huge pictures each, photos of a phone, and calls that bring forty megabytes."""
    huge = huge_png()
    kinds = [("huge.png", huge), ("photo.heic", phone_photo)]
    with served(tmp_path / "app") as app, watched(app) as peak:

        def send(number: int) -> str:
            with httpx.Client(base_url=app.url, trust_env=False, timeout=300) as http:
                if number % 3 == 2:
                    answer = call(http, picture)
                    if answer.status_code == 503:
                        return "event: error"
                else:
                    name, content = kinds[number % 3]
                    files = [
                        ("files", (f"{n}{name}", content + bytes([number, n]))) for n in range(4)
                    ]
                    paths = http.post("/gradio_api/upload", files=files).json()
                    answer = call(http, *paths)
                event = answer.json()["event_id"]
                return http.get(f"/gradio_api/call/edit/{event}").text

        with ThreadPoolExecutor(VISITORS) as pool:
            answers = list(pool.map(send, range(VISITORS)))

    assert all("event: complete" in answer or "event: error" in answer for answer in answers)
    assert sum("event: complete" in answer for answer in answers) > VISITORS // 3
    assert 0 < peak.byte_count < MOST_BYTES, f"{peak.byte_count / 1e9:.2f} GB"


def wait_for_submissions(service: Service, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(service.submissions) < count:
        assert time.monotonic() < deadline, "it was not sent"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def picture() -> str:
    """Forty megabytes of it."""
    jpeg = padded((PHOTOS / "coffee.jpg").read_bytes(), 30_000_000)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


@pytest.fixture(scope="module")
def phone_photo() -> bytes:
    """Of twelve megapixels, in HEIC."""
    noise = Image.effect_noise((504, 378), 60).resize((4032, 3024)).convert("RGB")
    return encode(noise, "HEIF", quality=50)


def accepted(http: httpx.Client, picture: str) -> str:
    """The event of a call, once there is room for it."""
    deadline = time.monotonic() + 30
    while (answer := call(http, picture)).status_code == 503:
        assert time.monotonic() < deadline, "what calls hold is never let go"
        time.sleep(0.5)
    return str(answer.json()["event_id"])


def test_what_calls_brought_is_let_go_with_their_edits(
    service: Service, tmp_path: Path, picture: str
) -> None:
    with (
        served(tmp_path / "app", **service.settings()) as app,
        httpx.Client(base_url=app.url, trust_env=False, timeout=300) as http,
        watched(app) as peak,
    ):
        for _ in range(12):
            event = accepted(http, picture)
            assert "event: complete" in http.get(f"/gradio_api/call/edit/{event}").text

    assert 0 < peak.byte_count < 700_000_000, f"{peak.byte_count / 1e9:.2f} GB"


def test_calls_that_hold_large_pictures_are_few_at_a_time(
    service: Service, tmp_path: Path, picture: str
) -> None:
    """Gradio keeps all that a call brought until its edit is over."""
    service.may_end = 0
    with (
        served(tmp_path / "app", **service.settings()) as app,
        httpx.Client(base_url=app.url, trust_env=False, timeout=300) as http,
        watched(app) as peak,
    ):
        answers = []
        for _ in range(6):
            answers.append(call(http, picture))
            wait_for_submissions(service, sum(one.status_code == 200 for one in answers))
        assert [answer.status_code for answer in answers] == [200] * 3 + [503] * 3
        assert "too much at the moment" in answers[-1].json()["detail"]

        service.may_end = 3
        for answer in answers[:3]:
            http.get(f"/gradio_api/call/edit/{answer.json()['event_id']}")
        assert accepted(http, picture)

    assert peak.byte_count < 1_000_000_000, f"{peak.byte_count / 1e9:.2f} GB"
