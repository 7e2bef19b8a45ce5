"""Whether a request that failed is sent again, and when. Pure."""

from __future__ import annotations

from collections.abc import Callable
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

MAX_RETRY_AFTER = 90.0
"""Seconds: limits are by the minute. A service that asks for a longer pause is told to the user
instead of waited out."""


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
