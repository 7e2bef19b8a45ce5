"""The process that decodes pictures: one task after another from its input, answers to its output.

It knows nothing of the page and imports neither Gradio nor app.py: it is started often, has to be
small, and may be killed at any moment, since a hostile picture can keep a decoder busy for hours.
`decoder` starts it and talks to it; the two share the values and `write` and `read`.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

OWN_BYTES = 120_000_000
"""Of a task's memory: what a worker takes beside the picture."""


class Task(NamedTuple):
    """A function for a picture, its file or its bytes, and the memory and processor time that it
    may take."""

    function: Callable[..., Any]
    source: Path | bytes
    arguments: tuple[Any, ...]
    memory_bytes: int
    seconds: float
    is_measured: bool = False


class NeedsMemory(NamedTuple):
    """The answer to a task that was not begun: its picture needs more than it may take."""

    size_bytes: int


class Failed(NamedTuple):
    """The answer to a task that raised."""

    error: Exception


def write(pipe: BinaryIO, message: object) -> None:
    data = pickle.dumps(message, protocol=5)
    pipe.write(struct.pack(">Q", len(data)))
    pipe.write(data)
    pipe.flush()


def read(pipe: BinaryIO) -> Any:
    """Raises `EOFError` where the other side is gone."""
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    (length,) = struct.unpack(">Q", head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    """Works until its input ends, as it does when the process that started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the other process to act on.
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints is no answer.
    # Imported before it says that it is ready, so that no task pays for it.
    from . import thumbnails  # noqa: F401

    try:
        write(answers, None)
        while True:
            write(answers, _answer(read(tasks)))
    except (EOFError, OSError):
        return


def _answer(task: Task) -> object:
    from .thumbnails import memory_needed

    _limit(task)
    try:
        if not task.is_measured:
            needed = memory_needed(task.source)
            if needed > task.memory_bytes - OWN_BYTES:
                return NeedsMemory(needed)
        return task.function(task.source, *task.arguments)
    except Exception as error:  # noqa: BLE001 - Pillow names no closed set of what it raises
        return Failed(error if _can_travel(error) else ValueError(str(error)))


def _can_travel(error: Exception) -> bool:
    """An exception may hold anything, and may not be made again of what it holds."""
    try:
        return isinstance(pickle.loads(pickle.dumps(error)), Exception)
    except Exception:  # noqa: BLE001 - whatever its class does
        return False


def _limit(task: Task) -> None:
    """What a file claims decides how much is reserved for it: one that lies meets `MemoryError`.
    And a task ends when it has had its processor time, also where the process that would kill it
    was killed itself.

    Only where the system has such limits; Linux has both, Windows none.
    """
    try:
        import resource
    except ImportError:
        return
    if sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (task.memory_bytes, most))
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = int(time.process_time() + task.seconds) + 1
    if most != resource.RLIM_INFINITY:
        seconds = min(seconds, most)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, most))
