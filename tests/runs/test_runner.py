"""Runs belong to the server: who watches, and for how long, changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import KEY, QUICK, patient
from wavespeed import AmbiguousSubmit, AsyncClient, Edit, Submitting
from wavespeed.sandbox import Sandbox
from wavespeed.studio import problems, words
from wavespeed.studio.board import Board
from wavespeed.studio.driver import Limits
from wavespeed.studio.errors import NoPicture, Unsaved
from wavespeed.studio.log import Redact
from wavespeed.studio.outputs import sha256
from wavespeed.studio.recipe import Recipe, read
from wavespeed.studio.run import Lost, Run
from wavespeed.studio.runner import Runner
from wavespeed.studio.store import Store, StoreError

pytestmark = pytest.mark.anyio
ME, YOU = "visitor-1", "visitor-2"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "studio.db")
    yield store
    store.close()


@pytest.fixture(autouse=True)
def _looks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavespeed.studio.driver.LOOKS", (0.2, 0.3))


@pytest.fixture
async def runner(client: AsyncClient, store: Store, tmp_path: Path) -> AsyncIterator[Runner]:
    runner = Runner(client, store, tmp_path)
    yield runner
    await runner.close()


LONG_ENOUGH = (1.0, 1.0)
"""Seconds of a task that is to be met while it is under way, on a busy machine too."""


async def until(runner: Runner, run: Run, step: str) -> Run:
    """The run once it is in the step."""
    async with aclosing(runner.watch(run.id)) as runs:
        async for now in runs:
            if now.step == step:
                return now
    raise AssertionError(f"it ended before {step}")


async def test_a_run_ends_with_a_checked_file_named_after_its_prompt(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.finished(runner.start(edit, ME).id)

    [result] = run.results
    assert result.path.parent.parent == tmp_path / "outputs"
    assert result.name.endswith("-make-it-black-and-white-1.png")
    assert result.size_bytes == result.path.stat().st_size
    with Image.open(result.path) as picture:
        assert picture.size == (result.width, result.height) == (256, 256)


async def test_a_run_goes_on_when_nobody_watches(runner: Runner, edit: Edit) -> None:
    run = runner.start(edit, ME)
    async with aclosing(runner.watch(run.id)) as runs:
        await anext(runs)  # The tab is closed here.

    assert (await runner.finished(run.id)).state == "done"


async def test_whoever_comes_later_sees_the_same(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.seconds = LONG_ENOUGH
    run = runner.start(edit, ME)
    await until(runner, run, "queue")
    ends = await asyncio.gather(*(runner.finished(run.id) for _ in range(5)))

    assert all(end == ends[0] for end in ends)
    assert [now async for now in runner.watch(run.id)] == [ends[0]]


async def test_a_stop_before_the_submission_spends_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("ticket", delay=1.0)
    run = runner.start(edit, ME)
    await until(runner, run, "upload")
    await asyncio.sleep(0.2)

    stopped = await runner.stop(run.id)

    assert stopped is not None
    assert stopped.state == "stopped"
    await asyncio.sleep(0.3)
    assert not sandbox.calls("submit")


async def test_a_stop_while_a_rate_limit_is_waited_out_spends_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", status=429, headers={"Retry-After": "1"})
    run = runner.start(edit, ME)
    async with aclosing(runner.watch(run.id)) as runs:
        async for now in runs:
            if now.waiting:
                break

    stopped = await runner.stop(run.id)

    assert stopped is not None
    assert stopped.state == "stopped"
    await asyncio.sleep(1.2)
    assert len(sandbox.calls("submit")) == 1


async def test_after_the_submission_a_stop_changes_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.seconds = LONG_ENOUGH
    run = runner.start(edit, ME)
    await until(runner, run, "queue")

    going_on = await runner.stop(run.id)

    assert going_on is not None
    assert going_on.state == "running"
    assert (await runner.finished(run.id)).state == "done"


async def test_stopping_at_any_moment_never_loses_an_edit_that_was_sent(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    """Swept over the whole beginning: a run that says "stopped" was not submitted, ever."""
    for moment in range(24):
        before = len(sandbox.calls("submit"))
        run = runner.start(edit, ME)
        await asyncio.sleep(moment * 0.004)
        stopped = await runner.stop(run.id)
        assert stopped is not None
        if stopped.state == "stopped":
            await asyncio.sleep(0.05)
            assert len(sandbox.calls("submit")) == before
        else:
            assert (await runner.finished(run.id)).state == "done"


async def test_a_result_that_can_not_be_written_keeps_its_id_and_says_so(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    (tmp_path / "outputs").write_text("a file where the folder should be")

    run = await runner.finished(runner.start(edit, ME).id)

    assert run.error is not None
    assert run.error.kind == Unsaved.__name__
    problem = problems.problem(run)
    assert "could not be written" in problem.what
    assert run.prediction is not None
    assert run.prediction.id in problem.details
    assert "billed" in problem.money or "costs" in problem.money


async def test_an_output_that_is_no_picture_is_told_and_leaves_no_file(
    runner: Runner, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    sandbox.fail("download", status=200, body=b"<html>expired</html>", times=3)

    run = await runner.finished(runner.start(edit, ME).id)

    assert run.error is not None
    assert run.error.kind == NoPicture.__name__
    assert not list((tmp_path / "outputs").rglob("*.*"))


async def test_many_runs_of_one_second_overwrite_nothing(runner: Runner, edit: Edit) -> None:
    runs = [runner.start(edit, ME) for _ in range(6)]
    ends = [await runner.finished(run.id) for run in runs]
    paths = {end.results[0].path for end in ends}
    assert len(paths) == 6
    assert all(path.exists() for path in paths)


async def test_an_error_is_logged_by_run_id_and_without_the_key(
    runner: Runner, sandbox: Sandbox, edit: Edit, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail("submit", status=401)

    run = await runner.finished(runner.start(edit, ME).id)

    assert run.state == "failed"
    assert run.id in caplog.text
    assert KEY not in caplog.text


async def test_a_service_that_is_away_is_told_in_words(
    store: Store, edit: Edit, tmp_path: Path
) -> None:
    async with AsyncClient(KEY, base_url="http://127.0.0.1:9", pace=QUICK) as client:
        runner = Runner(client, store, tmp_path)
        run = await runner.finished(runner.start(edit, ME).id)

    problem = problems.problem(run)
    assert (problem.what, problem.money) == ("WaveSpeed can't be reached.", "Nothing was spent.")


# --- Across restarts and lost answers ---------------------------------------------------------


async def restarted(runner: Runner, client: AsyncClient, store: Store, folder: Path) -> Runner:
    """A new process over the same data folder, as far as the runs can tell."""
    await runner.close()
    again = Runner(client, store, folder)
    await again.take_up()
    return again


@pytest.mark.parametrize("step", ["prepare", "upload", "queue", "process"])
async def test_a_restart_in_any_step_ends_in_one_submission_and_the_result(
    runner: Runner,
    client: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
    step: str,
) -> None:
    sandbox.seconds = LONG_ENOUGH
    run = runner.start(edit, ME)
    await until(runner, run, step)
    await asyncio.sleep(0.01)  # Written down, as it is before anything is sent.

    again = await restarted(runner, client, store, tmp_path)
    end = await again.finished(run.id)

    assert (end.state, len(end.results)) == ("done", 1)
    assert len(sandbox.calls("submit")) == 1
    assert store.get(run.id, ME) == end
    await again.close()


async def test_a_lost_answer_is_found_in_the_list_and_taken_up(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)

    end = await runner.finished(runner.start(edit, ME).id)

    assert end.state == "done"
    assert len(sandbox.calls("submit")) == 1


async def test_a_lost_answer_that_is_not_in_the_list_is_told_and_never_sent_again(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True, processed=False)

    end = await runner.finished(runner.start(edit, ME).id)

    assert end.state == "unknown"
    assert len(sandbox.calls("submit")) == 1
    assert problems.problem(end).what.startswith("We don't know whether WaveSpeed accepted this.")
    assert [action for action, _ in problems.actions(end)] == ["again", "resend"]


async def test_two_lost_answers_are_never_taken_for_each_other(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    """One of them was accepted. Whose it is can't be told, so neither person gets it."""
    sandbox.fail("submit", drop=True)
    sandbox.fail("submit", drop=True, processed=False)

    ids = [runner.start(edit, visitor).id for visitor in (ME, YOU)]
    ends = [await runner.finished(run_id) for run_id in ids]

    assert [end.state for end in ends] == ["unknown", "unknown"]
    assert len(sandbox.calls("submit")) == 2


async def test_looking_again_later_finds_it(runner: Runner, sandbox: Sandbox, edit: Edit) -> None:
    sandbox.fail("submit", drop=True)
    sandbox.fail("recent", body={"code": 200, "data": {"page": 1, "items": []}}, times=2)
    run = await runner.finished(runner.start(edit, ME).id)
    assert run.state == "unknown"

    assert not await runner.again(run.id, YOU)
    # Of two presses one begins.
    presses = await asyncio.gather(runner.again(run.id, ME), runner.again(run.id, ME))
    assert sorted(presses) == [False, True]

    assert (await runner.finished(run.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1


async def test_a_result_that_could_not_be_fetched_is_fetched_again_for_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("download", status=410)
    run = await runner.finished(runner.start(edit, ME).id)
    assert run.state == "failed"
    assert problems.actions(run) == [("again", "Fetch again")]

    assert await runner.again(run.id, ME)

    assert (await runner.finished(run.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1


async def test_an_overdue_edit_is_checked_again_for_nothing(
    base_url: str, store: Store, sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    # Not done at the first look, however late a busy machine takes it.
    sandbox.fail("result", data={"status": "processing", "outputs": []})
    async with AsyncClient(KEY, base_url=base_url, pace=patient(deadline=0.06)) as client:
        runner = Runner(client, store, tmp_path)
        run = await runner.finished(runner.start(Edit("sepia", (photo,)), ME).id)
        assert run.error is not None
        assert run.error.kind == "EditOverdue"
        assert problems.actions(run) == [("again", "Check again")]
        await asyncio.sleep(0.4)

        assert await runner.again(run.id, ME)

        assert (await runner.finished(run.id)).state == "done"
        await runner.close()
    assert len(sandbox.calls("submit")) == 1


async def test_an_edit_over_the_budget_is_not_sent_and_says_when_it_opens_again(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(budget_usd=0.05))
    ids = [runner.start(edit, ME).id for _ in range(5)]
    ends = [await runner.finished(run_id) for run_id in ids]

    assert sorted(end.state for end in ends) == ["done"] * 2 + ["failed"] * 3
    assert len(sandbox.calls("submit")) == 2
    refused = next(end for end in ends if end.state == "failed")
    problem = problems.problem(refused)
    assert "opens again at 00:00 UTC" in problem.what
    assert problem.money == "Nothing was spent."


async def test_a_visitor_can_neither_see_nor_repeat_nor_delete_anothers_run(
    runner: Runner, edit: Edit
) -> None:
    run = await runner.finished(runner.start(edit, ME).id)

    assert await runner.get(run.id, YOU) is None
    assert await runner.history(YOU) == []
    await runner.forget(run.id, YOU)
    assert await runner.get(run.id, ME) == run


def kept(folder: Path) -> list[Path]:
    """The pictures of runs; the photo itself lies in the folder directly."""
    return [path for path in folder.rglob("*.png") if path.parent != folder]


async def test_a_deleted_run_takes_its_files_along(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.finished(runner.start(edit, ME).id)
    await runner.forget(run.id, ME)

    assert await runner.get(run.id, ME) is None
    assert not kept(tmp_path)


async def test_what_is_older_than_it_is_kept_is_swept_away(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.finished(runner.start(edit, ME).id)

    for keep_days, left in ((None, [run]), (1.0, [run]), (0.0, [])):
        with suppress(TimeoutError):
            await asyncio.wait_for(runner.sweep(keep_days), 0.3)
        assert await runner.history(ME) == left
    assert not kept(tmp_path)


async def test_the_pictures_of_a_run_outlive_their_uploads(
    runner: Runner, client: AsyncClient, store: Store, edit: Edit, photo: Path, tmp_path: Path
) -> None:
    run = runner.start(edit, ME)
    await until(runner, run, "upload")
    await asyncio.to_thread(photo.unlink)

    again = await restarted(runner, client, store, tmp_path)

    assert (await again.finished(run.id)).state == "done"
    await again.close()


async def test_an_edit_that_was_not_sent_and_is_long_forgotten_is_not_sent_now(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    old = Run(id="old", visitor=ME, edit=edit, started_at=datetime.now(UTC) - timedelta(minutes=11))
    store.save(old)

    again = await restarted(runner, client, store, tmp_path)
    end = await again.finished("old")

    assert end.state == "failed"
    assert problems.problem(end).money == "Nothing was spent."
    assert not sandbox.calls("submit")


async def test_an_outage_during_the_search_leaves_it_unknown_not_free(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)
    sandbox.fail("recent", status=503, times=QUICK.tries * 2)

    end = await runner.finished(runner.start(edit, ME).id)

    assert (end.state, end.spent) == ("unknown", "unknown")
    assert [action for action, _ in problems.actions(end)] == ["again", "resend"]
    assert store.spent(datetime.now(UTC)) == pytest.approx(0.02)


async def test_a_result_carries_its_recipe(runner: Runner, edit: Edit, photo: Path) -> None:
    run = await runner.finished(runner.start(edit, ME).id)

    recipe = read(run.results[0].path)

    assert run.prediction is not None
    assert recipe == Recipe(
        prompt="make it black and white",
        model="openai/gpt-image-1-mini/edit",
        prediction_id=run.prediction.id,
        made_at=run.prediction.created_at or run.started_at,
        inputs=(sha256(photo),),
        nsfw=False,
    )


# --- Of others' making, and under others' keys ------------------------------------------------


async def test_any_result_of_the_account_is_fetched_by_its_id_for_nothing(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit
) -> None:
    task = await client.submit(edit, ["https://example.com/cup.png"])

    run = await runner.finished((await runner.fetch(task, ME)).id)

    assert run.state in ("done", "failed")  # The address leads nowhere in the sandbox.
    assert run.prediction is not None
    assert run.prediction.id == task.id
    assert run.cost_usd == 0.0
    assert store.spent(datetime.now(UTC)) == 0.0
    assert len(sandbox.calls("submit")) == 1


async def test_ones_own_result_is_fetched_as_the_run_that_made_it(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    run = await runner.finished(runner.start(edit, ME).id)
    assert run.prediction is not None

    assert await runner.fetch(run.prediction, ME) == run
    others = await runner.finished((await runner.fetch(run.prediction, YOU)).id)

    assert others.id != run.id
    assert others.state == "done"
    assert words.spent([others]) == "That cost nothing."
    assert len(sandbox.calls("submit")) == 1


@pytest.fixture
async def visitors_own(base_url: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient("visitors-own-key-0123", base_url=base_url, pace=QUICK) as client:
        yield client


async def test_a_restart_asks_for_a_visitors_key_and_goes_on_with_it(
    runner: Runner,
    client: AsyncClient,
    visitors_own: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
) -> None:
    sandbox.seconds = LONG_ENOUGH
    run = runner.start(edit, ME, visitors_own)
    await until(runner, run, "process")

    again = await restarted(runner, client, store, tmp_path)
    asking = await again.finished(run.id)
    problem = problems.problem(asking)
    assert "forgot your key" in problem.what
    assert problem.advice == "Enter your key again, then press Look again."
    assert problems.actions(asking) == [
        ("again", "Look again")
    ]  # It is paid for: never send again.
    assert not await again.again(run.id, ME)
    assert await again.again(run.id, ME, visitors_own)

    assert (await again.finished(run.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1
    looks = {call.headers["authorization"] for call in sandbox.calls("result")}
    assert looks == {"Bearer visitors-own-key-0123"}
    await again.close()


async def test_a_restart_before_it_was_sent_says_that_nothing_was_spent(
    runner: Runner,
    client: AsyncClient,
    visitors_own: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
) -> None:
    sandbox.fail("ticket", delay=1.0)
    run = runner.start(edit, ME, visitors_own)
    await until(runner, run, "upload")
    await asyncio.sleep(0.2)

    again = await restarted(runner, client, store, tmp_path)
    end = await again.finished(run.id)

    problem = problems.problem(end)
    assert (end.state, problem.money) == ("failed", "Nothing was spent.")
    assert problem.advice == "Enter your key again, then press Edit."
    assert problems.actions(end) == [("resend", "Try again $0.02")]
    assert not sandbox.calls("submit")
    await again.close()


async def test_every_line_of_a_run_in_the_log_has_its_id(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    collect = Collect()
    collect.setFormatter(Redact(KEY))
    logging.getLogger().addHandler(collect)
    sandbox.fail("result", status=400)
    run = await runner.finished(runner.start(edit, ME).id)
    logging.getLogger().removeHandler(collect)

    assert run.state == "failed"
    ours = [line for line in lines if "wavespeed" in line]
    assert ours
    assert all(f"[run {run.id}]" in line or f"run {run.id}" in line for line in ours)
    assert not any(edit.prompt in line for line in lines)


# --- What a reader found, and broke once -----------------------------------------------------


async def test_a_picture_that_arrived_broken_is_fetched_again(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("download", status=200, body=b"<html>a proxy's page</html>")
    run = await runner.finished(runner.start(edit, ME).id)
    assert run.state == "done"
    assert len(sandbox.calls("download")) == 2


async def test_after_a_restart_two_lost_answers_are_still_never_taken_for_each_other(
    runner: Runner,
    client: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
) -> None:
    sandbox.fail("submit", drop=True, processed=False)
    sandbox.fail("submit", drop=True)
    mine, yours = runner.start(edit, ME), runner.start(edit, YOU)
    ends = [await runner.finished(run.id) for run in (mine, yours)]
    assert [end.state for end in ends] == ["unknown", "unknown"]

    again = await restarted(runner, client, store, tmp_path)
    assert await again.again(mine.id, ME)

    assert (await again.finished(mine.id)).state == "unknown"
    await again.close()


@pytest.mark.parametrize("change", [{"started_at": -30 * 3600}, {"account": "visitor"}])
async def test_a_loss_of_long_ago_or_of_another_account_hinders_no_search(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit, change: dict[str, Any]
) -> None:
    old = Run(id="old", visitor=YOU, edit=edit, started_at=datetime.now(UTC))
    lost = old.after(Submitting(0.1)).after(Lost(1.0, AmbiguousSubmit("x")))
    if "started_at" in change:
        moved = lost.started_at + timedelta(seconds=change["started_at"])
        change = {"started_at": moved}
    store.save(replace(lost, **change))
    sandbox.fail("submit", drop=True)

    assert (await runner.finished(runner.start(edit, ME).id)).state == "done"


async def test_a_run_that_waited_long_is_looked_for_where_it_was_sent(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    late = datetime.now(UTC) - timedelta(minutes=5)
    store.save(Run(id="late", group="late", visitor=ME, edit=edit, started_at=late))
    sandbox.fail("submit", drop=True)

    again = await restarted(runner, client, store, tmp_path)

    assert (await again.finished("late")).state == "done"
    assert len(sandbox.calls("submit")) == 1
    await again.close()


async def test_a_full_disk_before_the_submission_sends_nothing_and_says_so(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(store, "reserve", full)
    run = await runner.finished(runner.start(edit, ME).id)

    problem = problems.problem(run)
    assert (run.state, problem.money) == ("failed", "Nothing was spent.")
    assert "could not write the edit down" in problem.what
    assert not sandbox.calls("submit")


async def test_a_disk_that_fills_up_later_loses_nothing_and_is_written_when_there_is_room(
    runner: Runner, store: Store, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wavespeed.studio.driver.WRITE_AGAIN", 0.1)
    save, left = store.save, [3]

    def full(run: Run) -> None:
        if run.in_flight and left[0]:
            left[0] -= 1
            raise StoreError("database or disk is full")
        save(run)

    monkeypatch.setattr(store, "save", full)
    run = await runner.finished(runner.start(edit, ME).id)
    assert run.state == "done"
    await asyncio.sleep(0.3)
    assert store.get(run.id, ME) == run


async def test_what_one_service_was_given_another_never_gets(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    unsent = Run(
        id="unsent", visitor=ME, edit=edit, started_at=datetime.now(UTC), account="sandbox"
    )
    store.save(unsent)
    paid = replace(unsent, id="paid").after(Submitting(0.1))
    store.save(replace(paid, account="api.wavespeed.ai"))

    runner = Runner(client, store, tmp_path, service="elsewhere")
    await runner.take_up()

    end = await runner.finished("unsent")
    assert (end.state, problems.problem(end).money) == ("failed", "Nothing was spent.")
    assert not await runner.again("paid", ME)
    assert [run.id for run in store.unfinished()] == ["paid"]  # For when its key is back.
    assert not sandbox.calls()
    await runner.close()


async def test_variants_that_wait_long_are_sent_all_the_same(
    client: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wavespeed.studio.runner.STALE", timedelta(seconds=0.01))
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    runs = runner.start_group([edit] * 3, ME)
    ends = [await runner.finished(run.id) for run in runs]
    assert [end.state for end in ends] == ["done"] * 3
    assert len({end.group for end in ends}) == 1
    assert len(sandbox.calls("ticket")) == 1  # Uploads are shared.
    await runner.close()


async def test_as_many_variants_at_once_as_the_account_allows(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(parallel=2))
    runs = runner.start_group([edit] * 4, ME)
    most, seen = 0, set()
    async with aclosing(runner.watch_group(runs[0].group)) as groups:
        async for group in groups:
            going = [run for run in group if not run.is_over and not run.held and run.at > 0]
            most = max(most, len(going))
            seen.add(words.status_of_many(group))
    assert most == 2
    assert "2 running, 2 waiting." in seen
    assert "4 done." in seen
    assert await runner.group(runs[2].group, ME) == list(group)
    await runner.close()


async def test_a_stop_ends_the_variants_that_were_not_sent(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    sandbox.seconds = LONG_ENOUGH
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    first, second = runner.start_group([edit] * 2, ME)
    await until(runner, first, "process")
    stopped = await runner.stop(second.id)
    assert stopped is not None
    assert stopped.state == "stopped"
    assert (await runner.finished(first.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1
    await runner.close()


async def test_a_result_that_is_edited_on_knows_its_parent(runner: Runner, edit: Edit) -> None:
    first = await runner.finished(runner.start(edit, ME).id)
    second = Edit("sepia", (first.results[0].path,))
    assert (await runner.finished(runner.start(second, ME).id)).parent == first.id
    assert (await runner.finished(runner.start(second, YOU).id)).parent is None


async def test_what_failed_is_tried_again_once_however_often_it_was_pressed(
    runner: Runner, sandbox: Sandbox, photo: Path
) -> None:
    runs = runner.start_group([Edit("warm [[fail]]", (photo,))] * 2, ME, batch=True)
    failed = [await runner.finished(run.id) for run in runs]
    before = len(sandbox.calls("submit"))
    for run in failed + failed:  # The second press looked before the first had changed anything.
        runner.repeat(run, None, 0.02)
    again = await runner.group(runs[0].group, ME)  # Not in the store yet.
    assert [run.attempt for run in again] == [1, 1]
    for run in again:
        await runner.finished(run.id)
    assert len(sandbox.calls("submit")) - before == 2


async def test_a_batch_is_edited_in_its_order_and_the_rest_waits_from_the_first_moment_on(
    client: AsyncClient, store: Store, sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    edits = [Edit(f"warm {number}", (photo,)) for number in range(8)]
    runs = runner.start_group(edits, ME, batch=True)
    await asyncio.sleep(0)
    assert [run.held for run in await runner.group(runs[0].group, ME)] == [False] + [True] * 7
    for run in runs:
        await runner.finished(run.id)
    sent = [call.body["prompt"] for call in sandbox.calls("submit")]  # type: ignore[index]
    assert sent == [edit.prompt for edit in edits]
    await runner.close()


async def test_what_was_paused_goes_on_under_the_key_that_it_began_with(
    client: AsyncClient, base_url: str, store: Store, edit: Edit, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    first, second = runner.start_group([edit] * 2, ME, batch=True)
    paused = await runner.stop(second.id)
    assert paused is not None
    assert paused.pictures[0].is_relative_to(tmp_path / "inputs")  # Kept, though it never began.
    await runner.resume(second.id, YOU)  # Nobody else goes on with it.
    assert not runner.live() & {second.id}
    async with AsyncClient(f"{KEY}-of-a-visitor", base_url=base_url, pace=QUICK) as own:
        await runner.resume(second.id, ME, own)  # Its visitor has entered one meanwhile.
        ended = await runner.finished(second.id)
    assert (ended.state, ended.own_key) == ("done", False)
    await runner.finished(first.id)
    await runner.close()


async def test_of_many_changes_the_last_is_told_and_the_end_at_once() -> None:
    board, told = Board(), []
    run = Run(id="r", visitor=ME, edit=None, started_at=datetime.now(UTC))

    async def watch() -> None:
        async with aclosing(board.watch_group("r", lambda: 60.0)) as groups:
            async for (now,) in groups:
                told.append(now.at)

    board.publish(run)
    watching = asyncio.create_task(watch())
    for at in (1.0, 2.0, 3.0):
        await asyncio.sleep(0)
        board.publish(replace(run, at=at))
    await asyncio.sleep(0)
    board.publish(replace(run, at=4.0, state="done"))
    async with asyncio.timeout(10):
        await watching
    assert told == [0.0, 4.0]
