"""What edits take of the app's memory: those under way, and those that are over."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from tests.benchmarks.crowd import Crowd, photos
from tests.benchmarks.table import Row
from tests.support.apps import App, served

from . import service

SECONDS = 20.0
"""Of a task: long enough for 500 to be under way at once."""


def megabytes(app: App) -> float:
    """The app's own memory, without what it shares (Linux)."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1000


async def crowd(app: App, count: int) -> float:
    """The most that was taken while so many edits went on."""
    visitors = Crowd(app.url)
    await visitors.come()
    going = asyncio.create_task(visitors.edits(photos(count)))
    most = 0.0
    while not going.done():
        most = max(most, megabytes(app))
        await asyncio.sleep(0.1)
    await going
    return most


def settled(app: App) -> float:
    """After what goes on a little longer."""
    time.sleep(3)
    return megabytes(app)


def measure(folder: Path) -> list[Row]:
    with (
        service.running(1) as url,
        served(folder / "a", python=sys.executable, **service.settings(url)) as app,
    ):
        # What is kept of a thousand pages and edits is there, and the allocator has its arenas.
        for count in (100, 500, 500):
            asyncio.run(crowd(app, count))
        before = settled(app)
        for _ in range(2):
            asyncio.run(crowd(app, 500))
        growth = settled(app) - before
    with (
        service.running(SECONDS) as url,
        served(folder / "b", python=sys.executable, **service.settings(url)) as app,
    ):
        asyncio.run(crowd(app, 1))
        idle = settled(app)
        most = asyncio.run(crowd(app, 500)) - idle
    return [
        Row("500 edits under way, above idle", most, "MB", within=300),
        Row("what 1,000 finished edits leave", growth, "MB", "before them", before, within=10),
    ]
