"""Runs belong to the server: who watches, and for how long, changes nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import KEY, QUICK, patient
from tests.support.runs import LONG_ENOUGH, ME, YOU, until
from wavespeed import AsyncClient, Edit
from wavespeed.sandbox import Sandbox
from wavespeed.studio.logs import Redact
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import errors, status

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def test_a_run_ends_with_a_checked_file_named_after_its_prompt(
    runner: Runner, edit: Edit, tmp_path: Path
) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    [result] = run.results
    assert result.path.parent.parent == tmp_path / "outputs"
    assert result.name.endswith("-make-it-black-and-white-1.png")
    assert result.size_bytes == result.path.stat().st_size
    with Image.open(result.path) as picture:
        assert picture.size == (result.width, result.height) == (256, 256)


async def test_a_run_goes_on_when_nobody_watches(runner: Runner, edit: Edit) -> None:
    run = runner.start(edit, ME)
    async with aclosing(runner.runs.watch(run.id)) as runs:
        await anext(runs)  # The tab is closed here.

    assert (await runner.wait_until_finished(run.id)).state == "done"


async def test_whoever_comes_later_sees_the_same(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.seconds = LONG_ENOUGH
    run = runner.start(edit, ME)
    await until(runner, run, "queue")
    ends = await asyncio.gather(*(runner.wait_until_finished(run.id) for _ in range(5)))

    assert all(end == ends[0] for end in ends)
    assert [now async for now in runner.runs.watch(run.id)] == [ends[0]]


async def test_an_error_is_logged_by_run_id_and_without_the_key(
    runner: Runner, sandbox: Sandbox, edit: Edit, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail("submit", status=401)

    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert run.state == "failed"
    assert run.id in caplog.text
    assert KEY not in caplog.text


async def test_a_service_that_is_away_is_told_in_words(
    store: Store, edit: Edit, tmp_path: Path
) -> None:
    async with AsyncClient(KEY, base_url="http://127.0.0.1:9", policies=QUICK) as client:
        runner = Runner(client, store, tmp_path)
        run = await runner.wait_until_finished(runner.start(edit, ME).id)

    problem = errors.error_message(run)
    assert (problem.what, problem.money) == ("WaveSpeed can't be reached.", "Nothing was spent.")


async def test_an_overdue_edit_is_checked_again_for_nothing(
    base_url: str, store: Store, sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    # Done at once, but not for whoever looks: however late a busy machine takes a look, it is not.
    sandbox.seconds = (0.0, 0.0)
    sandbox.fail("result", data={"status": "processing", "outputs": []}, times=100)
    async with AsyncClient(KEY, base_url=base_url, policies=patient(deadline=0.06)) as client:
        runner = Runner(client, store, tmp_path)
        run = await runner.wait_until_finished(runner.start(Edit("sepia", (photo,)), ME).id)
        assert run.error is not None
        assert run.error.code == "edit_timeout"
        assert errors.error_actions(run) == [("again", "Check again")]
        sandbox.faults("result").clear()

        assert await runner.recheck(run.id, ME)

        assert (await runner.wait_until_finished(run.id)).state == "done"
        await runner.close()
    assert len(sandbox.calls("submit")) == 1


async def test_an_edit_over_the_budget_is_not_sent_and_says_when_it_opens_again(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(budget_usd=0.05))
    ids = [runner.start(edit, ME).id for _ in range(5)]
    ends = [await runner.wait_until_finished(run_id) for run_id in ids]

    assert sorted(end.state for end in ends) == ["done"] * 2 + ["failed"] * 3
    assert len(sandbox.calls("submit")) == 2
    refused = next(end for end in ends if end.state == "failed")
    problem = errors.error_message(refused)
    assert "opens again at 00:00 UTC" in problem.what
    assert problem.money == "Nothing was spent."


async def test_a_visitor_can_neither_see_nor_repeat_nor_delete_anothers_run(
    runner: Runner, edit: Edit
) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert await runner.runs.get(run.id, YOU) is None
    assert await runner.runs.history(YOU) == []
    await runner.delete(run.id, YOU)
    assert await runner.runs.get(run.id, ME) == run


async def test_any_result_of_the_account_is_fetched_by_its_id_for_nothing(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit
) -> None:
    task = await client.submit(edit, ["https://example.com/cup.png"])

    run = await runner.wait_until_finished((await runner.fetch(task, ME)).id)

    assert run.state in ("done", "failed")  # The address leads nowhere in the sandbox.
    assert run.prediction is not None
    assert run.prediction.id == task.id
    assert run.cost_usd == 0.0
    assert store.spent_usd(datetime.now(UTC)) == 0.0
    assert len(sandbox.calls("submit")) == 1


async def test_ones_own_result_is_fetched_as_the_run_that_made_it(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert run.prediction is not None

    assert await runner.fetch(run.prediction, ME) == run
    others = await runner.wait_until_finished((await runner.fetch(run.prediction, YOU)).id)

    assert others.id != run.id
    assert others.state == "done"
    assert status.spent_note([others]) == "That cost nothing."
    assert len(sandbox.calls("submit")) == 1


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
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    logging.getLogger().removeHandler(collect)

    assert run.state == "failed"
    ours = [line for line in lines if "wavespeed" in line]
    assert ours
    assert all(f"[run {run.id}]" in line or f"run {run.id}" in line for line in ours)
    assert not any(edit.prompt in line for line in lines)


async def test_a_result_that_is_edited_on_knows_its_parent(runner: Runner, edit: Edit) -> None:
    first = await runner.wait_until_finished(runner.start(edit, ME).id)
    second = Edit("sepia", (first.results[0].path,))
    assert (await runner.wait_until_finished(runner.start(second, ME).id)).parent_id == first.id
    assert (await runner.wait_until_finished(runner.start(second, YOU).id)).parent_id is None
