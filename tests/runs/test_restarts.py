"""What a restart takes up again, and what it must not send."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.runs import LONG_ENOUGH, ME, arrived, restarted, until
from wavespeed import AsyncClient, Edit
from wavespeed.events import Submitting
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import errors

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def written(store: Store, run: Run) -> None:
    """Until the run is in the store: before that a restart knows nothing of it."""
    async with asyncio.timeout(20):
        found = None
        while found is None:
            await asyncio.sleep(0.005)
            found = await asyncio.to_thread(store.get, run.id, ME)


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
    await written(store, run)  # As it is before anything is sent.

    again = await restarted(runner, client, store, tmp_path)
    end = await again.wait_until_finished(run.id)

    assert (end.state, len(end.results)) == ("done", 1)
    assert len(sandbox.calls("submit")) == 1
    assert store.get(run.id, ME) == end
    await again.close()


async def test_the_pictures_of_a_run_outlive_their_uploads(
    runner: Runner, client: AsyncClient, store: Store, edit: Edit, photo: Path, tmp_path: Path
) -> None:
    run = runner.start(edit, ME)
    await until(runner, run, "upload")
    await asyncio.to_thread(photo.unlink)

    again = await restarted(runner, client, store, tmp_path)

    assert (await again.wait_until_finished(run.id)).state == "done"
    await again.close()


async def test_an_edit_that_was_not_sent_and_is_long_forgotten_is_not_sent_now(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    old = Run(
        id="old", visitor_id=ME, edit=edit, started_at=datetime.now(UTC) - timedelta(minutes=11)
    )
    store.save(old)

    again = await restarted(runner, client, store, tmp_path)
    end = await again.wait_until_finished("old")

    assert end.state == "failed"
    assert errors.error_message(end).money == "Nothing was spent."
    assert not sandbox.calls("submit")


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
    asking = await again.wait_until_finished(run.id)
    problem = errors.error_message(asking)
    assert "forgot your key" in problem.what
    assert problem.advice == "Enter your key again, then press Look again."
    assert errors.error_actions(asking) == [
        ("again", "Look again")
    ]  # It is paid for: never send again.
    assert not await again.recheck(run.id, ME)
    assert await again.recheck(run.id, ME, visitors_own)

    assert (await again.wait_until_finished(run.id)).state == "done"
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
    await arrived(sandbox, "ticket")

    again = await restarted(runner, client, store, tmp_path)
    end = await again.wait_until_finished(run.id)

    problem = errors.error_message(end)
    assert (end.state, problem.money) == ("failed", "Nothing was spent.")
    assert problem.advice == "Enter your key again, then press Edit."
    assert errors.error_actions(end) == [("resend", "Try again $0.02")]
    assert not sandbox.calls("submit")
    await again.close()


async def test_what_one_service_was_given_another_never_gets(
    client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    unsent = Run(
        id="unsent", visitor_id=ME, edit=edit, started_at=datetime.now(UTC), payer="sandbox"
    )
    store.save(unsent)
    paid = replace(unsent, id="paid").apply(Submitting(0.1))
    store.save(replace(paid, payer="api.wavespeed.ai"))

    runner = Runner(client, store, tmp_path, service="elsewhere")
    await runner.resume_unfinished()

    end = await runner.wait_until_finished("unsent")
    assert (end.state, errors.error_message(end).money) == ("failed", "Nothing was spent.")
    assert not await runner.recheck("paid", ME)
    assert [run.id for run in store.unfinished()] == ["paid"]  # For when its key is back.
    assert not sandbox.calls()
    await runner.close()
