"""The app as a user starts it: a process of its own, on a free port."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from wavespeed import Policies, PollPolicy

HANDOVER = 20.0
QUICK = Policies(poll=PollPolicy(shortest=0.2, average=0.2))
"""It asks the service more often than it should: nothing is learned from waiting for an answer."""
ROOT = Path(__file__).parent.parent.parent
PHOTOS = ROOT / "wavespeed" / "studio" / "ui" / "static" / "photos"
# A start takes seconds, nearly all of it for imports: most tests get a fork of a process that has
# them done, and has not read any setting yet.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["app"])


@dataclass(frozen=True)
class App:
    """Where it answers, what it has written to its log, and its process."""

    url: str
    log_file: Path
    process: subprocess.Popen[bytes] | BaseProcess

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """As `kill -9` does; returns once it is dead."""
        self.process.kill()
        self.wait()

    def wait(self) -> None:
        if isinstance(self.process, BaseProcess):
            self.process.join(20)
        else:
            self.process.wait(20)

    @property
    def is_alive(self) -> bool:
        if isinstance(self.process, BaseProcess):
            return self.process.is_alive()
        return self.process.poll() is None


@contextmanager
def served(
    folder: Path,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    python: str | None = None,
    root: Path = ROOT,
    pause: float = 0.1,
    **settings: str,
) -> Iterator[App]:
    """Runs the app with its data and Gradio's cache in `folder`, as `app.py` of this or another
    checkout where a `python` is named; ends it like `kill`. Until it answers at `host` it is asked
    again each `pause` seconds."""
    port = port or free_port()
    environment = _environment(folder, port) | settings
    folder.mkdir(exist_ok=True)
    log_file = folder / "app.log"
    process: subprocess.Popen[bytes] | BaseProcess
    if python is None:
        process = _FORKS.Process(target=_run, args=(environment, str(log_file), HANDOVER))
        process.start()
    else:
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [python, "app.py"], cwd=root, env=environment, stdout=log, stderr=log
            )
    app = App(f"http://{host}:{port}", log_file, process)
    try:
        _wait_for(app, pause)
        yield app
    finally:
        process.terminate()
        app.wait()


def refused(folder: Path, *, handover: float = 0.1, **settings: str) -> str:
    """What a start says that ends at once; `handover`: how long it waits for another process to
    leave the data folder. A fork: it has Gradio imported, so it is not for what ends before."""
    log_file = folder / "app.log"
    environment = _environment(folder, free_port()) | settings
    process = _FORKS.Process(target=_run, args=(environment, str(log_file), handover))
    process.start()
    process.join(120)
    process.kill()
    assert process.exitcode == 1
    return log_file.read_text(encoding="utf-8")


def _environment(folder: Path, port: int) -> dict[str, str]:
    """This process's, without what would make the app another than the one that is meant."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WAVESPEED_")}
    return ours | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "WAVESPEED_DATA_DIR": str(folder / "data"),
        "WAVESPEED_SANDBOX_SECONDS": "0.1-0.3",
    }


def _run(environment: dict[str, str], log_file: str, handover: float) -> None:
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    app = importlib.import_module("app")
    with suppress(KeyboardInterrupt):
        app.main(app.from_environment(os.environ), handover, QUICK)


def _wait_for(app: App, pause: float) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert app.is_alive, app.log()
        try:
            if httpx.get(app.url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(pause)
    raise AssertionError(f"the app did not start:\n{app.log()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
