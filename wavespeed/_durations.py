"""How long tasks take: learned from those that ended, for those that are under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from ._looks import Span, plan
from ._policies import Pace

KEPT = 200
"""Tasks that are remembered."""
HALF_LIFE = 50
"""After so many newer ones a task counts half: what they take drifts with the service's load."""
GUESSED = 3.0
"""Tasks that the guesses of `Pace` count as while none has ended."""
ENOUGH = 20
"""Ended tasks after which guesses count nothing."""
FEWEST = 3
"""Tasks before which nothing is called usual."""


class Life(NamedTuple):
    """A task took `seconds` at the service, `slack` more or less."""

    seconds: float
    slack: float


def life(unfinished: float, noticed: float, said: float | None, *, tolerance: float) -> Life:
    """Of a task that was last seen unfinished at one age, and finished at another.

    It ended in between, and when exactly the service may have `note`. That counts from when it
    took the task, a moment before we knew, so it may be `tolerance` late; what it says outside of
    that was counted from somewhere else, and is not believed.
    """
    if said is not None and unfinished <= said <= noticed + tolerance:
        return Life(min(said, noticed), 0.0)
    return Life((unfinished + noticed) / 2, (noticed - unfinished) / 2)


class Durations:
    """The lives of the last tasks. One for each service, which several clients may share."""

    def __init__(self) -> None:
        self._lives: deque[Life] = deque(maxlen=KEPT)
        self._news = 0
        self._plan: tuple[Pace, tuple[float, ...]] | None = None

    def add(self, life: Life) -> None:
        """One more task has ended, and has a picture."""
        self._lives.append(life)
        self._news += 1

    @property
    def usual(self) -> float | None:
        """Seconds that half of the tasks take at the most, or None after too few."""
        if len(self._lives) < FEWEST:
            return None
        weighed = sorted(zip(self._lives, _weights(len(self._lives)), strict=True))
        half = sum(weight for _, weight in weighed) / 2
        for life, weight in weighed:
            half -= weight
            if half <= 0:
                return life.seconds
        return weighed[-1][0].seconds

    def looks(self, pace: Pace) -> tuple[float, ...]:
        """The ages at which to look at a task. Planned anew when there is enough to tell."""
        stale = self._news > len(self._lives) / 16  # Each time at first, then every 13 tasks.
        if self._plan is None or self._plan[0] != pace or stale:
            guesses = [guess * pace.shortest for guess in pace.guesses]
            known = spans(self._lives, guesses)
            found = plan(known, shortest=pace.shortest, effort=pace.effort)
            self._plan, self._news = (pace, found.looks), 0
        return self._plan[1]


def spans(lives: Sequence[Life], guesses: Sequence[float]) -> list[Span]:
    """The chances of a task's end, from the lives of others, oldest first, and from guesses.

    Each stands for those like it: it is spread over half the way to as many of its neighbours as
    the root of all. So two sorts of task stay two, and a steady one stays sharp. That the next
    one is shorter or longer than all seen has the chance of one among one more.
    """
    share = GUESSED * max(0.0, 1 - len(lives) / ENOUGH) / len(guesses)
    seen = list(zip(lives, _weights(len(lives)), strict=True))
    seen += [(Life(seconds, 0.0), share) for seconds in guesses if share > 0]
    seen.sort()
    near, last = max(1, isqrt(len(seen))), len(seen) - 1
    new = 1 / (len(seen) + 1)
    scale = (1 - new) / sum(weight for _, weight in seen)
    shortest, longest = seen[0][0].seconds, seen[-1][0].seconds
    found = [Span(0.0, shortest, new / 2), Span(longest, longest * 1.5, new / 2)]
    for index, ((seconds, slack), weight) in enumerate(seen):
        left, right = max(0, index - near), min(last, index + near)
        apart = (seen[right][0].seconds - seen[left][0].seconds) / max(1, right - left)
        wide = max(apart * near / 2, slack, seconds / 100)
        found.append(Span(max(0.0, seconds - wide), seconds + wide, weight * scale))
    return found


def _weights(count: int) -> list[float]:
    """Of lives, oldest first."""
    return [0.5 ** (age / HALF_LIFE) for age in range(count - 1, -1, -1)]
