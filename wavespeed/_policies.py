"""Every number and every decision about waiting: when to ask, whether to try again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from .errors import (
    ConnectionFailed,
    FileUnavailable,
    InvalidResponse,
    MissingOutputs,
    PredictionNotFound,
    RateLimited,
    ServerError,
    WaveSpeedError,
)

MAX_RETRY_AFTER = 90.0
"""Seconds: limits are by the minute. A service that asks for a longer pause is told to the user
instead of waited out."""
ENOUGH_DURATIONS = 10
"""Ended tasks of which one is the fastest tenth."""
BACK_OFF = 0.15
"""Of the time that a task is overdue: so much later it is asked for again."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """After how many seconds the client gives up waiting."""

    deadline: float = 600.0
    """For an edit, from its submission to its result. It ends the waiting, not the edit."""
    connect: float = 10.0
    """To open a connection."""
    answer: float = 30.0
    """For one whole exchange with the API."""
    transfer: float = 120.0
    """For one whole upload or download."""
    sync: float = 120.0
    """For a submission in sync mode: the service holds it for about 90 s (documented)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether a request that failed is sent again, and when. In seconds, but for the counts."""

    tries: int = 5
    """Of one request, the first included."""
    first_delay: float = 0.5
    longest_delay: float = 15.0
    missing_file: float = 60.0
    """That a picture is asked for again which its host does not have: a new file may take a while
    to be everywhere."""
    unknown_task: float = 30.0
    """After a task was accepted, that a service which does not know it is asked again."""
    missing_outputs_tries: int = 5
    """Of asking for the picture of a task that is done and names none, before that is believed."""

    def delay(
        self,
        error: WaveSpeedError,
        attempt: int,
        *,
        waited: float = 0.0,
        already_billed: bool = False,
        jitter: float = 0.5,
    ) -> float | None:
        """Seconds until the next try after the `attempt`-th (from 1) failed, or None: give up.

        An `AmbiguousSubmit` is never tried again: that is how nothing is paid twice. A rate limit
        is normal and waited out, and what is `already_billed` is asked for until the deadline ends
        it; anything else has its `tries`. `waited` says for how long a file has been missing, or
        how long ago an unknown task was accepted. `jitter` (0 to 1) spreads clients that failed
        together.
        """
        delay = self._back_off(attempt, jitter)
        match error:
            case RateLimited(retry_after=float(seconds)):
                return max(seconds, delay) if seconds <= MAX_RETRY_AFTER else None
            case RateLimited():
                return self._back_off(attempt + 2, jitter)
            case FileUnavailable():
                return _within(delay, self.missing_file - waited)
            case PredictionNotFound():
                return _within(delay, self.unknown_task - waited)
            case MissingOutputs():
                return delay if attempt < self.missing_outputs_tries else None
            case InvalidResponse(field="url"):
                return None  # An address that is never fetched stays one.
            case ConnectionFailed() | ServerError() | InvalidResponse() if (
                already_billed or attempt < self.tries
            ):
                return max(delay, _requested_delay(error))
        return None

    def _back_off(self, attempt: int, jitter: float) -> float:
        # 64 attempts are past any ceiling; without a limit the power overflows.
        full: float = min(self.first_delay * 2 ** min(attempt - 1, 64), self.longest_delay)
        return full * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often the service is asked for a task that is under way. In seconds."""

    shortest: float = 1.0
    """Between two polls of a task: the maker's own SDK takes 1."""
    average: float = 2.0
    """Between two polls of a task, over its whole life: as the service asks for (documented)."""
    longest: float = 5.0
    """Between two polls of a task that takes longer than any did."""

    def next_delay(self, age: float, durations: Sequence[float] = ()) -> float:
        """Seconds until the next poll of a task that is unfinished at this `age`.

        `durations` are what the last tasks took. Before the fastest tenth of them a task is not
        asked for, unless the polls of its whole life suffice for an earlier start; then evenly, so
        that a task has one poll in `average`; and ever more rarely once it takes longer than any
        did. Tasks that all end within `shortest`, or too soon for a second poll, have one poll, by
        which nine tenths have ended.

        Measured on 2026-11-29 over the twelve distributions of `tests/support/waits.py`: a result
        is noticed 0.00 to 0.65 s after it was ready on average, at most 0.07 s later than with an
        exact optimiser of 250 lines (0.04 to 0.64 s), with at most 0.49 polls a second of a
        task's life (0.50).
        """
        if len(durations) < ENOUGH_DURATIONS:
            return min(max(self.average, age * BACK_OFF), self.longest)
        first, gap = self._spread(sorted(durations))
        if age < first:
            return max(self.shortest, first - age)
        overdue = age - max(durations)
        if overdue < 0:
            return min(gap, self.longest)
        return min(self.shortest + overdue * BACK_OFF, self.longest)

    def _spread(self, durations: Sequence[float]) -> tuple[float, float]:
        """The age of the first poll, and the seconds between the others."""
        tenth = len(durations) // 10
        fast, slow = durations[tenth], durations[-1 - tenth]
        mean = sum(durations) / len(durations)
        # Less the first poll, and a part of one: the last comes after the end, half a gap later.
        polls = mean / self.average - 1.25
        if polls <= 0 or slow - fast <= self.shortest:
            return slow, self.shortest
        first = min(fast, max(durations[0], mean - polls * self.shortest))
        mean_rest = sum(max(0.0, seconds - first) for seconds in durations) / len(durations)
        return first, max(self.shortest, mean_rest / polls)


@dataclass(frozen=True, slots=True)
class Policies:
    """How patient the client is."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    poll: PollPolicy = field(default_factory=PollPolicy)


def _requested_delay(error: WaveSpeedError) -> float:
    """Seconds that a service in trouble asks to be left alone, if that is bearable."""
    match error:
        case ServerError(retry_after=float(seconds)) if seconds <= MAX_RETRY_AFTER:
            return seconds
    return 0.0


def retry_after(header: str | None, now: Callable[[], float]) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110: seconds or a date), or None.

    `now` gives Unix seconds, and is only asked for a date.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None


def clock_offset(header: str | None, now: Callable[[], float]) -> float | None:
    """Seconds that the clock of a `Date` header is ahead of ours, within half a second; None
    where it says nothing. `now` gives Unix seconds."""
    try:
        # It leaves the fraction out, which is half a second on average.
        return parsedate_to_datetime(header or "").timestamp() + 0.5 - now()
    except (ValueError, OverflowError):
        return None


def _within(delay: float, left: float) -> float | None:
    """The delay, the last one cut to what is left of a time; None where that is over."""
    return min(delay, left) if left > 0 else None
