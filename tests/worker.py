"""The studio without its page, as a process that can be killed: takes up what is unfinished, starts
one edit where there is none, and ends when all runs are over.

`python -m tests.worker BASE_URL DATA_FOLDER PICTURE`
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wavespeed import AsyncClient, Edit, Pace
from wavespeed.studio import driver as module
from wavespeed.studio.driver import Limits
from wavespeed.studio.runner import Runner
from wavespeed.studio.store import Store

from .service import KEY

VISITOR = "visitor-1"
QUICK = Pace(deadline=20, shortest=0.05, longest=0.1, first_retry=0.05, longest_retry=0.2)


async def work(base_url: str, data: Path, picture: Path) -> None:
    module.LOOKS = (0.1, 0.3)
    store = Store(data / "studio.db")
    async with AsyncClient(KEY, base_url=base_url, pace=QUICK) as client:
        runner = Runner(client, store, data, Limits(budget_usd=0.02))
        await runner.take_up()
        if not store.history(VISITOR):
            runner.start(Edit("make it grey", (picture,)), VISITOR)
        for run_id in list(runner.live()):
            await runner.finished(run_id)
        await runner.close()
    store.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
