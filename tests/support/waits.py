"""Polling policies beside each other, over tasks whose durations a seed draws; nothing waits.

    python -m tests.support.waits

prints what each policy costs: seconds from a result being ready to its being noticed, polls of a
task, and polls a second of a task's life.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wavespeed import Durations, PollPolicy
from wavespeed._durations import duration

WARM_UP = 20
"""Tasks that a server has seen before it is measured."""
TASKS = 250
"""Measured, for each seed."""
SEEDS = (1, 2, 3)

Draw = Callable[[random.Random, float], float]
"""Seconds that a task takes; the number runs from 0 to 1 over the tasks."""


def _skewed(chance: random.Random, low: float, high: float) -> float:
    """As the sandbox draws: most are short, a few are long."""
    return low + (high - low) * min(1.0, 0.35 * chance.lognormvariate(0.0, 0.5))


def _two_sorts(chance: random.Random) -> float:
    if chance.random() < 0.6:
        return chance.gauss(8, 0.4)
    return chance.gauss(18, 0.6)


def _jumping(chance: random.Random, part: float) -> float:
    mean = 8 if part < 0.5 else 16
    return chance.gauss(mean, 0.7)


DISTRIBUTIONS: dict[str, Draw] = {
    "even, 5 to 20 s": lambda chance, _: chance.uniform(5, 20),
    "skewed, 5 to 20 s": lambda chance, _: _skewed(chance, 5, 20),
    "steady, 3.15 s": lambda *_: 3.15,
    "steady, 12 ± 0.3 s": lambda chance, _: chance.gauss(12, 0.3),
    "spread, 12 ± 1 s": lambda chance, _: chance.gauss(12, 1),
    "two sorts, 8 and 18 s": lambda chance, _: _two_sorts(chance),
    "heavy tail from 6 s": lambda chance, _: 6 * chance.paretovariate(2),
    "log-normal, 12 s": lambda chance, _: 12 * chance.lognormvariate(0, 0.35),
    "drifting, 8 to 20 s": lambda chance, part: chance.gauss(8 + 12 * part, 0.7),
    "jumping, 8 to 16 s": _jumping,
    "the sandbox's, 1 to 3 s": lambda chance, _: _skewed(chance, 1, 3),
    "long, 60 ± 10 s": lambda chance, _: chance.gauss(60, 10),
}


class Policy(Protocol):
    """When to poll, and what it makes of how long a task took."""

    def next_delay(self, age: float, polls: int) -> float:
        """Seconds until the next poll of a task of this age that was polled so often."""

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


class Learned:
    """The client's. `is_reported` says whether the service tells how long a task took."""

    def __init__(self, *, is_reported: bool = True) -> None:
        self._policy = PollPolicy()
        self._durations = Durations()
        self._is_reported = is_reported

    def next_delay(self, age: float, polls: int) -> float:
        return self._policy.next_delay(age, self._durations.recent)

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None:
        reported = seconds if self._is_reported else None
        learned = duration(unfinished, noticed, reported, tolerance=self._policy.shortest)
        self._durations.add(learned)


@dataclass(frozen=True)
class Fixed:
    gap: float

    def next_delay(self, age: float, polls: int) -> float:
        return self.gap

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


class BackingOff:
    """From 1 s by half as much again, up to 10 s."""

    def next_delay(self, age: float, polls: int) -> float:
        return min(1.5**polls, 10.0)

    def ended(self, unfinished: float, noticed: float, seconds: float) -> None: ...


@dataclass(frozen=True)
class Cost:
    """Means over tasks, but `closest`: seconds between the two closest polls of one task."""

    delay: float
    polls: float
    rate: float
    closest: float

    def __str__(self) -> str:
        return f"{self.delay:5.2f} s {self.polls:5.2f} {self.rate:5.2f}"


def cost(make_policy: Callable[[], Policy], draw: Draw, *, skip: int = WARM_UP) -> Cost:
    """What waiting costs after the first `skip` tasks, which come one after the other."""
    total_delay = total_age = 0.0
    total_polls = 0
    closest = float("inf")
    for seed in SEEDS:
        policy = make_policy()
        chance = random.Random(seed)
        for number in range(skip + TASKS):
            seconds = draw(chance, number / (skip + TASKS))
            age = unfinished = 0.0
            polls = 0
            while age < seconds:
                unfinished = age
                delay = policy.next_delay(age, polls)
                closest = min(closest, delay)
                age += delay
                polls += 1
            policy.ended(unfinished, age, seconds)
            if number >= skip:
                total_delay += age - seconds
                total_polls += polls
                total_age += age
    tasks = TASKS * len(SEEDS)
    return Cost(total_delay / tasks, total_polls / tasks, total_polls / total_age, closest)


POLICIES: dict[str, Callable[[], Policy]] = {
    "learned": Learned,
    "not reported": lambda: Learned(is_reported=False),
    "every 1 s": lambda: Fixed(1.0),
    "every 2 s": lambda: Fixed(2.0),
    "backing off": BackingOff,
}


def main() -> None:
    lines = [f"{'delay, polls, polls a second':30}" + "".join(f"{name:>23}" for name in POLICIES)]
    for name, draw in DISTRIBUTIONS.items():
        costs = (cost(policy, draw) for policy in POLICIES.values())
        lines.append(f"{name:30}" + "".join(f"{each!s:>23}" for each in costs))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
