"""What was measured, as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Row:
    """A figure of ours, beside the same of something else in the same run; both in `unit`.

    It is good `within` so much (in `unit`, or where `of_theirs`, as a multiple of theirs), and
    without a limit it is only told.
    """

    what: str
    ours: float
    unit: str = "s"
    beside: str = ""
    theirs: float | None = None
    within: float | None = None
    of_theirs: bool = False

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None

    @property
    def is_good(self) -> bool | None:
        if self.within is None:
            return None
        measured = self.ratio if self.of_theirs else self.ours
        return measured is not None and measured <= self.within

    def cells(self) -> tuple[str, ...]:
        wanted = "" if self.within is None else f"{self.within:g} {self.unit}".strip()
        if self.of_theirs:
            wanted = f"× {self.within:g}"
        return (
            self.what,
            "" if self.theirs is None else f"{self.theirs:.3g} {self.unit}, {self.beside}",
            f"{self.ours:.3g} {self.unit}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            wanted and f"at most {wanted}",
            {True: "yes", False: "NO", None: ""}[self.is_good],
        )


HEAD = ("what", "baseline, same run", "ours", "ratio", "wanted", "reached")


def head() -> str:
    """The table's first lines."""
    return "\n".join(_line(cells) for cells in (HEAD, ["---"] * len(HEAD)))


def body(rows: Sequence[Row]) -> str:
    return "\n".join(_line(row.cells()) for row in rows)


def foot() -> str:
    """What the figures depend on."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({platform.machine()}),"
        f" Python {platform.python_version()}, load {load} at the end"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
