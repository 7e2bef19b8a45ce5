"""When a task is polled: what it costs over many distributions, and what the service sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import KEY, patient, story
from tests.support.waits import DISTRIBUTIONS, POLICIES, Cost, Learned, cost
from wavespeed import AsyncClient, Durations, Edit, prepare
from wavespeed._durations import MAX_DURATIONS, duration
from wavespeed._poll_policy import ENOUGH_DURATIONS
from wavespeed.errors import EditFailed
from wavespeed.events import Finished, Submitted, Waiting
from wavespeed.sandbox import Sandbox, serve

BEST_DELAYS = {
    "even, 5 to 20 s": 0.64,
    "skewed, 5 to 20 s": 0.50,
    "steady, 3.15 s": 0.04,
    "steady, 12 ± 0.3 s": 0.45,
    "spread, 12 ± 1 s": 0.51,
    "two sorts, 8 and 18 s": 0.49,
    "heavy tail from 6 s": 0.54,
    "log-normal, 12 s": 0.59,
    "drifting, 8 to 20 s": 0.51,
    "jumping, 8 to 16 s": 0.51,
    "the sandbox's, 1 to 3 s": 0.61,
    "long, 60 ± 10 s": 0.63,
}
"""Seconds, of an exact optimiser that learned from 200 tasks (measured 2026-11-29)."""


@cache
def costs(policy: str, name: str) -> Cost:
    return cost(POLICIES[policy], DISTRIBUTIONS[name])


# --- What it costs, simulated ---------------------------------------------------------------


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_task_is_polled_once_in_two_seconds_of_its_life_and_never_twice_within_one(
    name: str,
) -> None:
    learned = costs("learned", name)
    assert learned.rate <= 0.5
    assert learned.closest >= 1.0


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_results_are_noticed_a_tenth_of_a_second_later_than_is_possible(name: str) -> None:
    assert costs("learned", name).delay < BEST_DELAYS[name] + 0.1


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_and_sooner_than_by_other_rules(name: str) -> None:
    learned, fixed = costs("learned", name), costs("every 2 s", name)
    assert learned.delay < fixed.delay * 0.9
    assert learned.polls < fixed.polls
    assert learned.delay < costs("backing off", name).delay * 0.8


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_nothing_is_waited_for_much_longer_while_nothing_is_known(name: str) -> None:
    unlearned = cost(Learned, DISTRIBUTIONS[name], skip=0)
    assert unlearned.delay < costs("learned", name).delay + 0.15


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if "sandbox" not in name])
def test_a_service_that_does_not_report_how_long_it_took_is_learned_too(name: str) -> None:
    """But for tasks that are so short that one poll is all they have."""
    unreported = costs("not reported", name)
    assert unreported.delay < costs("every 2 s", name).delay
    assert unreported.rate <= 0.5
    assert unreported.closest >= 1.0


# --- What is learned ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unfinished", "reported", "expected"),
    [
        (8.0, 9.2, 9.2),
        (8.0, 10.4, 10.0),  # Counted from a moment earlier than ours.
        (8.0, None, 9.0),
        (8.0, 3.0, 9.0),  # Not counted from the submission: it was unfinished at 8.
        (8.0, 30.0, 9.0),
        (0.0, None, 10.0),  # Nobody saw it unfinished.
    ],
)
def test_a_duration_is_what_the_service_reports_if_that_can_be(
    unfinished: float, reported: float | None, expected: float
) -> None:
    assert duration(unfinished, 10.0, reported, tolerance=1.0) == expected


def test_the_last_durations_are_remembered() -> None:
    durations = Durations()
    for seconds in range(MAX_DURATIONS + 5):
        durations.add(seconds)
    assert list(durations.recent) == list(range(5, MAX_DURATIONS + 5))


# --- The client, over HTTP ------------------------------------------------------------------

STEADY = 0.4
CLOSEST = 0.2


@pytest.fixture
def steady() -> Sandbox:
    """Every task takes the same time."""
    return Sandbox(seed=5, seconds=(STEADY, STEADY))


@pytest.fixture
def durations() -> Durations:
    return Durations()


@pytest.fixture
async def watchful(steady: Sandbox, durations: Durations) -> AsyncIterator[AsyncClient]:
    policies = patient(shortest=CLOSEST, average=CLOSEST, longest=2 * CLOSEST)
    with serve(steady) as url:
        async with AsyncClient(KEY, base_url=url, policies=policies, durations=durations) as client:
            yield client


def gaps(sandbox: Sandbox) -> list[float]:
    """Seconds between the polls of one edit."""
    return [after.at - before.at for before, after in pairwise(sandbox.calls("result"))]


@pytest.mark.slow
@pytest.mark.anyio
async def test_after_some_edits_each_takes_one_call(
    steady: Sandbox, watchful: AsyncClient, durations: Durations, edit: Edit
) -> None:
    for _ in range(ENOUGH_DURATIONS):
        await story(watchful, edit)
    learning = len(steady.calls("result"))

    for _ in range(3):
        events = await story(watchful, edit)
    polls = len(steady.calls("result")) - learning

    assert polls <= 4
    assert list(durations.recent) == pytest.approx([STEADY] * (ENOUGH_DURATIONS + 3), abs=0.1)
    submitted = next(event.elapsed for event in events if isinstance(event, Submitted))
    assert events[-1].elapsed - submitted < STEADY + 0.3


@pytest.mark.anyio
async def test_the_service_is_never_asked_twice_within_the_shortest_wait(
    steady: Sandbox, watchful: AsyncClient, photo: Path
) -> None:
    steady.fail("result", status=503, times=2)
    steady.fail("result", delay=0.1)

    events = await story(watchful, Edit("invert", (photo,)))

    assert isinstance(events[-1], Finished)
    assert len(gaps(steady)) >= 2
    assert min(gaps(steady)) >= CLOSEST
    assert all(event.seconds >= CLOSEST for event in events if isinstance(event, Waiting))


@pytest.mark.anyio
async def test_a_task_found_running_is_polled_by_the_age_it_has(
    steady: Sandbox, durations: Durations, edit: Edit
) -> None:
    """By the calendar, since it was not this client that sent it."""
    for _ in range(ENOUGH_DURATIONS):
        durations.add(STEADY)
    policies = patient(shortest=0.2, average=1.0, longest=0.2)
    with serve(steady) as url:
        async with AsyncClient(KEY, base_url=url, policies=policies, durations=durations) as client:
            url = await client.upload(prepare(Path(edit.images[0])))
            prediction = await client.submit(edit, [url])
            steady.fail("result", data={"status": "processing", "outputs": []})
            await asyncio.sleep(0.35)
            [*_, last] = [event async for event in client.watch(prediction.id)]

    assert isinstance(last, Finished)
    first, second = steady.calls("result")
    assert 0.2 <= second.at - first.at < 0.35


@pytest.mark.slow
@pytest.mark.anyio
async def test_nothing_is_learned_from_failures_nor_from_births_unseen(
    watchful: AsyncClient, durations: Durations, photo: Path, edit: Edit
) -> None:
    with pytest.raises(EditFailed):
        await story(watchful, Edit("invert [[fail]]", (photo,)))
    assert not durations.recent

    url = await watchful.upload(prepare(Path(edit.images[0])))
    prediction = await watchful.submit(edit, [url])
    events = [event async for event in watchful.watch(prediction.id)]
    assert isinstance(events[-1], Finished)
    assert not durations.recent


@pytest.mark.anyio
async def test_an_edit_in_sync_mode_teaches_how_long_it_took(
    watchful: AsyncClient, durations: Durations, photo: Path
) -> None:
    started = time.monotonic()
    await story(watchful, Edit("invert", (photo,), sync_mode=True))
    took = time.monotonic() - started

    [learned] = durations.recent
    assert STEADY - 0.1 < learned < took  # Of a busy machine it may be much more.


@pytest.mark.anyio
async def test_clients_of_one_service_may_learn_together(
    steady: Sandbox, durations: Durations, edit: Edit
) -> None:
    with serve(steady) as url:
        for number in range(2):
            async with AsyncClient(
                f"{KEY}{number}", base_url=url, policies=patient(), durations=durations
            ) as client:
                await story(client, edit)

    assert list(durations.recent) == pytest.approx([STEADY] * 2, abs=0.1)
