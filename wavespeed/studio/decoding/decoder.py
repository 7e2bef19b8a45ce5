"""Where pictures are decoded: in a few processes with limits of time and memory.

Pictures come from strangers. One can keep a decoder busy for hours, crash it, or fill the memory
from a few hundred bytes; and a decoder can't be stopped inside a thread. So each picture is opened
in a worker (`worker`), which is killed when it takes too long. How much memory a picture
needs is known when its header is read; one that needs much waits until that much is free, so that
all workers together stay below `MEMORY_BYTES` whatever is sent at once.

Workers are plain subprocesses and not `multiprocessing`'s: those import the main module again,
which is app.py with all of Gradio, and share locks and a pipe, so that killing one can stop all.
They start with the first picture, end when there was none for a while, and end with this process,
however that ends, since then their input does.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar, cast

from wavespeed import Image
from wavespeed.images import convert_file

from .worker import OWN_BYTES, Failed, NeedsMemory, Task, read, write

P = ParamSpec("P")
T = TypeVar("T")

WORKERS = min(4, max(2, os.cpu_count() or 2))
"""At least two, so that one hostile picture does not stop all others."""
MEMORY_BYTES = 1_900_000_000
"""For all workers: two pictures of 90 megapixels, or one of 100 beside ordinary ones. With what
large calls hold meanwhile the process stays below 2.5 GB: with 2.1 it was seen to take 2.54."""
ORDINARY_BYTES = 300_000_000
"""What each task may take without asking: enough for 20 megapixels, and for what a decoder needs
beside the pixels."""
SECONDS = 15.0
"""Of the processor, for one task: four times what 100 megapixels take. A clock would refuse good
pictures on a busy machine; it has the last word all the same, after `PATIENCE` times as
long."""
PATIENCE = 4
START_SECONDS = 60.0
IDLE_SECONDS = 60.0
QUEUE_SECONDS = 300.0
"""The longest that a picture waits for its turn."""
THREADS = 200
"""That wait for pictures, and do nothing else."""
CPU_TIME_IS_UP = getattr(signal, "SIGXCPU", None)
PACKAGES = Path(__file__).parents[3]
PROGRAM = "from wavespeed.studio.decoding.worker import main; main()"
"""Not `-m`: then the module had two names in the worker, and its values could not be pickled."""


class QueueTimeout(TimeoutError):
    """Its turn did not come: the picture itself may be a good one."""


class WorkerDied(RuntimeError):
    """The picture crashed the decoder, or the system had no memory left for it."""


class Closed(RuntimeError):
    """The decoder was closed meanwhile."""


class Decoder:
    """Thread-safe. It starts nothing before it is used, and may be used again once it is closed."""

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        memory_bytes: int = MEMORY_BYTES,
        seconds: float = SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        queue_seconds: float = QUEUE_SECONDS,
    ) -> None:
        self._turns = _Turns(workers, memory_bytes, queue_seconds)
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._idle: list[_Worker] = []  # The last one used is the next one used.
        self._reaper: threading.Timer | None = None

    def run(
        self,
        function: Callable[..., T],
        source: Path | bytes,
        *arguments: object,
        urgent: bool = False,
    ) -> T:
        """What the function makes of a picture (its file, or its bytes) and the arguments.

        Blocking. The function is one of a module's that a worker can import; what goes in and comes
        out is pickled. What is `urgent`, since it was paid for, comes before all others and waits
        as long as it takes. Raises what the function raises, `TimeoutError`, `MemoryError`,
        `WorkerDied` and `Closed`.
        """
        path_or_bytes = source.absolute() if isinstance(source, Path) else source
        task = Task(function, path_or_bytes, arguments, ORDINARY_BYTES, self._seconds)
        answer = self._answer(task, first=urgent, patient=urgent)
        if isinstance(answer, NeedsMemory):  # It had its turn, and goes on as soon as there is.
            task = task._replace(memory_bytes=OWN_BYTES + answer.size_bytes, is_measured=True)
            answer = self._answer(task, first=True, patient=urgent)
        return cast(T, answer)

    def close(self) -> None:
        """Kills all workers, at once; whoever waits for one gets `Closed`."""
        self._turns.close()
        with self._lock:
            workers = list(self._all)
            self._all.clear()
            self._idle.clear()
            if self._reaper is not None:
                self._reaper.cancel()
                self._reaper = None
        for worker in workers:
            worker.end()

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that there are."""
        with self._lock:
            return [worker.process_id for worker in self._all]

    def _answer(self, task: Task, *, first: bool, patient: bool) -> object:
        with self._turns.turn(task.memory_bytes, first=first, patient=patient) as is_closed:
            try:
                with self._borrowed(is_closed) as worker:
                    answer = worker.ask(task)
            except WorkerDied:
                if is_closed():
                    raise Closed from None
                raise
        if isinstance(answer, Failed):
            raise answer.error
        return answer

    @contextmanager
    def _borrowed(self, is_closed: Callable[[], bool]) -> Iterator[_Worker]:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None or not worker.is_alive:
            if worker is not None:
                self._drop(worker)
            worker = _Worker()
            with self._lock:
                self._all.add(worker)
        try:
            worker.wait_until_ready()
            yield worker
        finally:
            if worker.is_alive and not is_closed():
                self._put_back(worker)
            else:
                self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()

    def _put_back(self, worker: _Worker) -> None:
        worker.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(worker)
            self._plan_reaping()

    def _plan_reaping(self) -> None:
        if self._reaper is None and self._idle:
            self._reaper = threading.Timer(self._idle_seconds, self._reap)
            self._reaper.daemon = True
            self._reaper.start()

    def _reap(self) -> None:
        """Ends the workers that had nothing to do for long."""
        oldest = time.monotonic() - self._idle_seconds
        with self._lock:
            self._reaper = None
            ended = [worker for worker in self._idle if worker.idle_since <= oldest]
            self._idle = [worker for worker in self._idle if worker not in ended]
            self._all.difference_update(ended)
            self._plan_reaping()
        for worker in ended:
            worker.end()


class _Turns:
    """Lets tasks begin in their order, so many at once, and so much memory for all of them."""

    def __init__(self, slots: int, memory_bytes: int, seconds: float) -> None:
        self._free_slots = slots
        self._memory_bytes = memory_bytes
        self._free_bytes = memory_bytes
        self._seconds = seconds
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._closings = 0

    @contextmanager
    def turn(
        self, memory_bytes: int, *, first: bool, patient: bool
    ) -> Iterator[Callable[[], bool]]:
        """Waits for it; yields whether it was taken back since, by `close`."""
        memory_bytes = min(memory_bytes, self._memory_bytes)  # More is never free.
        ticket = object()
        with self._changed:
            closings = self._closings

            def is_closed() -> bool:
                return self._closings != closings

            def is_next() -> bool:
                is_free = self._free_slots > 0 and self._free_bytes >= memory_bytes
                return is_closed() or (self._queue[0] is ticket and is_free)

            if first:
                self._queue.appendleft(ticket)
            else:
                self._queue.append(ticket)
            came = self._changed.wait_for(is_next, None if patient else self._seconds)
            self._queue.remove(ticket)
            self._changed.notify_all()
            if is_closed():
                raise Closed
            if not came:
                raise QueueTimeout
            self._free_slots -= 1
            self._free_bytes -= memory_bytes
        try:
            yield is_closed
        finally:
            with self._changed:
                self._free_slots += 1
                self._free_bytes += memory_bytes
                self._changed.notify_all()

    def close(self) -> None:
        """Sends everyone away who waits now."""
        with self._changed:
            self._closings += 1
            self._changed.notify_all()


class _Worker:
    """One process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl+C in a terminal is not for it.
        )
        self._tasks = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        self._is_ready = False
        self.idle_since = 0.0

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Raises `WorkerDied`."""
        if not self._is_ready:
            with suppress(TimeoutError), self._killed_after(START_SECONDS):
                read(self._answers)
                self._is_ready = True
            if not self._is_ready:
                raise WorkerDied("The decoder did not start.")

    def ask(self, task: Task) -> object:
        """Raises `TimeoutError` and `WorkerDied`; the worker is dead then."""
        with self._killed_after(PATIENCE * task.seconds):
            write(self._tasks, task)
            return read(self._answers)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._tasks, self._answers):
            with suppress(OSError):  # What was not written any more.
                pipe.close()

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        is_late = threading.Event()

        def kill() -> None:
            is_late.set()
            self._process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):  # That it has ended by itself says why.
                self._process.wait(1.0)
            self._process.kill()
            self._process.wait()
            if is_late.is_set() or -self._process.returncode == CPU_TIME_IS_UP:
                raise TimeoutError from None
            raise WorkerDied from None
        finally:
            timer.cancel()


def _environment() -> dict[str, str]:
    """A worker needs no keys and no settings, and hostile pictures must not come near them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WAVESPEED_", "HF_"))
    }
    paths = [str(PACKAGES), kept.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        # glibc would keep a picture's memory for the next one; of idle workers that is for nobody.
        "MALLOC_MMAP_THRESHOLD_": "1048576",
    }


shared = Decoder()
"""The one of this process: memory and processors are the process's too."""
atexit.register(shared.close)


async def prepare(path: Path, name: str) -> Image:
    """For `AsyncClient`'s `prepare`."""
    return await in_thread(shared.run, convert_file, path, name)


async def in_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """As `asyncio.to_thread`, in threads of their own: whatever may wait for a picture goes here,
    and the store, which no one may keep waiting, stays there."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), lambda: function(*arguments, **options))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")
