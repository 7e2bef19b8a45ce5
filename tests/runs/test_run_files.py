"""What a run leaves on the disk: checked files, nothing overwritten, and what a full one does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.runs import ME
from wavespeed import Edit
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.errors import InvalidOutput, SaveFailed
from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.metadata import EditMetadata, read
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store, StoreError
from wavespeed.studio.text import errors

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def test_a_result_that_can_not_be_written_keeps_its_id_and_says_so(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")

    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert run.error is not None
    assert run.error.code == SaveFailed.code
    problem = errors.error_message(run)
    assert "could not be written" in problem.what
    assert run.prediction is not None
    assert run.prediction.id in problem.details
    assert "billed" in problem.money or "costs" in problem.money


async def test_an_output_that_is_no_picture_is_told_and_leaves_no_file(
    runner: Runner, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    sandbox.fail("download", status=200, body=b"<html>expired</html>", times=3)

    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert run.error is not None
    assert run.error.code == InvalidOutput.code
    assert not list((tmp_path / "outputs").rglob("*.*"))


async def test_many_runs_of_one_second_overwrite_nothing(runner: Runner, edit: Edit) -> None:
    runs = [runner.start(edit, ME) for _ in range(6)]
    ends = [await runner.wait_until_finished(run.id) for run in runs]
    paths = {end.results[0].path for end in ends}
    assert len(paths) == 6
    assert all(path.exists() for path in paths)


async def test_a_result_that_could_not_be_fetched_is_fetched_again_for_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("download", status=451)
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert run.state == "failed"
    assert errors.error_actions(run) == [("again", "Fetch again")]

    assert await runner.recheck(run.id, ME)

    assert (await runner.wait_until_finished(run.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1


def kept(folder: Path) -> list[Path]:
    """The pictures of runs; the photo itself lies in the folder directly."""
    return [path for path in folder.rglob("*.png") if path.parent != folder]


async def test_a_deleted_run_takes_its_files_along(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    await runner.delete(run.id, ME)

    assert await runner.runs.get(run.id, ME) is None
    assert not kept(tmp_path)


async def test_what_is_older_than_it_is_kept_is_swept_away(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    for keep_days, left in ((None, [run]), (1.0, [run]), (0.0, [])):
        with suppress(TimeoutError):
            await asyncio.wait_for(runner.purge_expired(keep_days), 0.3)
        assert await runner.runs.history(ME) == left
    assert not kept(tmp_path)


async def test_a_result_carries_its_recipe(runner: Runner, edit: Edit, photo: Path) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    recipe = read(run.results[0].path)

    assert run.prediction is not None
    assert recipe == EditMetadata(
        prompt="make it black and white",
        model="openai/gpt-image-1-mini/edit",
        prediction_id=run.prediction.id,
        made_at=run.prediction.created_at or run.started_at,
        inputs=(sha256(photo),),
        nsfw=False,
    )


async def test_a_picture_that_arrived_broken_is_fetched_again(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("download", status=200, body=b"<html>a proxy's page</html>")
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert run.state == "done"
    assert len(sandbox.calls("download")) == 2


async def test_a_full_disk_before_the_submission_sends_nothing_and_says_so(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(store, "reserve", full)
    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    problem = errors.error_message(run)
    assert (run.state, problem.money) == ("failed", "Nothing was spent.")
    assert "could not write the edit down" in problem.what
    assert not sandbox.calls("submit")


async def test_a_disk_that_fills_up_later_loses_nothing_and_is_written_when_there_is_room(
    runner: Runner, store: Store, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavespeed.studio.runs.executor.SAVE_RETRY_DELAY", 0.1)
    save, left = store.save, [3]

    def full(run: Run) -> None:
        if run.in_flight and left[0]:
            left[0] -= 1
            raise StoreError("database or disk is full")
        save(run)

    monkeypatch.setattr(store, "save", full)
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert run.state == "done"
    await asyncio.sleep(0.3)
    assert store.get(run.id, ME) == run
