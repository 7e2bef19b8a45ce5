"""Which task of the service's list a submission became whose answer was lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from wavespeed import Prediction

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far the service's clocks may be from each other, and from what is known of them."""
LONGEST_SUBMISSION = timedelta(seconds=120)
"""A task is created while its submission is open, which is this long at most (`Timeouts.sync`)."""


def search_window(sent: datetime, clock_offset: timedelta) -> tuple[datetime, datetime]:
    """When, by the service's clock, the task was created of a submission that went out at `sent` by
    ours; `clock_offset` is how far the service's is ahead."""
    return (
        sent + clock_offset - CLOCK_TOLERANCE,
        sent + clock_offset + LONGEST_SUBMISSION + CLOCK_TOLERANCE,
    )


def matching_predictions(
    found: Iterable[Prediction],
    known: set[str],
    window: tuple[datetime, datetime],
    model: str,
) -> list[Prediction]:
    """The tasks that can be it: of the model that the run asked (the list was asked for its tasks
    alone, so that one which names none counts), created in the window, and of no known run."""
    return [
        task
        for task in found
        if task.model in (model, "")
        and task.id not in known
        and task.created_at is not None
        and window[0] <= task.created_at <= window[1]
    ]
