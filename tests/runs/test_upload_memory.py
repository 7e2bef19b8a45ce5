"""Prepared pictures wait for their upload in a bounded memory, and no edit waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.conftest import KEY, QUICK
from wavespeed import AsyncClient, Edit, Image
from wavespeed.images import convert_file
from wavespeed.sandbox import Sandbox
from wavespeed.studio.decoding.upload_memory import MOST_SENT_BYTES, UPLOAD_BYTES, UploadMemory
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store

pytestmark = pytest.mark.anyio
EDITS = 12


def pictures(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Pillow.new("RGB", (20, 20), (number * 5, 0, 0)).save(path)
    return paths


async def test_edits_of_large_pictures_upload_a_few_at_a_time_and_all_of_them_do(
    sandbox: Sandbox, base_url: str, tmp_path: Path
) -> None:
    sandbox.fail("put", delay=0.2, times=4 * EDITS)
    prepared = most = 0

    async def prepare(path: Path, name: str) -> Image:
        """As if each were the largest there is."""
        nonlocal prepared, most
        image = await asyncio.to_thread(convert_file, path, name)
        prepared += 1
        most = max(most, prepared - 4 * len(sandbox.calls("submit")))
        return replace(
            image, preprocessing=replace(image.preprocessing, size_bytes=MOST_SENT_BYTES)
        )

    files = pictures(tmp_path, 4 * EDITS)
    with closing(Store(tmp_path / "studio.db")) as store:
        async with AsyncClient(KEY, base_url=base_url, policies=QUICK, prepare=prepare) as client:
            runner = Runner(client, store, tmp_path / "data")
            runs = [
                runner.start(Edit("sepia", tuple(files[4 * n : 4 * n + 4])), f"visitor {n}")
                for n in range(EDITS)
            ]
            ended = await asyncio.gather(*(runner.wait_until_finished(run.id) for run in runs))
            await runner.close()

    assert {run.state for run in ended} == {"done"}
    # Those of which the service is just hearing may have let go of theirs.
    assert most * MOST_SENT_BYTES <= 2 * UPLOAD_BYTES


async def test_an_edit_that_is_larger_than_all_there_is_goes_on_alone() -> None:
    memory = UploadMemory(10)
    async with asyncio.timeout(5), memory.reserved(4):
        pass


async def test_what_turns_out_to_be_small_makes_room_at_once() -> None:
    memory = UploadMemory(MOST_SENT_BYTES)
    async with asyncio.timeout(5), memory.reserved(1) as first:
        first.shrink(0)
        async with memory.reserved(1):
            pass


async def test_an_edit_of_addresses_alone_needs_none() -> None:
    memory = UploadMemory(MOST_SENT_BYTES)
    async with asyncio.timeout(5), memory.reserved(1), memory.reserved(0):
        pass


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 3)), max_size=30),
    st.integers(1, 6),
)
async def test_whoever_gives_up_or_fails_takes_no_room_along(
    edits: list[tuple[int, bool, int]], room: int
) -> None:
    """Each of so many pictures, that is given up or not, after so many turns of the loop."""
    memory = UploadMemory(room * MOST_SENT_BYTES)
    held = 0

    async def one(count: int) -> None:
        nonlocal held
        async with memory.reserved(count):
            mine = min(count, room)
            held += mine
            assert held <= room
            try:
                await asyncio.sleep(0)
            finally:
                held -= mine

    async def all_of_them() -> None:
        tasks = []
        for count, is_given_up, turns in edits:
            tasks.append((asyncio.create_task(one(count)), is_given_up, turns))
        for task, is_given_up, turns in tasks:
            for _ in range(turns):
                await asyncio.sleep(0)
            if is_given_up:
                task.cancel()
        for task, _, _ in tasks:
            with suppress(asyncio.CancelledError):
                await task
        async with memory.reserved(6):  # All of it is free again.
            pass

    async with asyncio.timeout(10):
        await all_of_them()
