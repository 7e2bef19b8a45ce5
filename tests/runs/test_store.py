"""What is written down: runs, whose they are, and what a day has cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.runs.test_run import NEW, TO_THE_SERVICE, WHOLE, after
from wavespeed.errors import AmbiguousSubmit, EditFailed, ServerError
from wavespeed.events import Submitting
from wavespeed.studio.runs.errors import LimitExceeded
from wavespeed.studio.runs.migration import UnknownDatabase
from wavespeed.studio.runs.run import Failed, OutcomeUnknown, Run, Stopped
from wavespeed.studio.runs.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "studio.db")
    yield store
    store.close()


def sent(run_id: str, visitor: str = "v1", at: datetime = NOON) -> Run:
    """A run that is about to cost money."""
    run = replace(NEW, id=run_id, visitor_id=visitor, started_at=at)
    return run.apply(Submitting(0.1))


def reserve(
    store: Store, run: Run, *, budget: float | None = None, edits: int | None = None
) -> None:
    store.reserve(run, now=run.started_at, budget_usd=budget, visitor_edits=edits)


@pytest.mark.parametrize("count", range(len(WHOLE) + 1))
def test_a_run_at_any_moment_comes_back_as_it_was(store: Store, count: int) -> None:
    run = after(WHOLE[:count])
    store.save(run)
    assert store.get(run.id, run.visitor_id) == run


@pytest.mark.parametrize(
    "end",
    [
        Stopped(1.0),
        Failed(1.0, EditFailed("x", service_code=1405, prediction_id="p1")),
        Failed(1.0, ServerError("x", status=503, retry_after=2.0)),
        OutcomeUnknown(1.0, AmbiguousSubmit("x")),
    ],
)
def test_a_run_comes_back_with_its_end(
    store: Store, end: Stopped | Failed | OutcomeUnknown
) -> None:
    run = after([*TO_THE_SERVICE, end])
    store.save(run)
    assert store.get(run.id, run.visitor_id) == run


def test_a_visitor_sees_its_own_runs_only_newest_first(store: Store) -> None:
    for hour in range(3):
        store.save(replace(NEW, id=f"mine {hour}", started_at=NOON + timedelta(hours=hour)))
    store.save(replace(NEW, id="other", visitor_id="v2"))

    assert [run.id for run in store.history("v1")] == ["mine 2", "mine 1", "mine 0"]
    assert [run.id for run in store.history("v1", skip=1, most=1)] == ["mine 1"]
    assert store.get("other", "v1") is None
    assert store.history("") == []


def test_what_is_not_over_is_found_after_a_restart(store: Store, tmp_path: Path) -> None:
    store.save(after(TO_THE_SERVICE))
    store.save(replace(after(WHOLE), id="over"))
    again = Store(tmp_path / "studio.db")
    assert [run.id for run in again.unfinished()] == ["r1"]
    assert again.existing_prediction_ids(["p1", "stranger"]) == {"p1"}
    again.close()


def test_the_budget_of_a_day_is_not_passed_by_two_at_once(store: Store) -> None:
    def try_one(number: int) -> bool:
        try:
            reserve(store, sent(f"r{number}"), budget=0.10)
        except LimitExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        allowed = list(pool.map(try_one, range(40)))

    assert allowed.count(True) == 5
    assert store.spent_usd(NOON) == pytest.approx(0.10)


def test_neither_a_restart_gets_around_it(store: Store, tmp_path: Path) -> None:
    reserve(store, sent("r1"), budget=0.02)
    again = Store(tmp_path / "studio.db")
    with pytest.raises(LimitExceeded, match=r"opens again at 00:00 UTC") as caught:
        reserve(again, sent("r2"), budget=0.02)
    assert caught.value.spent == "no"
    assert again.get("r2", "v1") is None
    again.close()


def test_a_new_day_opens_it_again(store: Store) -> None:
    reserve(store, sent("r1", at=NOON), budget=0.02)
    reserve(store, sent("r2", at=NOON + timedelta(hours=12)), budget=0.02)
    assert store.spent_usd(NOON) == pytest.approx(0.02)


def test_a_submission_tried_again_is_reserved_once(store: Store) -> None:
    for _ in range(3):
        reserve(store, sent("r1"), budget=0.02, edits=1)
    assert store.spent_usd(NOON) == pytest.approx(0.02)


def test_each_visitor_has_edits_of_its_own(store: Store) -> None:
    reserve(store, sent("r1"), edits=1)
    reserve(store, sent("r2", "v2"), edits=1)
    with pytest.raises(LimitExceeded):
        reserve(store, sent("r3"), edits=1)


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (Failed(1.0, ServerError("x", status=503)), 0.0),
        (Stopped(1.0), 0.0),
        (Failed(1.0, EditFailed("x", service_code=1, prediction_id="p1")), 0.02),
        (OutcomeUnknown(1.0, AmbiguousSubmit("x")), 0.02),
    ],
)
def test_what_certainly_cost_nothing_is_given_back(
    store: Store, end: Stopped | Failed | OutcomeUnknown, kept: float
) -> None:
    run = sent("r1")
    reserve(store, run, budget=0.02)
    store.save(run.apply(end))
    assert store.spent_usd(NOON) == pytest.approx(kept)


def test_a_deleted_run_is_gone_but_what_it_cost_still_counts(store: Store) -> None:
    run = replace(after(WHOLE), started_at=NOON)
    reserve(store, sent("r1"))
    store.save(run)

    store.delete(run.id, "v2")
    assert store.get(run.id, "v1") is not None
    store.delete(run.id, "v1")

    assert store.get(run.id, "v1") is None
    assert store.history("v1") == []
    assert store.spent_usd(NOON) == pytest.approx(0.02)


def test_deleting_a_run_does_not_open_the_days_edits_again(store: Store) -> None:
    run = sent("r1")
    reserve(store, run, edits=1)
    store.save(replace(after(WHOLE), id="r1", started_at=NOON))
    store.delete("r1", "v1")
    with pytest.raises(LimitExceeded):
        reserve(store, sent("r2"), edits=1)


def test_what_a_visitor_pays_counts_against_no_limit_of_the_owners(store: Store) -> None:
    reserve(
        store, replace(sent("r1"), payer="visitor", uses_visitor_key=True), budget=0.02, edits=1
    )
    reserve(store, sent("r2"), budget=0.02, edits=1)
    reserve(
        store, replace(sent("r3"), payer="visitor", uses_visitor_key=True), budget=0.02, edits=1
    )
    with pytest.raises(LimitExceeded):
        reserve(store, sent("r4"), budget=0.02)


def test_the_budget_counts_what_the_service_asks_today(store: Store) -> None:
    reserve(store, replace(sent("r1"), price_usd=0.05), budget=0.08)
    with pytest.raises(LimitExceeded):
        reserve(store, replace(sent("r2"), price_usd=0.05), budget=0.08)
    reserve(store, replace(sent("r3"), price_usd=0.03), budget=0.08)


def test_what_was_only_fetched_costs_nothing(store: Store) -> None:
    store.save(replace(after(WHOLE), edit=None, started_at=NOON))
    assert store.session_totals("v1", NOON) == (0, 0.0)


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
    assert store.session_totals("v1", NOON) == (edits, pytest.approx(edits * 0.02))


def test_a_run_is_found_by_what_it_made_for_its_visitor_alone(store: Store) -> None:
    run = after(WHOLE)
    store.save(run)
    assert store.by_prediction("p1", "v1") == run
    assert store.by_prediction("p1", "v2") is None
    assert store.by_prediction("p2", "v1") is None


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (
            "CREATE TABLE runs (id TEXT PRIMARY KEY, visitor TEXT, started_at REAL, over INTEGER,"
            " prediction_id TEXT, day TEXT, cost_usd REAL, body TEXT)",
            "too old",
        ),
        ("CREATE TABLE runs (id TEXT); PRAGMA user_version = 99", "newer"),
    ],
)
def test_a_file_that_is_too_old_or_newer_is_refused_and_left_as_it_is(
    tmp_path: Path, prepare: str, why: str
) -> None:
    file = tmp_path / "studio.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(prepare)
        before = list(database.iterdump())
    with pytest.raises(UnknownDatabase, match=why):
        Store(file)
    with closing(sqlite3.connect(file)) as database:
        assert list(database.iterdump()) == before


def test_a_run_that_was_held_is_a_rival_at_the_time_it_was_sent(store: Store) -> None:
    """A batch can be held for longer than anybody looks back for a lost submission."""
    reserve(store, sent("held", at=NOON - timedelta(hours=1)))
    other = sent("other")
    reserve(store, other)
    assert store.ambiguous_submissions(other, NOON) == 0

    store.save(sent("held", at=NOON))
    assert store.ambiguous_submissions(other, NOON) == 1
