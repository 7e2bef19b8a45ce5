"""What is written down: runs, whose they are, and what a day has cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.runs.test_run import NEW, TO_THE_SERVICE, WHOLE, after
from wavespeed import AmbiguousSubmit, EditFailed, ServiceDown, Submitting
from wavespeed.studio.runs.errors import Overspent
from wavespeed.studio.runs.run import Failed, Lost, Run, Stopped
from wavespeed.studio.runs.store import Store

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


def test_deleting_a_run_does_not_open_the_days_edits_again(store: Store) -> None:
    run = sent("r1")
    reserve(store, run, edits=1)
    store.save(replace(after(WHOLE), id="r1", started_at=NOON))
    store.delete("r1", "v1")
    with pytest.raises(Overspent):
        reserve(store, sent("r2"), edits=1)


def test_what_a_visitor_pays_counts_against_no_limit_of_the_owners(store: Store) -> None:
    reserve(store, replace(sent("r1"), account="visitor", own_key=True), budget=0.02, edits=1)
    reserve(store, sent("r2"), budget=0.02, edits=1)
    reserve(store, replace(sent("r3"), account="visitor", own_key=True), budget=0.02, edits=1)
    with pytest.raises(Overspent):
        reserve(store, sent("r4"), budget=0.02)


def test_the_budget_counts_what_the_service_asks_today(store: Store) -> None:
    reserve(store, replace(sent("r1"), price_usd=0.05), budget=0.08)
    with pytest.raises(Overspent):
        reserve(store, replace(sent("r2"), price_usd=0.05), budget=0.08)
    reserve(store, replace(sent("r3"), price_usd=0.03), budget=0.08)


def test_what_was_only_fetched_costs_nothing(store: Store) -> None:
    store.save(replace(after(WHOLE), edit=None, started_at=NOON))
    assert store.session("v1", NOON) == (0, 0.0)


@pytest.mark.parametrize(
    ("minutes_ago", "edits"),
    [([], 0), ([1], 1), ([31], 0), ([5, 20, 40], 3), ([5, 20, 60], 2), ([29, 58, 87, 118], 3)],
)
def test_a_session_ends_with_half_an_hour_without_an_edit(
    store: Store, minutes_ago: list[int], edits: int
) -> None:
    for number, minutes in enumerate(minutes_ago):
        reserve(store, sent(f"r{number}", at=NOON - timedelta(minutes=minutes)))
    reserve(store, sent("other", "v2"))
    assert store.session("v1", NOON) == (edits, pytest.approx(edits * 0.02))


def test_a_run_is_found_by_what_it_made_for_its_visitor_alone(store: Store) -> None:
    run = after(WHOLE)
    store.save(run)
    assert store.of_prediction("p1", "v1") == run
    assert store.of_prediction("p1", "v2") is None
    assert store.of_prediction("p2", "v1") is None


def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.db")
    old.execute(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, visitor TEXT NOT NULL, started_at REAL NOT NULL,"
        " over INTEGER NOT NULL, prediction_id TEXT, day TEXT,"
        " cost_usd REAL NOT NULL DEFAULT 0, body TEXT NOT NULL) STRICT"
    )
    old.execute("INSERT INTO runs VALUES ('gone', '', 1, 1, 'p1', '2026-01-01', 0.02, '')")
    old.commit()
    old.close()
    store = Store(tmp_path / "old.db")
    with pytest.raises(Overspent):
        reserve(store, sent("r1"), budget=0.02)
    store.close()


def test_a_run_that_was_held_is_a_rival_at_the_time_it_was_sent(store: Store) -> None:
    """A batch can be held for longer than anybody looks back for a lost submission."""
    reserve(store, sent("held", at=NOON - timedelta(hours=1)))
    other = sent("other")
    reserve(store, other)
    assert store.rivals(other, NOON) == 0

    store.save(sent("held", at=NOON))
    assert store.rivals(other, NOON) == 1
