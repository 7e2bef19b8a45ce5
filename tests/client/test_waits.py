"""When to look at a task: what is learned, what it costs, and what the service gets to see."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import KEY, patient, story
from tests.support.waits import LIVES, POLICIES, Cost, Learned, cost
from wavespeed import (
    AsyncClient,
    Durations,
    Edit,
    EditFailed,
    Finished,
    Pace,
    Submitted,
    Waiting,
    prepare,
)
from wavespeed._durations import ENOUGH, HALF_LIFE, KEPT, Life, life, spans
from wavespeed._looks import Span, cheapest, grid, plan
from wavespeed.sandbox import Sandbox, serve

EVEN = "even, 5 to 20 s"


@cache
def costs(policy: str, lives: str) -> Cost:
    return cost(POLICIES[policy], LIVES[lives])


# --- What it costs, simulated ---------------------------------------------------------------


@pytest.mark.parametrize("lives", LIVES)
def test_no_task_is_looked_at_twice_within_a_second(lives: str) -> None:
    assert costs("learned", lives).closest >= 1.0


@pytest.mark.parametrize("lives", LIVES)
def test_a_task_is_looked_at_once_in_two_seconds_of_its_life_on_average(lives: str) -> None:
    assert costs("learned", lives).rate <= 0.5


@pytest.mark.parametrize("lives", LIVES)
def test_results_are_noticed_sooner_than_by_looking_every_two_seconds(lives: str) -> None:
    ours, fixed = costs("learned", lives), costs("every 2 s", lives)
    assert ours.delay < fixed.delay * 0.9
    assert ours.calls < fixed.calls


@pytest.mark.parametrize("lives", LIVES)
def test_and_much_sooner_than_by_backing_off(lives: str) -> None:
    assert costs("learned", lives).delay < costs("backing off", lives).delay * 0.75


@pytest.mark.parametrize(
    "lives", [name for name in LIVES if name not in (EVEN, "log-normal, 12 s", "long, 60 ± 10 s")]
)
def test_it_is_as_soon_as_looking_every_second_for_half_the_calls(lives: str) -> None:
    """Where ends are not spread so evenly that only more calls would help."""
    ours, fixed = costs("learned", lives), costs("every 1 s", lives)
    assert ours.delay < fixed.delay + 0.15
    assert ours.calls <= fixed.calls / 2 + 0.05


def test_tasks_of_five_to_twenty_seconds_take_less_than_seven_calls() -> None:
    """0.475 s was wanted; the next test says why nobody can have it. On one call in 2 s the best
    looks, by someone who knew the distribution, would take 0.59 s."""
    even, skewed = costs("learned", EVEN), costs("learned", "skewed, 5 to 20 s")
    assert even.delay < 0.66
    assert even.calls < 7
    assert skewed.delay < 0.53
    assert skewed.calls < 5.5


def test_half_a_second_is_the_least_if_ends_are_even_and_looks_a_second_apart() -> None:
    best = cheapest(grid([Span(5, 20, 1)], 0.05, 420), 20, price=0.0)
    assert best.delay == pytest.approx(0.5, abs=0.005)
    assert best.calls > 7.9

    affordable = plan([Span(5, 20, 1)], shortest=1.0, effort=0.5)
    assert affordable.delay == pytest.approx(0.59, abs=0.01)
    assert affordable.calls < 6.6


def test_a_steady_task_is_looked_at_once_just_after_its_end() -> None:
    steady = costs("learned", "steady, 3.15 s")
    assert steady.calls == pytest.approx(1.0, abs=0.01)
    assert steady.delay < 0.1


@pytest.mark.parametrize("lives", LIVES)
def test_nothing_is_waited_for_much_longer_while_nothing_is_known(lives: str) -> None:
    assert cost(Learned, LIVES[lives], skip=0).delay < costs("learned", lives).delay + 0.1


@pytest.mark.parametrize("lives", LIVES)
def test_a_service_that_does_not_tell_how_long_it_took_is_learned_too(lives: str) -> None:
    untold = costs("untold", lives)
    assert untold.delay < costs("every 2 s", lives).delay
    assert untold.rate <= 0.52  # What drifts fast ends a little after what was learned.
    assert untold.closest >= 1.0


# --- The looks that cost least --------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 7)), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_no_other_looks_cost_less(pairs: list[tuple[int, int]]) -> None:
    """Against all there are, on a grid small enough to try them."""
    floor, price = 3, 0.4
    chances = [Span(begin, begin + long, 1 / len(pairs)) for begin, long in pairs]
    last = max(math.ceil(span.end) for span in chances)
    ends = grid(chances, 1.0, last + floor)

    def price_of(looks: Sequence[int]) -> float:
        total = 0.0
        for before, after in pairwise((0, *looks)):
            total += price * (1 - ends.ended[before])
            total += ends.over[after] - ends.over[before] - ends.ended[before] * (after - before)
        return total

    candidates = (
        looks
        for count in range(1, last // floor + 2)
        for looks in combinations(range(floor, last + floor + 1), count)
        if looks[-1] > last and all(b - a >= floor for a, b in pairwise(looks))
    )
    found = cheapest(ends, floor, price)
    least = min(price_of(looks) for looks in candidates)

    assert price_of([round(look) for look in found.looks]) == pytest.approx(least)
    assert price * found.calls + found.delay == pytest.approx(least)


def test_while_nothing_can_be_ready_nothing_is_asked() -> None:
    two_sorts = plan([Span(5, 6, 0.5), Span(30, 31, 0.5)], shortest=1.0, effort=0.5)
    assert two_sorts.looks[0] > 5
    assert not [look for look in two_sorts.looks if 7.1 < look < 30]


@given(
    st.lists(st.floats(0.01, 900), max_size=KEPT),
    st.floats(0.01, 5),
    st.floats(0.05, 1),
)
@settings(max_examples=50, deadline=None)
def test_whatever_tasks_take_looks_keep_their_distance_and_their_budget(
    seconds: list[float], shortest: float, effort: float
) -> None:
    pace = Pace(shortest=shortest, effort=effort, longest=5 * shortest)
    known = spans([Life(one, 0.0) for one in seconds], pace.guesses)
    found = plan(known, shortest=shortest, effort=effort)

    assert sum(span.chance for span in known) == pytest.approx(1)
    assert all(b - a > shortest * 0.999 for a, b in pairwise((0.0, *found.looks)))
    assert found.calls >= 0.999
    age = 0.0
    for _ in range(50):
        pause = pace.next_delay(age, found.looks)
        assert pause >= shortest
        age += pause


def test_a_look_that_saves_next_to_nothing_is_not_worth_its_call() -> None:
    rare = plan([Span(3, 3.1, 0.999), Span(1, 1.1, 0.001)], shortest=1.0, effort=1.0)
    assert rare.looks[0] > 3


def test_two_hundred_lives_are_planned_with_in_a_moment() -> None:
    """20 ms is a fraction of the 50 that the event loop may stand still."""
    durations = Durations()
    for number in range(KEPT):
        durations.add(Life(5 + number * 7.919 % 15, 0.0))

    def planned() -> float:
        began = time.thread_time()
        durations.looks(Pace())
        return time.thread_time() - began

    assert planned() < 0.02
    assert planned() < 0.001


def test_looks_that_come_late_skip_what_would_be_too_close() -> None:
    pace, looks = Pace(), (5.0, 6.0, 7.0, 9.0)
    assert pace.next_delay(0.0, looks) == 5.0
    assert pace.next_delay(5.1, looks) == 1.0
    assert pace.next_delay(5.6, looks) == pytest.approx(1.4)
    assert pace.next_delay(7.4, looks) == pytest.approx(1.6)
    assert pace.next_delay(9.0, looks) == pytest.approx(1.35)
    assert pace.next_delay(90.0, looks) == 5.0


# --- What is learned ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (9.2, Life(9.2, 0.0)),
        (10.4, Life(10.0, 0.0)),  # Counted from a moment earlier than ours.
        (None, Life(9.0, 1.0)),
        (3.0, Life(9.0, 1.0)),  # Not counted from the submission: it was unfinished at 8.
        (30.0, Life(9.0, 1.0)),
    ],
)
def test_a_life_is_what_the_service_says_if_that_can_be(said: float | None, expected: Life) -> None:
    assert life(8.0, 10.0, said, tolerance=1.0) == expected


def test_what_is_usual_is_the_middle_of_three_or_more() -> None:
    durations = Durations()
    assert durations.usual is None
    for seconds in (30.0, 12.0):
        durations.add(Life(seconds, 0.0))
    assert durations.usual is None
    durations.add(Life(8.0, 0.0))
    assert durations.usual == 12.0


def test_what_is_usual_follows_the_service() -> None:
    durations = Durations()
    for seconds in [8.0] * KEPT + [16.0] * (HALF_LIFE + 5):
        durations.add(Life(seconds, 0.0))
    assert durations.usual == 16.0


def test_guesses_count_until_twenty_tasks_have_ended() -> None:
    known = spans([Life(10.0, 0.0)] * (ENOUGH - 1), [100.0])
    assert any(span.begin > 90 for span in known)
    known = spans([Life(10.0, 0.0)] * ENOUGH, [100.0])
    assert all(span.end < 16 for span in known)


# --- The client, over HTTP ------------------------------------------------------------------

STEADY = 0.4
CLOSEST = 0.2


@pytest.fixture
def steady() -> Sandbox:
    """Every task takes the same time."""
    return Sandbox(seed=5, seconds=(STEADY, STEADY))


@pytest.fixture
async def watchful(steady: Sandbox) -> AsyncIterator[AsyncClient]:
    pace = patient(shortest=CLOSEST, longest=2 * CLOSEST)
    with serve(steady) as url:
        async with AsyncClient(KEY, base_url=url, pace=pace) as client:
            yield client


def gaps(sandbox: Sandbox) -> list[float]:
    """Seconds between results asked for, of one edit."""
    return [after.at - before.at for before, after in pairwise(sandbox.calls("result"))]


@pytest.mark.slow
@pytest.mark.anyio
async def test_after_some_edits_each_takes_one_call(
    steady: Sandbox, watchful: AsyncClient, edit: Edit
) -> None:
    assert watchful.usual is None
    for _ in range(6):
        await story(watchful, edit)
    learning = len(steady.calls("result"))

    for _ in range(3):
        events = await story(watchful, edit)
    asked = len(steady.calls("result")) - learning

    assert asked <= 4
    assert watchful.usual == pytest.approx(STEADY, abs=0.05)
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
async def test_a_task_found_running_is_looked_at_by_the_age_it_has(
    steady: Sandbox, edit: Edit
) -> None:
    """By the calendar, since it was not this client that sent it."""
    durations = Durations()
    for _ in range(ENOUGH):
        durations.add(Life(STEADY, 0.0))
    pace = patient(shortest=0.2, longest=0.2, effort=0.2)
    with serve(steady) as url:
        async with AsyncClient(KEY, base_url=url, pace=pace, durations=durations) as client:
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
    watchful: AsyncClient, photo: Path, edit: Edit
) -> None:
    for _ in range(3):
        with pytest.raises(EditFailed):
            await story(watchful, Edit("invert [[fail]]", (photo,)))
    assert watchful.usual is None

    url = await watchful.upload(prepare(Path(edit.images[0])))
    for _ in range(3):
        prediction = await watchful.submit(edit, [url])
        events = [event async for event in watchful.watch(prediction.id)]
        assert isinstance(events[-1], Finished)
    assert watchful.usual is None


@pytest.mark.anyio
async def test_an_edit_in_sync_mode_teaches_how_long_it_took(
    watchful: AsyncClient, photo: Path
) -> None:
    for _ in range(3):
        await story(watchful, Edit("invert", (photo,), sync_mode=True))

    assert watchful.usual == pytest.approx(STEADY, abs=0.1)


@pytest.mark.slow
@pytest.mark.anyio
async def test_clients_of_one_service_may_learn_together(steady: Sandbox, edit: Edit) -> None:
    durations = Durations()
    with serve(steady) as url:
        for number in range(3):
            async with AsyncClient(
                f"{KEY}{number}", base_url=url, pace=patient(), durations=durations
            ) as client:
                await story(client, edit)
                usual = client.usual

    assert usual == pytest.approx(STEADY, abs=0.05)
