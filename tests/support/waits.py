"""Waiting for tasks without waiting: policies beside each other over seeded lives.

    python -m tests.support.waits

prints what each policy costs: seconds from a result being ready to its being noticed, calls of the
result, and calls a second of a task's life.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wavespeed import Durations, Pace
from wavespeed._durations import life

WARM = 20
"""Tasks that a server has seen before it is measured."""
TASKS = 250
"""Measured, for each seed."""
SEEDS = (1, 2, 3)

Draw = Callable[[random.Random, float], float]
"""Seconds that a task takes; the number runs from 0 to 1 over the tasks."""


def _skewed(chance: random.Random, low: float, high: float) -> float:
    """As the sandbox draws: most are short, a few are long."""
    return low + (high - low) * min(1.0, 0.35 * chance.lognormvariate(0.0, 0.5))


LIVES: dict[str, Draw] = {
    "even, 5 to 20 s": lambda chance, _: chance.uniform(5, 20),
    "skewed, 5 to 20 s": lambda chance, _: _skewed(chance, 5, 20),
    "steady, 3.15 s": lambda *_: 3.15,
    "steady, 12 ± 0.3 s": lambda chance, _: chance.gauss(12, 0.3),
    "spread, 12 ± 1 s": lambda chance, _: chance.gauss(12, 1),
    "two sorts, 8 and 18 s": lambda chance, _: (
        chance.gauss(8, 0.4) if chance.random() < 0.6 else chance.gauss(18, 0.6)
    ),
    "heavy tail from 6 s": lambda chance, _: 6 * chance.paretovariate(2),
    "log-normal, 12 s": lambda chance, _: 12 * chance.lognormvariate(0, 0.35),
    "drifting, 8 to 20 s": lambda chance, part: chance.gauss(8 + 12 * part, 0.7),
    "jumping, 8 to 16 s": lambda chance, part: chance.gauss(8 if part < 0.5 else 16, 0.7),
    "the sandbox's, 1 to 3 s": lambda chance, _: _skewed(chance, 1, 3),
    "long, 60 ± 10 s": lambda chance, _: chance.gauss(60, 10),
}


class Policy(Protocol):
    """When to look, and what it makes of what it sees."""

    def next_look(self, age: float, looks: int) -> float:
        """Seconds until the next look at a task of this age that was looked at so often."""

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


class Learned:
    """Ours. `run_event` says whether the service tells how long a task took."""

    def __init__(self, pace: Pace | None = None, *, told: bool = True) -> None:
        self._pace, self._told, self._durations = pace or Pace(), told, Durations()

    def next_look(self, age: float, looks: int) -> float:
        return self._pace.next_delay(age, self._durations.looks(self._pace))

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None:
        said = seconds if self._told else None
        self._durations.add(life(unfinished, noticed, said, tolerance=self._pace.shortest))


@dataclass(frozen=True)
class Fixed:
    gap: float

    def next_look(self, age: float, looks: int) -> float:
        return self.gap

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


class BackingOff:
    """From 1 s by half as much again, up to 10 s."""

    def next_look(self, age: float, looks: int) -> float:
        return min(1.5**looks, 10.0)

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


@dataclass(frozen=True)
class Cost:
    """Means over tasks, but `closest`: seconds between the two closest looks of one task."""

    delay: float
    calls: float
    rate: float
    closest: float

    def __str__(self) -> str:
        return f"{self.delay:5.2f} s {self.calls:5.2f} {self.rate:5.2f}"


def cost(policy: Callable[[], Policy], draw: Draw, *, skip: int = WARM) -> Cost:
    """What waiting costs after the first `skip` tasks, which come one after the other."""
    delay = calls = lived = 0.0
    closest = float("inf")
    for seed in SEEDS:
        ours, chance = policy(), random.Random(seed)
        for number in range(skip + TASKS):
            seconds = draw(chance, number / (skip + TASKS))
            age = unfinished = 0.0
            looks = 0
            while age < seconds:
                unfinished = age
                pause = ours.next_look(age, looks)
                closest = min(closest, pause)
                age, looks = age + pause, looks + 1
            ours.ended(unfinished, age, seconds)
            if number >= skip:
                delay, calls, lived = delay + age - seconds, calls + looks, lived + age
    tasks = TASKS * len(SEEDS)
    return Cost(delay / tasks, calls / tasks, calls / lived, closest)


POLICIES: dict[str, Callable[[], Policy]] = {
    "learned": Learned,
    "untold": lambda: Learned(told=False),
    "every 1 s": lambda: Fixed(1.0),
    "every 2 s": lambda: Fixed(2.0),
    "backing off": BackingOff,
}


def main() -> None:
    lines = [f"{'delay, calls, calls a second':30}" + "".join(f"{name:>23}" for name in POLICIES)]
    for lives, draw in LIVES.items():
        costs = (cost(policy, draw) for policy in POLICIES.values())
        lines.append(f"{lives:30}" + "".join(f"{one!s:>23}" for one in costs))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
