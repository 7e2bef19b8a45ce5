"""Every number and every decision about waiting: when to ask, whether to try again. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

LONGEST_RETRY_AFTER = 90.0
"""Seconds: limits are by the minute. A service that asks for a longer pause is told to the user
instead of waited out."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the client is. All in seconds, but `tries`."""

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
    tries: int = 5
    """Of one request, the first included."""
    shortest: float = 1.0
    """Between two looks at a task: its own SDK takes 1."""
    effort: float = 0.5
    """Of the looks that `shortest` allows, how many a task gets, on average over the lives of all:
    one in 2 s, as the service asks for (documented)."""
    longest: float = 5.0
    """Between two looks at a task that takes longer than any did."""
    guesses: tuple[float, ...] = (1.5, 2, 2.6, 5, 8, 9, 10, 11, 12, 13, 14, 16, 18, 22)
    """How long tasks take while none has ended, in units of `shortest`: the sandbox's 1 to 3 s,
    the service's 8 to 20."""
    first_retry: float = 0.5
    longest_retry: float = 15.0
    missing_file: float = 60.0
    """That a picture is asked for again which its host does not have: a new file may take a while
    to be everywhere."""
    unknown_task: float = 30.0
    """After a task was accepted, that a service which does not know it is asked again."""
    no_outputs: int = 5
    """Looks at a task that is done and has no picture, before that is believed."""

    def retry_delay(
        self,
        error: WaveSpeedError,
        attempt: int,
        *,
        waited: float = 0.0,
        already_billed: bool = False,
        luck: float = 0.5,
    ) -> float | None:
        """Seconds until the next try after the `attempt`-th (from 1) failed, or None: give up.

        An `AmbiguousSubmit` is never tried again: that is how nothing is paid twice. A rate limit
        is normal and waited out, and what is `already_billed` for is asked for, until the deadline
        ends it; anything else has `tries`. `waited` is how long a file has been missing, or ago
        that a task was accepted which is unknown. `jitter` (0 to 1) spreads clients that failed
        together.
        """
        pause = self._back_off(attempt, luck)
        match error:
            case RateLimited(retry_after=float(seconds)):
                return max(seconds, pause) if seconds <= LONGEST_RETRY_AFTER else None
            case RateLimited():
                return self._back_off(attempt + 2, luck)
            case FileUnavailable():
                return _within(pause, self.missing_file - waited)
            case PredictionNotFound():
                return _within(pause, self.unknown_task - waited)
            case MissingOutputs():
                return pause if attempt < self.no_outputs else None
            case InvalidResponse(field="url"):
                return None  # An address that we won't go to stays one.
            case ConnectionFailed() | ServerError() | InvalidResponse() if (
                already_billed or attempt < self.tries
            ):
                return max(pause, _asked_for(error))
        return None

    def next_delay(self, age: float, looks: Sequence[float] = ()) -> float:
        """Seconds until the next look at a task that was just found unfinished at this `age_of`, or
        was just submitted: at the next of the ages in `looks`, if there is one.
        """
        # A look is a moment late, for the answers before it took time: so the next may be close.
        index = bisect_right(looks, age + self.shortest / 2)
        if index < len(looks):
            return max(self.shortest, looks[index] - age)
        return min(max(self.shortest, age * 0.15), self.longest)

    def _back_off(self, attempt: int, jitter: float) -> float:
        # 64 attempts are past any ceiling; without a limit the power overflows.
        full: float = min(self.first_retry * 2 ** min(attempt - 1, 64), self.longest_retry)
        return full * (0.5 + jitter / 2)


def _asked_for(error: WaveSpeedError) -> float:
    """Seconds that a service in trouble asks to be left alone, if that is bearable."""
    match error:
        case ServerError(retry_after=float(seconds)) if seconds <= LONGEST_RETRY_AFTER:
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


def _within(pause: float, left: float) -> float | None:
    """The pause, the last one cut to what is left of a time; None where that is over."""
    return min(pause, left) if left > 0 else None
