"""What is written down: runs, whose they are, and what a day has cost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.test_run import NEW, TO_THE_SERVICE, WHOLE, after
from wavespeed import AmbiguousSubmit, EditFailed, ServiceDown, Submitting
from wavespeed.studio.errors import Overspent
from wavespeed.studio.run import Failed, Lost, Run, Stopped
from wavespeed.studio.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "studio.db")
    yield store
    store.close()


def sent(run_id: str, visitor: str = "v1", at: datetime = NOON) -> Run:
    """A run that is about to cost money."""
    run = replace(NEW, id=run_id, visitor=visitor, started_at=at)
    return run.after(Submitting(0.1))


def reserve(
    store: Store, run: Run, *, budget: float | None = None, edits: int | None = None
) -> None:
    store.reserve(run, now=run.started_at, budget_usd=budget, visitor_edits=edits)


@pytest.mark.parametrize("count", range(len(WHOLE) + 1))
def test_a_run_at_any_moment_comes_back_as_it_was(store: Store, count: int) -> None:
    run = after(WHOLE[:count])
    store.save(run)
    assert store.get(run.id, run.visitor) == run


@pytest.mark.parametrize(
    "end",
    [
        Stopped(1.0),
        Failed(1.0, EditFailed("x", code=1405, prediction_id="p1")),
        Failed(1.0, ServiceDown("x", status=503, retry_after=2.0)),
        Lost(1.0, AmbiguousSubmit("x")),
    ],
)
def test_a_run_comes_back_with_its_end(store: Store, end: Stopped | Failed | Lost) -> None:
    run = after([*TO_THE_SERVICE, end])
    store.save(run)
    assert store.get(run.id, run.visitor) == run


def test_a_visitor_sees_its_own_runs_only_newest_first(store: Store) -> None:
    for hour in range(3):
        store.save(replace(NEW, id=f"mine {hour}", started_at=NOON + timedelta(hours=hour)))
    store.save(replace(NEW, id="other", visitor="v2"))

    assert [run.id for run in store.history("v1")] == ["mine 2", "mine 1", "mine 0"]
    assert [run.id for run in store.history("v1", skip=1, most=1)] == ["mine 1"]
    assert store.get("other", "v1") is None
    assert store.history("") == []


def test_what_is_not_over_is_found_after_a_restart(store: Store, tmp_path: Path) -> None:
    store.save(after(TO_THE_SERVICE))
    store.save(replace(after(WHOLE), id="over"))
    again = Store(tmp_path / "studio.db")
    assert [run.id for run in again.unfinished()] == ["r1"]
    assert again.known(["p1", "stranger"]) == {"p1"}
    again.close()


def test_the_budget_of_a_day_is_not_passed_by_two_at_once(store: Store) -> None:
    def try_one(number: int) -> bool:
        try:
            reserve(store, sent(f"r{number}"), budget=0.10)
        except Overspent:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        allowed = list(pool.map(try_one, range(40)))

    assert allowed.count(True) == 5
    assert store.spent(NOON) == pytest.approx(0.10)


def test_neither_a_restart_gets_around_it(store: Store, tmp_path: Path) -> None:
    reserve(store, sent("r1"), budget=0.02)
    again = Store(tmp_path / "studio.db")
    with pytest.raises(Overspent, match=r"opens again at 00:00 UTC") as caught:
        reserve(again, sent("r2"), budget=0.02)
    assert caught.value.spent == "no"
    assert again.get("r2", "v1") is None
    again.close()


def test_a_new_day_opens_it_again(store: Store) -> None:
    reserve(store, sent("r1", at=NOON), budget=0.02)
    reserve(store, sent("r2", at=NOON + timedelta(hours=12)), budget=0.02)
    assert store.spent(NOON) == pytest.approx(0.02)


def test_a_submission_tried_again_is_reserved_once(store: Store) -> None:
    for _ in range(3):
        reserve(store, sent("r1"), budget=0.02, edits=1)
    assert store.spent(NOON) == pytest.approx(0.02)


def test_each_visitor_has_edits_of_its_own(store: Store) -> None:
    reserve(store, sent("r1"), edits=1)
    reserve(store, sent("r2", "v2"), edits=1)
    with pytest.raises(Overspent):
        reserve(store, sent("r3"), edits=1)


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (Failed(1.0, ServiceDown("x", status=503)), 0.0),
        (Stopped(1.0), 0.0),
        (Failed(1.0, EditFailed("x", code=1, prediction_id="p1")), 0.02),
        (Lost(1.0, AmbiguousSubmit("x")), 0.02),
    ],
)
def test_what_certainly_cost_nothing_is_given_back(
    store: Store, end: Stopped | Failed | Lost, kept: float
) -> None:
    run = sent("r1")
    reserve(store, run, budget=0.02)
    store.save(run.after(end))
    assert store.spent(NOON) == pytest.approx(kept)


def test_a_deleted_run_is_gone_but_what_it_cost_still_counts(store: Store) -> None:
    run = replace(after(WHOLE), started_at=NOON)
    reserve(store, sent("r1"))
    store.save(run)

    store.delete(run.id, "v2")
    assert store.get(run.id, "v1") is not None
    store.delete(run.id, "v1")

    assert store.get(run.id, "v1") is None
    assert store.history("v1") == []
    assert store.spent(NOON) == pytest.approx(0.02)
