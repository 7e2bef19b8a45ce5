"""How long the last tasks took at a service, for those that are under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

MAX_DURATIONS = 50
"""Tasks that are remembered: what they take drifts with the service's load."""


class Durations:
    """The seconds that the last tasks took at one service. Several clients may share it."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MAX_DURATIONS)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    @property
    def recent(self) -> Sequence[float]:
        return self._seconds


def duration(
    unfinished: float, noticed: float, reported: float | None, *, tolerance: float
) -> float:
    """What a task took that was last seen unfinished at one age (0: never), and then finished.

    It ended in between, and when exactly the service may have `reported`. That counts from when it
    took the task, a moment before the client knew, so it may be `tolerance` late; what lies outside
    of that was counted from somewhere else, and is not believed.
    """
    if reported is not None and unfinished <= reported <= noticed + tolerance:
        return min(reported, noticed)
    return (unfinished + noticed) / 2 if unfinished else noticed
