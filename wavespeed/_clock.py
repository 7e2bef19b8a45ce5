"""The time that an edit takes: events carry it, so that nothing above the client needs a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since it was started."""


def start_clock() -> Clock:
    start = time.monotonic()
    return lambda: time.monotonic() - start
