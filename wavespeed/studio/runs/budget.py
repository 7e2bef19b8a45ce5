"""What a UTC day may cost. The check stands before each submission, in the step that writes it
down, so that neither two at once nor a restart get around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .errors import LimitExceeded, PriceUnknown
from .run import Run


@dataclass(frozen=True, slots=True)
class DailyLimits:
    """Of a UTC day; None: no limit. They guard the owner's money, so that edits under visitors' own
    keys are free of them."""

    budget_usd: float | None = None
    visitor_edits: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """What the other edits of the same payer have taken of a day so far."""

    spent_usd: float
    visitor_edits: int
    """Of the visitor who wants one more."""


def budget_day(moment: datetime) -> str:
    """The UTC day against which a submission counts, "2026-11-29"."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def check_budget(run: Run, limits: DailyLimits, day: Day, *, now: datetime) -> None:
    """Raises `LimitExceeded` where the run is too much for the day, and `PriceUnknown` where there
    is a budget and no price to count."""
    if run.uses_visitor_key:
        return
    reopens_at = datetime.fromisoformat(budget_day(now)).replace(tzinfo=UTC) + timedelta(days=1)
    if limits.budget_usd is not None:
        if run.price_usd is None:
            raise PriceUnknown(run.model)
        if day.spent_usd + run.price_usd > limits.budget_usd + 1e-9:
            raise LimitExceeded("budget", reopens_at)
    if limits.visitor_edits is not None and day.visitor_edits >= limits.visitor_edits:
        raise LimitExceeded("visitor", reopens_at)
