"""Runs that belong together, variants and batches: order, how many at once, pause and stop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import KEY, QUICK
from tests.support.runs import LONG_ENOUGH, ME, YOU, until
from wavespeed import AsyncClient, Edit
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.repository import RunRepository
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import status

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def test_variants_that_wait_long_are_sent_all_the_same(
    client: AsyncClient,
    store: Store,
    sandbox: Sandbox,
    edit: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wavespeed.studio.runs.runner.MAX_RESUME_AGE", timedelta(seconds=0.01))
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    runs = runner.start_group([edit] * 3, ME)
    ends = [await runner.wait_until_finished(run.id) for run in runs]
    assert [end.state for end in ends] == ["done"] * 3
    assert len({end.group_id for end in ends}) == 1
    assert len(sandbox.calls("ticket")) == 1  # Uploads are shared.
    await runner.close()


async def test_as_many_variants_at_once_as_the_account_allows(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(parallel=2))
    runs = runner.start_group([edit] * 4, ME)
    most, seen = 0, set()
    async with aclosing(runner.runs.watch_group(runs[0].group_id)) as groups:
        async for group in groups:
            going = [
                run
                for run in group
                if not run.is_finished and not run.awaiting_slot and run.elapsed > 0
            ]
            most = max(most, len(going))
            seen.add(status.group_status(group))
    assert most == 2
    assert "2 running, 2 waiting." in seen
    assert "4 done." in seen
    assert await runner.runs.group(runs[2].group_id, ME) == list(group)
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
    assert (await runner.wait_until_finished(first.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1
    await runner.close()


async def test_what_failed_is_tried_again_once_however_often_it_was_pressed(
    runner: Runner, sandbox: Sandbox, photo: Path
) -> None:
    runs = runner.start_group([Edit("warm [[fail]]", (photo,))] * 2, ME, batch=True)
    failed = [await runner.wait_until_finished(run.id) for run in runs]
    before = len(sandbox.calls("submit"))
    for run in failed + failed:  # The second press looked before the first had changed anything.
        runner.retry(run, None, 0.02)
    again = await runner.runs.group(runs[0].group_id, ME)  # Not in the store yet.
    assert [run.attempt for run in again] == [1, 1]
    for run in again:
        await runner.wait_until_finished(run.id)
    assert len(sandbox.calls("submit")) - before == 2


async def test_a_batch_is_edited_in_its_order_and_the_rest_waits_from_the_first_moment_on(
    client: AsyncClient, store: Store, sandbox: Sandbox, photo: Path, tmp_path: Path
) -> None:
    runner = Runner(client, store, tmp_path, Limits(parallel=1))
    edits = [Edit(f"warm {number}", (photo,)) for number in range(8)]
    runs = runner.start_group(edits, ME, batch=True)
    await asyncio.sleep(0)
    assert [run.awaiting_slot for run in await runner.runs.group(runs[0].group_id, ME)] == [
        False
    ] + [True] * 7
    for run in runs:
        await runner.wait_until_finished(run.id)
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
    assert not runner.active_ids() & {second.id}
    async with AsyncClient(f"{KEY}-of-a-visitor", base_url=base_url, policies=QUICK) as own:
        await runner.resume(second.id, ME, own)  # Its visitor has entered one meanwhile.
        ended = await runner.wait_until_finished(second.id)
    assert (ended.state, ended.uses_visitor_key) == ("done", False)
    await runner.wait_until_finished(first.id)
    await runner.close()


async def test_of_many_changes_the_last_is_told_and_the_end_at_once(store: Store) -> None:
    repository, elapsed = RunRepository(store), []
    run = Run(id="r", visitor_id=ME, edit=None, started_at=datetime.now(UTC))

    async def watch() -> None:
        async with aclosing(repository.watch_group("r", lambda: 60.0)) as groups:
            async for (now,) in groups:
                elapsed.append(now.elapsed)

    repository.publish(run)
    watching = asyncio.create_task(watch())
    for at in (1.0, 2.0, 3.0):
        await asyncio.sleep(0)
        repository.publish(replace(run, elapsed=at))
    await asyncio.sleep(0)
    repository.publish(replace(run, elapsed=4.0, state="done"))
    async with asyncio.timeout(10):
        await watching
    assert elapsed == [0.0, 4.0]
