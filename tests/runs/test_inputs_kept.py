"""Each input is kept once, however many runs use it, and as long as one of them does."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import PHOTOS
from tests.runs.test_moved_folder import ME as OLD_VISITOR
from tests.runs.test_moved_folder import old_folder
from wavespeed import AsyncClient, Edit
from wavespeed.errors import InvalidEdit
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.errors import QuotaExceeded
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.inputs import Inputs
from wavespeed.studio.runs.run import SCRIPTS, Run, Stopped
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import errors

pytestmark = pytest.mark.anyio
ME, YOU = "visitor-1", "visitor-2"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with closing(Store(data / "studio.db")) as store:
        yield store


@pytest.fixture
async def runner(client: AsyncClient, store: Store, data: Path) -> AsyncIterator[Runner]:
    runner = Runner(client, store, data, Limits(parallel=1))
    yield runner
    await runner.close()


def kept(data: Path) -> list[Path]:
    return sorted(path for path in (data / "inputs").rglob("*") if path.is_file())


def size(path: Path) -> int:
    return path.stat().st_size


def run_of(*pictures: Path, visitor: str = ME, run_id: str = "r1") -> Run:
    edit = Edit("sepia", pictures)
    return Run(id=run_id, visitor_id=visitor, edit=edit, started_at=datetime.now(UTC))


def over(run: Run, store: Store) -> Run:
    store.save(run := run.apply(Stopped(1.0)))
    return run


async def test_runs_of_one_picture_share_one_file_under_its_own_name(
    runner: Runner, edit: Edit, photo: Path, data: Path
) -> None:
    for visitor in (ME, YOU):
        for run in runner.start_group([edit] * 4, visitor):
            ended = await runner.wait_until_finished(run.id)
            assert ended.state == "done"
            assert ended.pictures[0].name == photo.name
    assert len(kept(data)) == 1
    assert sha256(kept(data)[0]) == sha256(photo)


async def test_what_is_refused_is_never_kept(
    runner: Runner, sandbox: Sandbox, photo: Path, tmp_path: Path, data: Path
) -> None:
    sandbox.seconds = (1.0, 1.0)
    fake = tmp_path / "notes.jpg"
    fake.write_text("no picture")
    pictures = (photo, fake, photo, fake)
    runs = runner.start_group([Edit("sepia", (one,)) for one in pictures], ME, batch=True)
    ended = [await runner.wait_until_finished(run.id) for run in runs]
    assert [run.state for run in ended] == ["done", "failed", "done", "failed"]
    assert [path.name for path in kept(data)] == [photo.name]


async def test_a_waiting_batch_has_its_pictures_kept_while_the_first_is_under_way(
    runner: Runner, sandbox: Sandbox, data: Path
) -> None:
    sandbox.seconds = (3.0, 3.0)
    names = ("coffee", "rocket", "chelsea", "astronaut")
    edits = [Edit("sepia", (PHOTOS / f"{name}.jpg",)) for name in names]
    runs = runner.start_group(edits, ME, batch=True)
    async with asyncio.timeout(20), aclosing(runner.runs.watch_group(runs[0].group_id)) as changes:
        async for _ in changes:
            if len(kept(data)) == 4:
                break
    states = [await runner.runs.get(run.id, ME) for run in runs]
    assert all(run and run.awaiting_slot for run in states[1:])
    for run in runs:
        await runner.stop(run.id)


async def test_a_waiting_batch_outlives_its_uploads_and_a_restart(
    client: AsyncClient, store: Store, sandbox: Sandbox, tmp_path: Path, data: Path
) -> None:
    """Gradio's cache loses uploads within a day or two."""
    sandbox.seconds = (0.2, 0.2)
    names = ("coffee", "rocket", "chelsea")
    uploads = [Path(shutil.copy(PHOTOS / f"{name}.jpg", tmp_path)) for name in names]
    before = Runner(client, store, data, Limits(parallel=1))
    runs = before.start_group([Edit("sepia", (file,)) for file in uploads], ME, batch=True)
    async with asyncio.timeout(20), aclosing(before.runs.watch_group(runs[0].group_id)) as changes:
        async for _ in changes:
            if len(kept(data)) == 3:
                break
    await before.close()
    for file in uploads:
        file.unlink()

    after = Runner(client, store, data, Limits(parallel=1))
    await after.resume_unfinished()
    for run in runs:
        paused = await after.runs.get(run.id, ME)
        if paused is not None and paused.awaiting_slot:
            await after.resume(run.id, ME)
    ended = [await after.wait_until_finished(run.id) for run in runs]
    assert [run.state for run in ended] == ["done"] * 3
    assert len(sandbox.calls("submit")) == 3
    await after.close()


async def test_the_last_run_that_uses_a_file_takes_it_along(
    runner: Runner, edit: Edit, data: Path
) -> None:
    runs = [await runner.wait_until_finished(runner.start(edit, who).id) for who in (ME, YOU, ME)]
    for run in runs[:2]:
        gone = await runner.delete(run.id, run.visitor_id)
        assert gone == [run.results[0].path]
        assert len(kept(data)) == 1
    await runner.delete(runs[2].id, ME)
    assert not list((data / "inputs").iterdir())
    assert not list((data / "outputs").rglob("*.png"))


def test_files_and_rows_agree_however_many_threads_keep_and_delete(
    store: Store, photo: Path, data: Path
) -> None:
    inputs = Inputs(data, store)

    def keep_and_delete(number: int) -> bool:
        run = inputs.copy_inputs(run_of(photo, run_id=f"r{number}"))
        whole = run.pictures[0].read_bytes() == photo.read_bytes()
        if number % 10:
            inputs.delete(over(run, store))
        return whole

    numbers = list(range(100))
    random.Random(7).shuffle(numbers)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(keep_and_delete, numbers))
    assert len(kept(data)) == 1
    for number in range(0, 100, 10):
        found = store.get(f"r{number}", ME)
        assert found is not None
        inputs.delete(over(found, store))
    assert not kept(data)


def test_what_a_killed_process_left_is_deleted_at_the_next_start(
    store: Store, photo: Path, data: Path
) -> None:
    inputs = Inputs(data, store)
    used = inputs.copy_inputs(run_of(photo))
    orphan = data / "inputs" / ("ab" * 32) / "cup.png"
    orphan.parent.mkdir()
    orphan.write_bytes(b"copied, and never written down")
    (orphan.parent / ".half.part").write_bytes(b"half")
    inputs.remove_orphans()
    assert kept(data) == list(used.pictures)
    assert not orphan.parent.exists()


async def test_a_folder_of_an_earlier_version_opens_counts_and_is_deleted(
    client: AsyncClient, data: Path
) -> None:
    """One whose runs each have a folder of inputs of their own."""
    old_folder(data)
    with closing(Store(data / "studio.db")) as store:
        runner = Runner(client, store, data, service="sandbox")
        runs = await runner.runs.history(OLD_VISITOR)
        pictures = {file for run in runs for file in run.pictures}
        assert len(pictures) == 3
        outputs = {output.path for run in runs for output in run.results}
        assert store.used_bytes(OLD_VISITOR) == sum(map(size, pictures | outputs))
        for run in runs:
            await runner.delete(run.id, OLD_VISITOR)
        assert not kept(data)
        assert store.used_bytes() == 0
        await runner.close()


# --- Quotas


@pytest.mark.parametrize(
    ("limits", "visitor", "limit"),
    [
        ({"visitor_bytes": 1}, ME, "visitor"),
        ({"disk_bytes": 1}, ME, "all"),
        ({"disk_bytes": 1}, SCRIPTS, "all"),
        ({"visitor_bytes": 1}, SCRIPTS, None),
        ({"visitor_bytes": 10**9, "disk_bytes": 10**9}, ME, None),
    ],
)
def test_a_quota_is_of_one_visitor_or_of_all(
    store: Store, photo: Path, data: Path, limits: dict[str, int], visitor: str, limit: str | None
) -> None:
    inputs = Inputs(data, store, **limits)
    if limit is None:
        inputs.copy_inputs(run_of(photo, visitor=visitor))
        return
    with pytest.raises(QuotaExceeded) as caught:
        inputs.copy_inputs(run_of(photo, visitor=visitor))
    assert caught.value.limit == limit
    assert not kept(data)


async def test_a_full_quota_says_what_to_do_and_spends_nothing_until_room_is_made(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, photo: Path, data: Path
) -> None:
    # Room for one; the result, which is paid for, is saved even where it needs more.
    runner = Runner(client, store, data, Limits(visitor_bytes=size(photo)))
    first = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert first.state == "done"

    second = await runner.wait_until_finished(runner.start(edit, ME).id)

    problem = errors.error_message(second)
    assert second.state == "failed"
    assert problem.what.startswith("The pictures and results of your edits take")
    assert problem.money == "Nothing was spent."
    assert "Delete old edits" in problem.advice
    assert len(sandbox.calls("submit")) == 1
    other = await runner.wait_until_finished(runner.start(edit, YOU).id)
    assert other.state == "done"  # The file is shared, and counts for each.
    await runner.delete(first.id, ME)
    assert (await runner.wait_until_finished(runner.start(edit, ME).id)).state == "done"
    await runner.close()


def test_runs_that_cost_nothing_count_too(store: Store, photo: Path, data: Path) -> None:
    inputs = Inputs(data, store, visitor_bytes=photo.stat().st_size + 10)
    over(inputs.copy_inputs(run_of(photo)), store)
    with pytest.raises(QuotaExceeded):
        inputs.copy_inputs(run_of(PHOTOS / "coffee.jpg", run_id="r2"))


def test_a_run_without_a_picture_is_left_as_it_is(store: Store, data: Path) -> None:
    by_address = Edit("x", ("https://files.example/1.png",))
    run = replace(run_of(PHOTOS / "coffee.jpg"), edit=by_address)
    assert Inputs(data, store).copy_inputs(run).edit == by_address
    with pytest.raises(InvalidEdit):
        Inputs(data, store).copy_inputs(run_of(Path(__file__)))
    assert not kept(data)
