"""Each picture on its own: what many edits that belong together have come to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .run import Run

MAX_EDITS = 50
"""Pictures of one batch."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How many edits of a batch are where, and about how many seconds it still takes; None where
    nothing tells. `done` may have been paid, `failed` includes what nobody knows the outcome of."""

    total: int
    done: int
    failed: int
    running: int
    waiting: int
    stopped: int
    left: float | None


def is_batch(runs: Sequence[Run]) -> bool:
    return len(runs) > 1 and runs[0].batch


def latest_attempts(runs: Iterable[Run]) -> list[Run]:
    """Of each place in the group its newest run: one that was tried again replaces the old one."""
    places = {run.position: run for run in sorted(runs, key=lambda run: run.attempt)}
    return [places[number] for number in sorted(places)]


def progress(runs: Sequence[Run], median_duration: float | None, parallel: int) -> BatchProgress:
    """The time left comes from the edits that are done, before there are any from what the last
    ones here took; what is under way counts half."""
    kinds = Counter("waiting" if run.awaiting_slot else run.state for run in runs)
    took = [run.elapsed for run in runs if run.state == "done"]
    each = sum(took) / len(took) if took else median_duration
    open_ = kinds["waiting"] + kinds["running"] / 2
    # No faster than one after another, and never faster than one of them takes.
    left = each * max(open_ / parallel, 0.5) if each and open_ else None
    return BatchProgress(
        len(runs),
        kinds["done"],
        kinds["failed"] + kinds["unknown"],
        kinds["running"],
        kinds["waiting"],
        kinds["stopped"],
        left,
    )
