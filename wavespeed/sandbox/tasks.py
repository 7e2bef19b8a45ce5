"""What the sandbox does, without the wire: tasks, money and uploads.

A task is a timeline. Its moments are drawn when it is submitted, and from then on its status is a
function of its age: no thread and no timer belongs to it. Only its picture is worked out in the
background, once. Memory is bounded by the constants below: the oldest task goes first, with its
output, and so does the oldest upload, as at the service after seven days.
"""

import math
import random
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from wavespeed.sandbox.imaging.pipeline import Unreadable, edit, fetch

from .faults import OPERATIONS, Call, Fault

MODEL = "openai/gpt-image-1-mini/edit"
PRICE_CENTS = 2
ACCOUNT_CENTS = 1000
SLOW_SECONDS = 20.0
RATE_LIMITED_TIMES = 2
RETRY_AFTER = "2"
KEEP_TASKS = 500
KEEP_OUTPUT_BYTES = 256 * 1024 * 1024
KEEP_CALLS = 5000
KEEP_UPLOADS = 500
KEEP_UPLOAD_BYTES = 128 * 1024 * 1024

Status = Literal["created", "processing", "completed", "failed"]

REFUSED_PROMPTS = {
    "[[moderated]]": (400, 1200, "The prompt was refused by content moderation."),
    "[[nocredit]]": (402, 1407, "Insufficient credit balance. Top up your account."),
    "[[outage]]": (503, 5003, "The service is unavailable. Try again later."),
}


class Refusal(Exception):
    """A request is answered with an HTTP error. `code` is the one in the body."""

    def __init__(
        self, status: int, code: int, message: str, *, retry_after: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task ended without a picture: `data.code` and `data.error`."""

    code: int
    error: str


@dataclass(frozen=True, slots=True)
class Task:
    """A submission. The three moments are seconds of the sandbox's clock."""

    id: str
    created: float
    begins: float
    ends: float
    base64: bool
    nsfw: bool
    outcome: Future[bytes | Failure]

    def status(self, now: float) -> Status:
        """What one sees at `now`. A task past its end waits for its picture, if need be."""
        if now < self.begins:
            return "created"
        if now < self.ends or not self.outcome.done():
            return "processing"
        return "failed" if isinstance(self.outcome.result(), Failure) else "completed"

    def picture(self) -> bytes:
        """The PNG, empty while there is none."""
        outcome = self.outcome.result() if self.outcome.done() else b""
        return outcome if isinstance(outcome, bytes) else b""


@dataclass(slots=True)
class Upload:
    """A file, or the ticket for one as long as `content` is None."""

    content_type: str
    content: bytes | None = None

    @property
    def size(self) -> int:
        return len(self.content or b"")


class Sandbox:
    """WaveSpeed in memory: one account, one `model`, whichever, and simple filters instead of it.

    `seconds` is the range a task's life is drawn from, with `seed`; `sync_limit` how long a
    submission in sync mode is held open; `clock` gives Unix seconds. `serve` puts it on a socket.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        seconds: tuple[float, float] = (1.0, 3.0),
        sync_limit: float = 90.0,
        clock: Callable[[], float] = time.time,
        model: str = MODEL,
    ) -> None:
        self.model = model
        self.seconds = seconds
        self.sync_limit = sync_limit
        self.clock = clock
        self.file_host = ""
        self.tasks: dict[str, Task] = {}
        self.uploads: dict[str, Upload] = {}
        self._faults: dict[str, deque[Fault]] = {name: deque() for name in OPERATIONS}
        self._journal: deque[Call] = deque(maxlen=KEEP_CALLS)
        self._random = random.Random(seed)
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sandbox")
        self._rate_limited: Counter[str] = Counter()
        self._spent_cents = 0  # By tasks that are forgotten; the others are counted when asked.

    # For tests, from any thread: all of this is made of atomic operations on deques.

    def fail(self, operation: str, *, times: int = 1, **fault: Any) -> None:
        """The next `times` calls of `operation` meet a `Fault` with these fields.

        Raises ValueError for an operation that does not exist, TypeError for such a field.
        """
        self.faults(operation).extend([Fault(**fault)] * times)

    def faults(self, operation: str) -> deque[Fault]:
        """The queue of faults that wait for `operation`."""
        return self._faults[_known(operation)]

    @property
    def unmet(self) -> list[tuple[str, Fault]]:
        """Faults that no call has met yet, each with its operation. A good test leaves none."""
        return [(name, fault) for name, queue in self._faults.items() for fault in list(queue)]

    def calls(self, operation: str | None = None) -> list[Call]:
        """The journal, oldest first; of one operation, or of all."""
        if operation is None:
            return list(self._journal)
        return [call for call in list(self._journal) if call.operation == _known(operation)]

    # For the wire

    def meet(self, call: Call) -> Fault | None:
        """Puts a call into the journal, and hands out the fault that waits for it."""
        self._journal.append(call)
        queue = self._faults[call.operation]
        return queue.popleft() if queue else None

    def submit(self, prompt: str, images: Sequence[str], *, base64: bool) -> Task:
        """Takes an edit and charges for it. Raises `Refusal` where the prompt asks for that."""
        self._refuse_if_asked(prompt)
        now = self.clock()
        queue, total = self._durations(prompt)
        task = Task(
            id=secrets.token_hex(16),  # Not seeded: an id must not come back after a restart.
            created=now,
            begins=now + queue,
            ends=now + total,
            base64=base64,
            nsfw="[[nsfw]]" in prompt,
            outcome=self._workers.submit(_work, prompt, [self._own(url) for url in images]),
        )
        self.tasks[task.id] = task
        self._trim()
        return task

    def forget(self, ids: Iterable[str]) -> int:
        """Deletes tasks with their outputs. Returns how many there were."""
        now = self.clock()
        gone = [task for id_ in ids if (task := self.tasks.pop(id_, None))]
        self._spent_cents += sum(_cost_cents(task, now) for task in gone)
        return len(gone)

    def balance(self) -> float:
        """USD. A failed task gives back its price, and the account tops itself up, so that a long
        demo never runs dry: after 0.02 comes 10.00."""
        now = self.clock()
        spent = self._spent_cents + sum(
            _cost_cents(task, now) for task in list(self.tasks.values())
        )
        return (ACCOUNT_CENTS - spent % ACCOUNT_CENTS) / 100

    def add_upload(self, upload: Upload) -> str:
        """Keeps it, and returns the name it is served under."""
        suffix = {"image/jpeg": ".jpg", "image/png": ".png"}.get(upload.content_type, ".bin")
        name = secrets.token_hex(12) + suffix
        self.uploads[name] = upload
        self._trim()
        return name

    def fill(self, upload: Upload, content: bytes) -> None:
        """What a ticket was for has come."""
        upload.content = content
        self._trim()

    def check_model(self, model: object) -> None:
        """Raises `Refusal` for any other one, in the words that were seen at the service."""
        if model != self.model:
            raise Refusal(400, 400, "model not found")

    def _refuse_if_asked(self, prompt: str) -> None:
        for words, refusal in REFUSED_PROMPTS.items():
            if words in prompt:
                raise Refusal(*refusal)
        if "[[ratelimit]]" in prompt:
            if len(self._rate_limited) > KEEP_TASKS:
                self._rate_limited.clear()
            self._rate_limited[prompt] += 1
            if self._rate_limited[prompt] <= RATE_LIMITED_TIMES:
                raise Refusal(429, 429, "Too many requests.", retry_after=RETRY_AFTER)
            del self._rate_limited[prompt]  # The next one to try it sees the same.

    def _durations(self, prompt: str) -> tuple[float, float]:
        """Seconds in the queue, and until the end: most are short, a few are long."""
        low, high = self.seconds
        share = min(1.0, 0.35 * self._random.lognormvariate(0.0, 0.5))
        total = low + share * (high - low)
        queue = total * self._random.uniform(0.1, 0.25)
        if "[[slow]]" in prompt:
            total = SLOW_SECONDS
        if "[[stuck]]" in prompt:
            total = math.inf
        return queue, total

    def _own(self, url: str) -> bytes | str:
        """An upload's bytes, so that it need not be fetched from ourselves; else the URL."""
        host, _, name = url.rpartition("/uploads/")
        upload = self.uploads.get(name) if host == self.file_host else None
        return url if upload is None or upload.content is None else upload.content

    def _trim(self) -> None:
        outputs = sum(len(task.picture()) for task in self.tasks.values())
        while len(self.tasks) > KEEP_TASKS or outputs > KEEP_OUTPUT_BYTES:
            oldest = next(iter(self.tasks.values()))
            outputs -= len(oldest.picture())
            self.forget([oldest.id])
        uploads = sum(upload.size for upload in self.uploads.values())
        while len(self.uploads) > KEEP_UPLOADS or uploads > KEEP_UPLOAD_BYTES:
            uploads -= self.uploads.pop(next(iter(self.uploads))).size


def _known(operation: str) -> str:
    """A misspelt operation would make a test pass that tests nothing."""
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is none of {', '.join(OPERATIONS)}")
    return operation


def _cost_cents(task: Task, now: float) -> int:
    return 0 if task.status(now) == "failed" else PRICE_CENTS


def _work(prompt: str, images: Sequence[bytes | str]) -> bytes | Failure:
    """Runs in a worker thread. Never raises: what goes wrong is how the task ends."""
    if "[[fail]]" in prompt:
        return Failure(1405, "The model returned an error while making the picture.")
    try:
        return edit(prompt, [fetch(it) if isinstance(it, str) else it for it in images])
    except Unreadable as error:
        return Failure(1402, f"Media access failed: {error}")
    except Exception as error:  # noqa: BLE001 - a mistake of ours is a failed task, not a hung one
        return Failure(5000, f"Internal error: {type(error).__name__}")
