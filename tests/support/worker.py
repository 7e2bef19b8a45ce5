"""The studio without its page, as a process that can be killed: takes up what is unfinished, starts
one edit where there is none, and ends when all runs are over.

`python -m tests.support.worker` imports everything once and forks such a process for each line it
is told, so that hundreds of them can be started, and killed, in the time of a few starts of Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wavespeed import AsyncClient, Edit, Policies, PollPolicy, RetryPolicy, Timeouts
from wavespeed.studio.runs import executor as module
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store

from .apps import ROOT
from .service import KEY

VISITOR = "visitor-1"
QUICK = Policies(
    Timeouts(deadline=20),
    RetryPolicy(first_delay=0.05, longest_delay=0.2),
    PollPolicy(shortest=0.05, average=0.1, longest=0.1),
)


async def work(base_url: str, data: Path, picture: Path) -> None:
    module.RECOVERY_DELAYS = (0.1, 0.3)
    store = Store(data / "studio.db")
    async with AsyncClient(KEY, base_url=base_url, policies=QUICK) as client:
        runner = Runner(client, store, data, Limits(budget_usd=0.02))
        await runner.resume_unfinished()
        if not store.history(VISITOR):
            runner.start(Edit("make it grey", (picture,)), VISITOR)
        for run_id in list(runner.active_ids()):
            await runner.wait_until_finished(run_id)
        await runner.close()
    store.close()


class Worker:
    """A worker that was started. Until it is waited for, its process id stays its own."""

    def __init__(self, starter: subprocess.Popen[bytes], *told: str) -> None:
        self._starter = starter
        self._code: int | None = None
        self._one_waits = threading.Lock()
        self._is_awaited = False
        self._tell(told)
        self._pid = int(self._hear())

    def kill(self) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """How it ended: 0 for well, -9 for killed. Several threads may wait."""
        with self._one_waits:
            if not self._is_awaited:
                self._is_awaited = True
                self._tell("wait")
            if self._code is None:
                assert select.select([self._starter.stdout], [], [], seconds)[0], "it goes on"
                self._code = int(self._hear())
            return self._code

    def _tell(self, line: object) -> None:
        assert self._starter.stdin is not None
        self._starter.stdin.write(json.dumps(line).encode() + b"\n")

    def _hear(self) -> bytes:
        assert self._starter.stdout is not None
        return self._starter.stdout.readline()


@contextmanager
def starter() -> Iterator[subprocess.Popen[bytes]]:
    """Starts workers, the next when the one before was waited for."""
    # Without a proxy to look up: on a Mac, what looks it up does not bear a fork.
    environment = os.environ | {"NO_PROXY": "*", "no_proxy": "*"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.worker"],
        bufsize=0,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process  # Its input ends after this, and so does it.


def start_workers() -> None:
    """Told a worker's arguments, tells its process id; told to wait, tells how it ended."""
    for line in sys.stdin:
        base_url, data, picture = json.loads(line)
        pid = os.fork()
        if not pid:
            asyncio.run(work(base_url, Path(data), Path(picture)))
            os._exit(0)  # All is written; taking down what was imported would be half its life.
        print(pid, flush=True)  # noqa: T201
        if not sys.stdin.readline():  # Nobody waits any more.
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, flush=True)  # noqa: T201


if __name__ == "__main__":
    start_workers()
