"""kill -9 at any moment: an edit is never lost, and never paid for twice."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from signal import SIGKILL

import pytest
from PIL import Image

from tests.conftest import PHOTOS
from tests.support.service import Service, running
from tests.support.worker import VISITOR, Worker, starter
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.store import Store

AT_ONCE = 4
Starter = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Outcome:
    """What is left after a kill and a new start."""

    runs: list[Run]
    submissions: int
    spent: float


@pytest.fixture(scope="module")
def starters() -> Iterator[SimpleQueue[Starter]]:
    """One for each worker that may live at a time."""
    with ExitStack() as stack:
        free: SimpleQueue[Starter] = SimpleQueue()
        for _ in range(AT_ONCE):
            free.put(stack.enter_context(starter()))
        yield free


@contextmanager
def worker(starters: SimpleQueue[Starter], url: str, data: Path) -> Iterator[Worker]:
    """Starts one; what is left of it in the end is killed."""
    free = starters.get()
    process = Worker(free, url, str(data), str(PHOTOS / "coffee.jpg"))
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        starters.put(free)


def killed_at(
    starters: SimpleQueue[Starter], data: Path, kill: Callable[[Service, Worker], None]
) -> Outcome:
    """Runs an edit, kills its process as `kill` says, starts anew, and waits for the end."""
    service = Service(seconds=0.3)
    with running(service) as url:
        with worker(starters, url, data) as first:
            kill(service, first)
        service.hook = lambda moment: None
        with worker(starters, url, data) as second:
            assert second.wait(30) == 0
    assert service.breaches == []
    store = Store(data / "studio.db")
    try:
        return Outcome(
            store.history(VISITOR), len(service.submissions), store.spent_usd(datetime.now(UTC))
        )
    finally:
        store.close()


def life(starters: SimpleQueue[Starter], data: Path) -> float:
    """Seconds that a worker takes which nobody kills."""
    with running(Service(seconds=0.3)) as url:
        began = time.monotonic()
        with worker(starters, url, data) as process:
            assert process.wait(30) == 0
            return time.monotonic() - began


def check(outcome: Outcome) -> str:
    """The promise, for any moment; the state the run ended in."""
    [run] = outcome.runs
    assert outcome.submissions <= 1, "paid twice"
    assert outcome.spent == pytest.approx(0.02)
    if outcome.submissions == 0:
        # Killed between writing down that it is about to be sent and sending it: only a person may
        # send it again.
        assert run.state == "unknown"
        return run.state
    assert run.state == "done", run.error
    [result] = run.results
    with Image.open(result.path) as picture:
        assert picture.size == (600, 400)
    return run.state


@pytest.mark.parametrize("moment", ["ticket", "put", "submit", "submitted", "result", "download"])
def test_a_kill_at_each_step_of_a_run_ends_in_one_submission_and_the_result(
    starters: SimpleQueue[Starter], tmp_path: Path, moment: str
) -> None:
    def at_the_moment(service: Service, process: Worker) -> None:
        def hook(now: str) -> None:
            if now == moment:
                process.kill()
                process.wait(10)

        service.hook = hook
        assert process.wait(30) != 0, "it was not killed"

    outcome = killed_at(starters, tmp_path, at_the_moment)

    assert check(outcome) == "done"
    assert outcome.submissions == 1


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_nothing_and_pay_nothing_twice(
    starters: SimpleQueue[Starter], tmp_path: Path, kills: int
) -> None:
    chance = random.Random(20260101)
    # Random, but spread over the whole life of a worker, from its first instruction on.
    moments = [(number + chance.random()) / kills for number in range(kills)]
    chance.shuffle(moments)
    lives = [life(starters, tmp_path / "undisturbed")]
    sent: list[bool] = []

    def one(number: int, again: int = 0) -> str:
        data = tmp_path / f"{number}-{again}"
        if again or number % 10 == 0:  # How long a life is depends on what else the machine does.
            lives.append(life(starters, data / "undisturbed"))
        codes: list[int] = []

        def after_a_while(service: Service, process: Worker) -> None:
            time.sleep(moments[number] * lives[-1])
            process.kill()
            codes.append(process.wait(10))
            if codes == [-SIGKILL]:
                sent.append(bool(service.submissions))

        state = check(killed_at(starters, data, after_a_while))
        # Where it was over before its moment came, that was no kill.
        return state if codes == [-SIGKILL] else one(number, again + 1)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        states = list(pool.map(one, range(kills)))

    assert len(sent) == kills
    assert min(sent.count(False), sent.count(True)) > kills * 0.05, "all were killed alike"
    assert states.count("unknown") < max(3, kills * 0.1)
