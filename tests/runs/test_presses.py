"""One press, one edit: what a press began is never begun again, whatever lies in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.runs import ME, YOU
from wavespeed import AsyncClient, Edit
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store, StoreError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_looks")]
PRESS = "a" * 32


async def begin(runner: Runner, edit: Edit, visitor: str = ME) -> int:
    """As a page does it; how many runs the press began."""
    if not await runner.is_new(PRESS, visitor):
        return 0
    return len(runner.start_group([edit], visitor, press_id=PRESS))


async def begun(runner: Runner, edit: Edit) -> Run:
    """What the press began, once it is over."""
    assert await begin(runner, edit) == 1
    [run] = await runner.runs.by_press(PRESS, ME)
    return await runner.wait_until_finished(run.id)


async def test_of_two_that_arrive_at_once_one_begins(runner: Runner, edit: Edit) -> None:
    began = await asyncio.gather(*(begin(runner, edit) for _ in range(5)))

    assert sum(began) == 1
    [run] = await runner.runs.by_press(PRESS, ME)
    assert (await runner.wait_until_finished(run.id)).press_id == PRESS


async def test_it_begins_nothing_after_a_restart_either(
    runner: Runner, client: AsyncClient, store: Store, edit: Edit, tmp_path: Path
) -> None:
    run = await begun(runner, edit)

    another = Runner(client, store, tmp_path)
    assert await begin(another, edit) == 0
    assert [found.id for found in await another.runs.by_press(PRESS, ME)] == [run.id]


async def test_nor_once_its_run_was_deleted(
    runner: Runner, client: AsyncClient, store: Store, edit: Edit, tmp_path: Path
) -> None:
    run = await begun(runner, edit)
    await runner.delete(run.id, ME)

    assert await begin(Runner(client, store, tmp_path), edit) == 0


async def test_the_same_id_of_another_visitor_is_another_press(runner: Runner, edit: Edit) -> None:
    assert await begin(runner, edit) == 1
    assert await begin(runner, edit, YOU) == 1
    for visitor in (ME, YOU):
        [run] = await runner.runs.by_press(PRESS, visitor)
        await runner.wait_until_finished(run.id)


async def test_a_press_that_the_store_could_not_look_up_may_come_again(
    runner: Runner, store: Store, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(press: str, visitor: str) -> bool:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(store, "has_press", broken)
        with pytest.raises(StoreError):
            await begin(runner, edit)

    await begun(runner, edit)
