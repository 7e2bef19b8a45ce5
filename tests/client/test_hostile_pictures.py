"""A stranger can't take the machine down with pictures: time and memory are bounded, whatever
comes, and those who send good pictures meanwhile get their edits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import KEY, QUICK, story
from tests.support import hostile
from tests.support.apps import ROOT
from wavespeed import AsyncClient, Edit, Image, prepare
from wavespeed.errors import InvalidEdit
from wavespeed.images import convert_file
from wavespeed.sandbox import Sandbox
from wavespeed.studio.decoding import decoder, thumbnails
from wavespeed.studio.decoding.decoder import Closed, Decoder, QueueTimeout, WorkerDied
from wavespeed.studio.media import previews

HAS_PROC = Path("/proc/self/statm").exists()
TAKES_TOO_LONG = "“bomb.jpg” takes too long to read."


@pytest.fixture
def quick() -> Iterator[Decoder]:
    """A second of the processor for each picture."""
    pool = Decoder(workers=2, seconds=1.0)
    yield pool
    pool.close()


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    path = tmp_path / "bomb.jpg"
    path.write_bytes(hostile.scans_bomb())
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.jpg"
    path.write_bytes(hostile.jpeg())
    return path


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def is_there(process_id: int) -> bool:
    """Whether it runs; one that ended and was not asked for yet does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# --- Time -----------------------------------------------------------------------------------


def test_a_picture_that_never_ends_is_refused_while_another_goes_through(
    quick: Decoder, bomb: Path, good: Path
) -> None:
    with ThreadPoolExecutor(1) as threads:
        endless = threads.submit(quick.run, prepare, bomb)
        until(lambda: len(quick.process_ids) == 1)

        images = [quick.run(prepare, good) for _ in range(5)]

        assert not endless.done(), "the good ones did not wait for it"
        with pytest.raises(TimeoutError):
            endless.result(30)
    assert all(image.content == good.read_bytes() for image in images)
    assert quick.run(prepare, good).content == good.read_bytes(), "a new worker took over"


@pytest.mark.anyio
async def test_an_edit_with_an_endless_picture_ends_in_a_sentence_and_sends_nothing(
    quick: Decoder, base_url: str, sandbox: Sandbox, bomb: Path
) -> None:
    async def killable(path: Path, name: str) -> Image:
        return await decoder.in_thread(quick.run, convert_file, path, name)

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with AsyncClient(KEY, base_url=base_url, policies=QUICK, prepare=killable) as client:
        with pytest.raises(InvalidEdit) as caught:
            await story(client, Edit("make it grey", (bomb,)))
    ticking.cancel()

    assert str(caught.value) == TAKES_TOO_LONG
    assert caught.value.spent == "no"
    assert not sandbox.calls("submit")
    assert ticks > 30, "the loop went on meanwhile"


@pytest.mark.anyio
async def test_the_store_is_not_kept_waiting_by_those_who_wait_for_pictures(
    quick: Decoder, bomb: Path
) -> None:
    waiting = [
        asyncio.ensure_future(decoder.in_thread(quick.run, prepare, bomb)) for _ in range(50)
    ]
    await asyncio.sleep(0.2)

    async with asyncio.timeout(5):
        for _ in range(20):
            await asyncio.to_thread(os.getpid)

    assert not any(one.done() and one.exception() is None for one in waiting)
    quick.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, Closed | TimeoutError) for end in ends)


def test_the_page_says_why_and_asks_once(
    quick: Decoder, bomb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "shared", quick)

    first = previews.inspect(bomb)
    began = time.monotonic()
    again = previews.inspect(bomb)

    assert first.error == again.error == TAKES_TOO_LONG
    assert first.thumbnail == ""
    assert time.monotonic() - began < 0.5, "it was not decoded again"


def test_a_turn_that_does_not_come_is_no_fault_of_the_picture(
    bomb: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Decoder(workers=1, seconds=1.0, queue_seconds=0.1)
    monkeypatch.setattr(decoder, "shared", pool)
    with ThreadPoolExecutor(1) as threads:
        endless = threads.submit(pool.run, prepare, bomb)
        until(lambda: len(pool.process_ids) == 1)

        with pytest.raises(QueueTimeout):
            pool.run(prepare, good)
        assert previews.inspect(good).error == "“good.jpg” takes too long to read."
        result = pool.run(thumbnails.check, good.read_bytes(), urgent=True)

        assert endless.done(), "what was paid for waits as long as it takes"
        assert (result.format, result.width, result.height) == ("JPEG", 64, 48)
    assert previews.inspect(good).error == "", "the page asks again"
    pool.close()


def test_what_was_paid_for_comes_before_what_was_dropped(quick: Decoder, good: Path) -> None:
    pool = Decoder(workers=1)
    pool.run(prepare, good)
    order: list[str] = []

    def run(name: str, *, urgent: bool) -> None:
        pool.run(thumbnails.check, good.read_bytes(), urgent=urgent)
        order.append(name)

    with ThreadPoolExecutor(20) as threads:
        for number in range(12):
            threads.submit(run, f"dropped {number}", urgent=False)
        threads.submit(run, "paid for", urgent=True)
    pool.close()

    assert order.index("paid for") <= 11, "not the last, though it came last"


# --- Crashes and memory ---------------------------------------------------------------------


def test_a_picture_that_crashes_the_decoder_harms_nobody_else(quick: Decoder, good: Path) -> None:
    with pytest.raises(WorkerDied):
        quick.run(hostile.crash, good)

    assert quick.run(prepare, good).content == good.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such limit")
def test_a_file_that_takes_more_memory_than_it_claims_is_stopped(
    quick: Decoder, good: Path
) -> None:
    with pytest.raises(MemoryError):
        quick.run(hostile.greed, good)

    assert quick.run(prepare, good).content == good.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PROC, reason="what processes take is read from /proc")
def test_eight_huge_pictures_at_once_stay_below_the_limit(tmp_path: Path) -> None:
    # A quarter of what is set for the program in all, to be quick: two fit, eight would not.
    path = tmp_path / "huge.png"
    path.write_bytes(hostile.huge_png(4999, 5000))
    limit = 2 * (25_000_000 * 9 + 120_000_000) + 10_000_000
    pool = Decoder(workers=4, memory_bytes=limit)
    peak, is_over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.01):
            peak = max(peak, sum(map(resident_bytes, pool.process_ids)))

    with ThreadPoolExecutor(9) as threads:
        threads.submit(watch)
        try:
            images = list(threads.map(lambda _: pool.run(prepare, path), range(8)))
        finally:
            is_over.set()
    pool.close()

    assert {image.preprocessing.size for image in images} == {(2048, 2048)}
    assert 200_000_000 < peak < limit


def resident_bytes(process_id: int) -> int:
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- Workers --------------------------------------------------------------------------------


def test_a_worker_knows_neither_the_page_nor_a_key(
    quick: Decoder, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", KEY)

    modules, settings = quick.run(hostile.surroundings, good)

    assert not {"gradio", "app", "__mp_main__", "pydantic", "numpy"} & set(modules)
    assert not [name for name in settings if "WAVESPEED" in name]


def test_workers_start_with_the_first_picture_and_end_when_there_are_none(good: Path) -> None:
    pool = Decoder(idle_seconds=0.3)
    assert pool.process_ids == []

    pool.run(prepare, good)
    (worker,) = pool.process_ids
    pool.run(prepare, good)

    assert pool.process_ids in ([worker], []), "the same one"
    until(lambda: pool.process_ids == [] and not is_there(worker))
    assert pool.run(prepare, good).content == good.read_bytes()
    pool.close()
    assert pool.process_ids == []


PROGRAM = """
import sys, threading, time
from pathlib import Path
from wavespeed import prepare
from wavespeed.studio.decoding.decoder import Decoder

seconds, end = float(sys.argv[2]), sys.argv[3]
pool = Decoder(seconds=seconds)

def work():
    try:
        pool.run(prepare, Path(sys.argv[1]))
    except Exception as error:
        print(type(error).__name__, flush=True)

thread = threading.Thread(target=work)
thread.start()
while not pool.process_ids:
    time.sleep(0.01)
print(pool.process_ids[0], flush=True)
if end == "close":
    time.sleep(1)
    pool.close()
thread.join()
"""


def program(bomb: Path, seconds: int, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bomb, str(seconds), end],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_the_end_of_the_process_does_not_wait_for_a_picture(bomb: Path) -> None:
    with program(bomb, 600, "close") as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        said, _ = process.communicate(timeout=30)

    assert said.split() == ["Closed"]
    assert process.returncode == 0
    until(lambda: not is_there(worker))


@pytest.mark.skipif(not HAS_PROC, reason="what runs is read from /proc")
def test_a_worker_does_not_outlive_a_process_that_was_killed(bomb: Path) -> None:
    with program(bomb, 2, "never") as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)

    until(lambda: not is_there(worker), seconds=60)
