"""Runs as tests of the runner meet them: two visitors, a step to wait for, a new process."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from wavespeed import AsyncClient
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store

ME, YOU = "visitor-1", "visitor-2"
LONG_ENOUGH = (1.0, 1.0)
"""Seconds of a task that is to be met while it is under way, on a busy machine too."""


async def until(runner: Runner, run: Run, step: str) -> Run:
    """The run once it is in the step."""
    async with aclosing(runner.runs.watch(run.id)) as runs:
        async for now in runs:
            if now.step == step:
                return now
    raise AssertionError(f"it ended before {step}")


async def arrived(sandbox: Sandbox, operation: str) -> None:
    """Returns once the service has got such a call."""
    for _ in range(3000):
        if sandbox.calls(operation):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"there was no {operation}")


async def restarted(runner: Runner, client: AsyncClient, store: Store, folder: Path) -> Runner:
    """A new process over the same data folder, as far as the runs can tell."""
    await runner.close()
    again = Runner(client, store, folder)
    await again.resume_unfinished()
    return again
