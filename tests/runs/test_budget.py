"""What a day may cost, decided without a database."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.runs.test_run import NEW
from wavespeed.studio.runs.budget import DailyLimits, Day, check_budget
from wavespeed.studio.runs.errors import LimitExceeded, PriceUnknown

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
NONE = DailyLimits()


@pytest.mark.parametrize(
    ("limits", "day", "price", "refused"),
    [
        (NONE, Day(1e6, 1000), 0.02, None),
        (NONE, Day(0, 0), None, None),
        (DailyLimits(budget_usd=0.06), Day(0.04, 2), 0.02, None),
        (DailyLimits(budget_usd=0.06), Day(0.06, 3), 0.02, "budget"),
        (DailyLimits(budget_usd=0.0), Day(0, 0), 0.02, "budget"),
        (DailyLimits(budget_usd=0.0), Day(0, 0), 0.0, None),
        (DailyLimits(budget_usd=5), Day(0, 0), None, "price"),
        (DailyLimits(visitor_edits=2), Day(9, 1), 0.02, None),
        (DailyLimits(visitor_edits=2), Day(0, 2), 0.02, "visitor"),
        (DailyLimits(visitor_edits=0), Day(0, 0), 0.02, "visitor"),
    ],
)
def test_one_more_edit_fits_into_the_day_or_is_refused(
    limits: DailyLimits, day: Day, price: float | None, refused: str | None
) -> None:
    run = replace(NEW, price_usd=price)
    kind = PriceUnknown if refused == "price" else LimitExceeded
    with pytest.raises(kind) if refused else nullcontext() as caught:
        check_budget(run, limits, day, now=NOON)
    if isinstance(caught, pytest.ExceptionInfo) and kind is LimitExceeded:
        assert caught.value.limit == refused
        assert "00:00 UTC" in str(caught.value)
    check_budget(replace(run, uses_visitor_key=True), limits, day, now=NOON)  # Their own money.
