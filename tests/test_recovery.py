"""kill -9 at any moment: an edit is never lost, and never paid for twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from tests.apps import ROOT
from tests.conftest import PHOTOS
from tests.service import Service, running
from tests.worker import VISITOR
from wavespeed.studio.run import Run
from wavespeed.studio.store import Store

MOMENTS = 100


@dataclass(frozen=True)
class Outcome:
    """What is left after a kill and a new start."""

    runs: list[Run]
    submissions: int
    spent: float


def worker(url: str, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.worker", url, str(data), str(PHOTOS / "coffee.jpg")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def killed_at(data: Path, kill: Callable[[Service, subprocess.Popen[bytes]], None]) -> Outcome:
    """Runs an edit, kills its process as `kill` says, starts anew, and waits for the end."""
    service = Service(seconds=0.3)
    with running(service) as url:
        first = worker(url, data)
        try:
            kill(service, first)
        finally:
            first.kill()
            first.wait(10)
        service.hook = lambda moment: None
        second = worker(url, data)
        assert second.wait(30) == 0
    assert service.breaches == []
    store = Store(data / "studio.db")
    try:
        return Outcome(
            store.history(VISITOR), len(service.submissions), store.spent(datetime.now(UTC))
        )
    finally:
        store.close()


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
    tmp_path: Path, moment: str
) -> None:
    def at_the_moment(service: Service, process: subprocess.Popen[bytes]) -> None:
        def hook(now: str) -> None:
            if now == moment:
                process.kill()
                process.wait(10)

        service.hook = hook
        assert process.wait(30) != 0, "it was not killed"

    outcome = killed_at(tmp_path, at_the_moment)

    assert check(outcome) == "done"
    assert outcome.submissions == 1


def test_a_hundred_kills_at_random_moments_lose_nothing_and_pay_nothing_twice(
    tmp_path: Path,
) -> None:
    chance = random.Random(20260101)
    moments = [chance.uniform(0.0, 1.2) for _ in range(MOMENTS)]

    def one(number: int) -> str:
        def after_a_while(service: Service, process: subprocess.Popen[bytes]) -> None:
            began = time.monotonic()
            # From the first sign of life on, so that a slow start of Python is not what is tested.
            while not (tmp_path / str(number) / "studio.db").exists():
                assert time.monotonic() - began < 30
                time.sleep(0.005)
            time.sleep(moments[number])

        return check(killed_at(tmp_path / str(number), after_a_while))

    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(one, range(MOMENTS)))

    assert states.count("done") > MOMENTS * 0.9
