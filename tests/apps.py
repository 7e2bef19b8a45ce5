"""The app as a user starts it: a process of its own, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class App:
    """Where it answers, what it has written to its log, and its process."""

    url: str
    log_file: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")


@contextmanager
def served(
    folder: Path,
    *,
    port: int = 0,
    python: str = sys.executable,
    root: Path = ROOT,
    pause: float = 0.1,
    **settings: str,
) -> Iterator[App]:
    """Runs app.py with its data and Gradio's cache in `folder`; ends it like `kill`. Until it
    answers it is asked again each `pause` seconds."""
    port = port or free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WAVESPEED_")
    }
    environment |= {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "WAVESPEED_DATA_DIR": str(folder / "data"),
        **settings,
    }
    folder.mkdir(exist_ok=True)
    log_file = folder / "app.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [python, "app.py"], cwd=root, env=environment, stdout=log, stderr=log
        )
    app = App(f"http://127.0.0.1:{port}", log_file, process)
    try:
        _wait_for(app, pause)
        yield app
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(app: App, pause: float) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert app.process.poll() is None, app.log()
        try:
            if httpx.get(app.url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(pause)
    raise AssertionError(f"the app did not start:\n{app.log()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
