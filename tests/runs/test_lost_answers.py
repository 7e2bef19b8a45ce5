"""An answer to a submission that got lost: looked for in the service's list, never sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUICK
from tests.support.runs import ME, YOU, restarted
from wavespeed import AsyncClient, Edit
from wavespeed.errors import AmbiguousSubmit
from wavespeed.events import Submitting
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.run import OutcomeUnknown, Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import errors

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]


async def test_a_lost_answer_is_found_in_the_list_and_taken_up(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)

    end = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert end.state == "done"
    assert len(sandbox.calls("submit")) == 1


async def test_a_lost_answer_that_is_not_in_the_list_is_told_and_never_sent_again(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True, processed=False)

    end = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert end.state == "unknown"
    assert len(sandbox.calls("submit")) == 1
    assert errors.error_message(end).what.startswith(
        "We don't know whether WaveSpeed accepted this."
    )
    assert [action for action, _ in errors.error_actions(end)] == ["again", "resend"]


async def test_two_lost_answers_are_never_taken_for_each_other(
    runner: Runner, sandbox: Sandbox, edit: Edit
) -> None:
    """One of them was accepted. Whose it is can't be told, so neither person gets it."""
    sandbox.fail("submit", drop=True)
    sandbox.fail("submit", drop=True, processed=False)

    ids = [runner.start(edit, visitor).id for visitor in (ME, YOU)]
    ends = [await runner.wait_until_finished(run_id) for run_id in ids]

    assert [end.state for end in ends] == ["unknown", "unknown"]
    assert len(sandbox.calls("submit")) == 2


async def test_looking_again_later_finds_it(runner: Runner, sandbox: Sandbox, edit: Edit) -> None:
    sandbox.fail("submit", drop=True)
    sandbox.fail("recent", body={"code": 200, "data": {"page": 1, "items": []}}, times=2)
    run = await runner.wait_until_finished(runner.start(edit, ME).id)
    assert run.state == "unknown"

    assert not await runner.recheck(run.id, YOU)
    # Of two presses one begins.
    presses = await asyncio.gather(runner.recheck(run.id, ME), runner.recheck(run.id, ME))
    assert sorted(presses) == [False, True]

    assert (await runner.wait_until_finished(run.id)).state == "done"
    assert len(sandbox.calls("submit")) == 1


async def test_an_outage_during_the_search_leaves_it_unknown_not_free(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)
    sandbox.fail("recent", status=503, times=QUICK.retry.tries * 2)

    end = await runner.wait_until_finished(runner.start(edit, ME).id)

    assert (end.state, end.spent) == ("unknown", "unknown")
    assert [action for action, _ in errors.error_actions(end)] == ["again", "resend"]
    assert store.spent_usd(datetime.now(UTC)) == pytest.approx(0.02)


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
    ends = [await runner.wait_until_finished(run.id) for run in (mine, yours)]
    assert [end.state for end in ends] == ["unknown", "unknown"]

    again = await restarted(runner, client, store, tmp_path)
    assert await again.recheck(mine.id, ME)

    assert (await again.wait_until_finished(mine.id)).state == "unknown"
    await again.close()


@pytest.mark.parametrize("change", [{"started_at": -30 * 3600}, {"payer": "visitor"}])
async def test_a_loss_of_long_ago_or_of_another_account_hinders_no_search(
    runner: Runner, store: Store, sandbox: Sandbox, edit: Edit, change: dict[str, Any]
) -> None:
    old = Run(id="old", visitor_id=YOU, edit=edit, started_at=datetime.now(UTC))
    lost = old.apply(Submitting(0.1)).apply(OutcomeUnknown(1.0, AmbiguousSubmit("x")))
    if "started_at" in change:
        moved = lost.started_at + timedelta(seconds=change["started_at"])
        change = {"started_at": moved}
    store.save(replace(lost, **change))
    sandbox.fail("submit", drop=True)

    assert (await runner.wait_until_finished(runner.start(edit, ME).id)).state == "done"


async def test_a_run_that_waited_long_is_looked_for_where_it_was_sent(
    runner: Runner, client: AsyncClient, store: Store, sandbox: Sandbox, edit: Edit, tmp_path: Path
) -> None:
    late = datetime.now(UTC) - timedelta(minutes=5)
    store.save(Run(id="late", group_id="late", visitor_id=ME, edit=edit, started_at=late))
    sandbox.fail("submit", drop=True)

    again = await restarted(runner, client, store, tmp_path)

    assert (await again.wait_until_finished("late")).state == "done"
    assert len(sandbox.calls("submit")) == 1
    await again.close()
