"""`make bench`: measures the page beside what someone would do instead, and prints a table.

    python -m tests.benchmarks                 # all of it, about a quarter of an hour
    python -m tests.benchmarks edits memory    # these parts alone

The time of a task at the service is known, so that what is left is ours or theirs. Of figures that
depend on the machine the ratio within one run is what counts.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.crowd import Crowd, Visit, photos
from tests.benchmarks.table import Row, body, foot, head
from tests.support.apps import served

from . import browser, connections, memory, others, pictures, presses, service

SECONDS = others.SECONDS
LEARNT = 20
"""Tasks that the server has seen before it is measured."""
SDK = "SDK in a handler"


async def press(url: str, visitors: int) -> list[Visit]:
    crowd = Crowd(url)
    await crowd.come()
    return await crowd.edits(photos(visitors))


def typical(url: str) -> list[Visit]:
    """One visitor alone, the middle one of three."""
    return sorted((asyncio.run(press(url, 1)) for _ in range(3)), key=last)[1]


def last(visits: list[Visit]) -> float:
    return max(visit.seconds for visit in visits)


def p95(visits: list[Visit]) -> float:
    return statistics.quantiles([visit.seconds for visit in visits], n=20)[-1]


def edits(folder: Path) -> list[Row]:
    """Edits that take 3.15 s at the service: one, 20, 100 and 500 at once."""
    handler, floor, ours = {}, {}, {}
    with service.running(SECONDS) as url:
        with others.running("handler", folder, **service.settings(url)) as app:
            asyncio.run(press(app.url, 1))  # Warm like ours.
            handler[1] = typical(app.url)
            handler[20] = asyncio.run(press(app.url, 20))
        with others.running("handler, no limit", folder, **service.settings(url)) as app:
            handler[100] = asyncio.run(press(app.url, 100))
    with (
        service.running(SECONDS) as url,
        served(folder, python=sys.executable, **service.settings(url)) as app,
    ):
        asyncio.run(press(app.url, LEARNT))
        ours[1] = typical(app.url)
        ours[20] = asyncio.run(press(app.url, 20))
        with others.running("floor", folder / "floor") as sleeping:
            # In turns, so that both meet the same machine.
            for many in (100, 500):
                floor[many] = asyncio.run(press(sleeping.url, many))
                ours[many] = asyncio.run(press(app.url, many))
        done = len(service.tasks(url))
    shown = sum("ws-after" in visit.last for visit in ours[500])
    bare = "as many calls that sleep"
    wire = ours[1][0].size_bytes / 1000
    return [
        Row("one edit of 3.15 s", last(ours[1]), "s", SDK, last(handler[1]), 3.5),
        Row("20 at once, the last", last(ours[20]), "s", SDK, last(handler[20]), 4.2),
        Row("100 at once, p95, beside the SDK", p95(ours[100]), "s", SDK, p95(handler[100])),
        Row("100 at once, p95", p95(ours[100]), "s", bare, p95(floor[100]), 1.2, of_theirs=True),
        Row("500 at once, p95", p95(ours[500]), "s", bare, p95(floor[500]), 2.0, of_theirs=True),
        Row("500 at once, without a result", 500 - shown, "edits", within=0),
        Row("submissions beyond one an edit", done - LEARNT - 623, "", within=0),
        Row("status of one edit over the wire", wire, "kB"),
    ]


def noticing(folder: Path) -> list[Row]:
    """Tasks of 5 to 20 s: how late their end is noticed, and with how many calls."""
    seen: dict[str, list[dict[str, float]]] = {}
    with service.running(5, 20) as url:
        with others.running("handler, no limit", folder, **service.settings(url)) as app:
            asyncio.run(press(app.url, 40))
        seen[SDK] = service.tasks(url)
    with (
        service.running(5, 20) as url,
        served(folder, python=sys.executable, **service.settings(url)) as app,
    ):
        asyncio.run(press(app.url, LEARNT))
        asyncio.run(press(app.url, 40))
        asyncio.run(press(app.url, 40))
        seen["ours"] = service.tasks(url)[LEARNT:]

    def mean(who: str, what: str) -> float:
        return statistics.mean(task[what] for task in seen[who])

    noticed, asked = "a result noticed after it was ready, mean", "result calls an edit"
    late, looks = mean("ours", "late"), mean("ours", "looks")
    return [
        Row(noticed, late, "s", SDK, mean(SDK, "late"), 1.0, of_theirs=True),
        Row(asked, looks, "", SDK, mean(SDK, "looks"), 7.0),
    ]


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "edits": edits,
    "noticing": noticing,
    "pictures": pictures.measure,
    "connections": connections.measure,
    "page": browser.measure,
    "memory": memory.measure,
    "presses": presses.measure,
}


def main(names: list[str]) -> None:
    print(head())  # noqa: T201 - the table is what it is for
    for name in names or PARTS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            print(body(PARTS[name](Path(folder))), flush=True)  # noqa: T201
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)  # noqa: T201
    print(foot())  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
