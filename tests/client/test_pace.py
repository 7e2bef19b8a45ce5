"""Deciding, as tables: nothing here waits."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed import (
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
    Pace,
    PermissionDenied,
    RateLimited,
    ServerError,
    WaveSpeedError,
)
from wavespeed._policies import retry_after

PACE = Pace(first_retry=1.0, longest_retry=8.0, tries=3)


@pytest.mark.parametrize(
    ("error", "attempt", "paid", "expected"),
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
    error: WaveSpeedError, attempt: int, paid: bool, expected: float | None
) -> None:
    assert PACE.retry_delay(error, attempt, already_billed=paid, luck=0.0) == expected


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_back_off_is_never_zero_and_never_above_its_ceiling(attempt: int, luck: float) -> None:
    wait = PACE.retry_delay(
        ConnectionFailed("", sent=True), attempt, already_billed=True, luck=luck
    )
    assert wait is not None
    assert 0.5 <= wait <= 8.0


@given(st.floats(0, 10_000))
def test_a_task_is_looked_at_after_one_to_five_seconds(waited: float) -> None:
    assert 1.0 <= Pace().next_delay(waited) <= 5.0


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
