"""Deciding, as tables: nothing here waits."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed import PollPolicy, RetryPolicy, WaveSpeedError
from wavespeed._retry_policy import retry_after
from wavespeed.errors import (
    AmbiguousSubmit,
    ApiError,
    ConnectionFailed,
    ContentModerated,
    EditFailed,
    EditTimeout,
    InsufficientCredit,
    InvalidApiKey,
    InvalidEdit,
    InvalidResponse,
    PermissionDenied,
    RateLimited,
    ServerError,
)

RETRY = RetryPolicy(first_delay=1.0, longest_delay=8.0, tries=3)


@pytest.mark.parametrize(
    ("error", "attempt", "already_billed", "expected"),
    [
        (ConnectionFailed("", sent=False), 1, False, 0.5),
        (ConnectionFailed("", sent=True), 2, False, 1.0),
        (ConnectionFailed("", sent=True), 3, False, None),
        (ConnectionFailed("", sent=True), 3, True, 2.0),
        (ConnectionFailed("", sent=True), 99, True, 4.0),
        (ServerError("", status=503), 1, False, 0.5),
        (ServerError("", status=503), 3, False, None),
        (InvalidResponse("body"), 2, False, 1.0),
        (InvalidResponse("body"), 3, False, None),
        (InvalidResponse("url"), 1, True, None),
        (RateLimited("", status=429, retry_after=0.0), 1, False, 0.5),
        (RateLimited("", status=429, retry_after=12.0), 1, False, 12.0),
        (RateLimited("", status=429, retry_after=90.0), 50, False, 90.0),
        (RateLimited("", status=429, retry_after=91.0), 1, False, None),
        (RateLimited("", status=429), 1, False, 2.0),
        (RateLimited("", status=429), 9, False, 4.0),
        (AmbiguousSubmit(""), 1, False, None),
        (AmbiguousSubmit(""), 1, True, None),
        (ApiError("", status=400), 1, True, None),
        (InvalidApiKey("", status=401), 1, True, None),
        (InsufficientCredit("", status=402), 1, True, None),
        (PermissionDenied("", status=403), 1, True, None),
        (ContentModerated("", status=400, service_code=1200), 1, True, None),
        (InvalidEdit(""), 1, True, None),
        (EditFailed("", service_code=1405, prediction_id="x"), 1, True, None),
        (EditTimeout("", prediction_id="x"), 1, True, None),
    ],
)
def test_what_is_tried_again_and_when(
    error: WaveSpeedError, attempt: int, already_billed: bool, expected: float | None
) -> None:
    delay = RETRY.delay(error, attempt, already_billed=already_billed, jitter=0.0)
    assert delay == expected


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_back_off_is_never_zero_and_never_above_its_ceiling(attempt: int, jitter: float) -> None:
    error = ConnectionFailed("", sent=True)
    delay = RETRY.delay(error, attempt, already_billed=True, jitter=jitter)
    assert delay is not None
    assert 0.5 <= delay <= 8.0


@pytest.mark.parametrize(
    ("age", "durations", "expected"),
    [
        (0.0, [], 2.0),  # Nothing is known: one poll in two seconds,
        (20.0, [], 3.0),  # and later on
        (90.0, [], 5.0),  # ever more rarely.
        (0.0, [8.0] * 9, 2.0),  # Fewer than ten have no fastest tenth.
        (0.0, [8.0] * 10, 8.0),
        (6.0, [8.0] * 10, 2.0),
        (7.5, [8.0] * 10, 1.0),  # Never closer than that.
        (8.0, [8.0] * 10, 1.0),  # It takes longer than any did:
        (28.0, [8.0] * 10, 4.0),  # the longer, the more rarely,
        (90.0, [8.0] * 10, 5.0),  # up to the longest pause.
        (0.0, [1.5] * 9 + [3.0], 1.5),  # Too short for a second poll: by then nine tenths ended.
        (1.5, [1.5] * 9 + [3.0], 1.0),
        (0.0, [*range(5, 25)], 7.0),  # The fastest tenth of them.
        (7.0, [*range(5, 25)], 1.28),
    ],
)
def test_when_a_task_is_polled_next(age: float, durations: list[float], expected: float) -> None:
    assert PollPolicy().next_delay(age, durations) == pytest.approx(expected, abs=0.01)


@given(st.floats(0, 10_000), st.lists(st.floats(0.01, 900), max_size=50), st.floats(0.01, 1))
def test_polls_keep_their_distance_whatever_tasks_take(
    age: float, durations: list[float], shortest: float
) -> None:
    policy = PollPolicy(shortest=shortest, average=2 * shortest, longest=5 * shortest)
    delay = policy.next_delay(age, durations)
    assert delay >= shortest
    assert delay <= max(policy.longest, max(durations, default=0.0))


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("12", 12.0),
        (" 0 ", 0.0),
        ("1.5", None),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("9" * 400, 999_999_999.0),
        (format_datetime(NOON.replace(second=30), usegmt=True), 30.0),
        (format_datetime(NOON.replace(hour=11), usegmt=True), 0.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    header: str | None, expected: float | None
) -> None:
    assert retry_after(header, NOON.timestamp) == expected


@given(st.text())
def test_no_retry_after_header_breaks_the_reader(header: str) -> None:
    seconds = retry_after(header, NOON.timestamp)
    assert seconds is None or seconds >= 0
