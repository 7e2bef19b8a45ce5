"""Stop: before the submission it spends nothing, after it nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.support.runs import LONG_ENOUGH, ME, arrived, until
from wavespeed import Edit
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.runner import Runner

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def test_a_stop_before_the_submission_spends_nothing(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("ticket", delay=1.0)
    run = runner.start(edit, ME)
    await arrived(sandbox, "ticket")

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
    async with aclosing(runner.runs.watch(run.id)) as runs:
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
    assert (await runner.wait_until_finished(run.id)).state == "done"


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
            assert (await runner.wait_until_finished(run.id)).state == "done"
