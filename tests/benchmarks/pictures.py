"""Four photos of 12 megapixels, until they are ready to send; and the event loop meanwhile."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.table import Row
from tests.conftest import PHOTOS
from wavespeed import AsyncClient, Edit
from wavespeed.events import Uploading
from wavespeed.studio.decoding import decoder

from . import service

SIZE = (4032, 3024)
RUNS = 5
TICK = 0.005
"""Seconds between two looks at the clock."""


def photo(number: int, folder: Path) -> Path:
    """As a phone makes it: grain, turned by EXIF, and it knows where it was taken."""
    names = ("astronaut", "chelsea", "coffee", "rocket")
    with Image.open(PHOTOS / f"{names[number]}.jpg") as small:
        large = np.asarray(small.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC))
    grain = np.random.default_rng(number).normal(0, 4, large.shape)
    picture = Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    file = folder / f"photo-{number}.jpg"
    picture.save(file, quality=92, exif=exif)
    return file


def naive(files: list[Path]) -> float:
    """One after another, on the event loop: turned, and encoded again."""
    began = time.perf_counter()
    for file in files:
        with Image.open(file) as picture:
            upright = picture.transpose(Image.Transpose.ROTATE_270)
            upright.save(file.with_suffix(".out"), "JPEG", quality=92)
    return time.perf_counter() - began


async def ready(files: list[Path], url: str) -> tuple[float, float]:
    """Seconds until all are ready to send, and the longest that the loop stood still."""
    longest, stop = 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal longest
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            longest = max(longest, time.perf_counter() - before - TICK)

    ticking = asyncio.create_task(tick())
    async with AsyncClient(service.KEY, base_url=url, prepare=decoder.prepare) as client:
        events = client.edit(Edit("warm", tuple(files)))
        began = time.perf_counter()
        async for event in events:
            if isinstance(event, Uploading):
                break
        took = time.perf_counter() - began
        with suppress(RuntimeError):
            await events.aclose()
    stop.set()
    await ticking
    return took, longest


def measure(folder: Path) -> list[Row]:
    files = [photo(number, folder) for number in range(4)]
    with service.running(1) as url:
        runs = [asyncio.run(ready(files, url)) for _ in range(RUNS)]
    took = statistics.median(took for took, _ in runs)
    stalled = max(longest for _, longest in runs)  # Never is never.
    one_by_one = statistics.median(naive(files) for _ in range(RUNS))
    return [
        Row("four 12-megapixel photos, ready to send", took, "s", "one by one", one_by_one, 1.0),
        Row("the event loop stood still meanwhile", stalled * 1000, "ms", within=50),
    ]
