"""When to look at a task: the ages that cost least, given how long tasks take. Pure.

Looks can't be closer than `shortest`, and each has a price, in seconds of delay (from a result
being ready to its being noticed). What costs least altogether is found exactly, from the last
look backwards; the price is the lowest at which the looks stay within their budget.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple

CELLS = 256
"""The grid of ages on which looks may lie: about so many cells up to the longest life."""
COARSEST, FINEST = 4, 200
"""Cells in `shortest`."""
MOST_CELLS = 1024
"""What ends beyond them is left to the back-off."""
CHEAPEST, STEP, STEPS = 0.02, 1.1, 64
"""Prices of a look, in units of `shortest`: a saving of less than the first is not worth one."""


class Span(NamedTuple):
    """Tasks end between these ages, in seconds, with this chance; evenly in between."""

    begin: float
    end: float
    chance: float


class Plan(NamedTuple):
    """Ages to look at, and what is expected of them: `calls` and `delay` (seconds) a task."""

    looks: tuple[float, ...]
    calls: float
    delay: float


class Ends(NamedTuple):
    """On a grid of ages `step` seconds apart: the chance that a task has ended by then, and the
    seconds that it has been over by then, on average."""

    step: float
    ended: list[float]
    over: list[float]

    @property
    def mean(self) -> float:
        """Seconds that a task takes."""
        return (len(self.ended) - 1) * self.step - self.over[-1]


def plan(spans: Sequence[Span], *, shortest: float, effort: float) -> Plan:
    """The looks with the least expected delay, at least `shortest` seconds apart, of which a task
    gets `effort` in each `shortest` of its life, on average over all tasks.

    The chances of the spans add up to 1. Takes some milliseconds.
    """
    longest = max(span.end for span in spans)
    floor = max(COARSEST, min(FINEST, int(CELLS * shortest / longest)))
    step = shortest / floor
    ends = grid(spans, step, min(MOST_CELLS, ceil(longest / step)) + floor)
    low, high = 0, STEPS
    while low < high:  # A higher price means fewer calls.
        middle = (low + high) // 2
        tried = cheapest(ends, floor, CHEAPEST * shortest * STEP**middle)
        if tried.calls * shortest <= effort * (ends.mean + tried.delay):
            high = middle
        else:
            low = middle + 1
    return cheapest(ends, floor, CHEAPEST * shortest * STEP**low)


def grid(spans: Sequence[Span], step: float, cells: int) -> Ends:
    """The spans added up."""
    turns = sorted(
        turn
        for begin, end, chance in spans
        for slope in [chance / max(end - begin, step / 100)]
        for turn in [(begin, slope), (max(end, begin + step / 100), -slope)]
    )
    ended, at, slope, seen = [0.0], 0.0, 0.0, 0
    for cell in range(cells + 1):
        chance, age = ended[-1], cell * step
        while seen < len(turns) and turns[seen][0] <= age:
            chance += slope * (turns[seen][0] - at)
            at, slope = turns[seen][0], slope + turns[seen][1]
            seen += 1
        ended.append(chance + slope * (age - at))
        at = age
    over = [0.0]
    for before, after in pairwise(ended[1:]):
        over.append(over[-1] + (before + after) / 2 * step)
    return Ends(step, ended[1:], over)


def cheapest(ends: Ends, floor: int, price: float) -> Plan:
    """The looks of least `price` × calls + delay, at least `floor` cells apart.

    After a look at cell i that found the task unfinished, looking next at j costs the price, if
    it comes to that, and the delay of what ends in between, and then whatever follows on j:

        cost[i] = price × (1 - ended[i]) + over[j] - over[i] - ended[i] × (j - i) × step + cost[j]

    The best j is where a line of slope ended[i] × step touches the points (j, over[j] + cost[j])
    from below, so only those on their lower hull matter. Going backwards the slope falls and the
    best j with it: each point comes to the hull once and goes once.
    """
    step, ended, over = ends
    last = len(ended) - 1 - floor
    best, cost = [0] * (last + 1), 0.0
    points = list(over)  # Beyond the grid nothing follows.
    hull: deque[int] = deque()
    for cell in range(last, -1, -1):
        new = cell + floor
        while len(hull) > 1 and _is_above(points, new, hull[0], hull[1]):
            hull.popleft()
        hull.appendleft(new)
        slope = ended[cell] * step
        while len(hull) > 1 and _height(points, hull[-2], slope) <= _height(
            points, hull[-1], slope
        ):
            hull.pop()
        best[cell] = hull[-1]
        cost = price * (1 - ended[cell]) - over[cell] + slope * cell
        cost += _height(points, hull[-1], slope)
        points[cell] = over[cell] + cost
    looks, calls, cell = [], 0.0, 0
    while cell <= last:
        calls += 1 - ended[cell]
        cell = best[cell]
        looks.append(cell * step)
    return Plan(tuple(looks), calls, cost - price * calls)


def _height(points: Sequence[float], at: int, slope: float) -> float:
    return points[at] - slope * at


def _is_above(points: Sequence[float], left: int, middle: int, right: int) -> bool:
    """Whether the point in the middle lies on or above the line between the others."""
    return (points[middle] - points[left]) * (right - middle) >= (
        points[right] - points[middle]
    ) * (middle - left)
