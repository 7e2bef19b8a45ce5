"""Run: all that is known of one edit, and how each event changes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_never

from wavespeed import PRICE_USD, Edit, Prediction, Preprocessing, WaveSpeedError
from wavespeed.errors import InvalidEdit, Spent
from wavespeed.events import (
    BaseEvent,
    Completed,
    Downloaded,
    Event,
    Finished,
    Polled,
    PredictionEvent,
    Preparing,
    Submitted,
    Submitting,
    Uploaded,
    Uploading,
    Waiting,
)

Step = Literal["prepare", "upload", "queue", "process", "save"]
STEPS: tuple[Step, ...] = ("prepare", "upload", "queue", "process", "save")
State = Literal["running", "done", "failed", "stopped", "unknown"]
"""`unknown`: it may have been accepted, and nobody can tell; only a person may send it again."""


VISITORS = "visitor"
"""The account of runs under a visitor's own key; nobody knows whether two of them are the same."""
SCRIPTS = "scripts"
"""The visitor that all callers of the API are."""


@dataclass(frozen=True, slots=True)
class RunError:
    """An error as a value, which outlives the process: its stable code, and what it knew."""

    code: str
    message: str
    spent: Spent = "no"
    prediction_id: str | None = None
    status: int | None = None
    service_code: int | None = None
    field: str | None = None
    """Which field of the page is at fault: "prompt", "images"."""

    @classmethod
    def of(cls, error: WaveSpeedError) -> RunError:
        return cls(
            error.code,
            str(error),
            error.spent,
            error.prediction_id,
            getattr(error, "status", None),
            getattr(error, "service_code", None),
            error.field if isinstance(error, InvalidEdit) else None,
        )


@dataclass(frozen=True, slots=True)
class RetryWait:
    """A request did not get through; the next try comes in `seconds`."""

    seconds: float
    error: RunError


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A picture that was saved and checked by decoding it; `nsfw` None: not checked. Where
    `nsfw_unclear`, the service said something of it that nobody can read, and it counts as flagged.

    `blur_placeholder` is a data URI with a few pixels of it: its colours, and nothing to recognise.
    """

    path: Path
    format: str
    width: int
    height: int
    size_bytes: int
    blur_placeholder: str
    nsfw: bool | None
    nsfw_unclear: bool = False
    sha256: str = ""
    """Of the file; empty of a result of an earlier version."""

    @property
    def name(self) -> str:
        """What people call its file."""
        return public_name(self.path)


@dataclass(frozen=True, slots=True)
class Saved(BaseEvent):
    """An output lies on the disk."""

    result: OutputFile


@dataclass(frozen=True, slots=True)
class Failed(BaseEvent):
    """The edit ended in an error."""

    error: WaveSpeedError


@dataclass(frozen=True, slots=True)
class Stopped(BaseEvent):
    """Someone stopped the edit before anything was sent that costs money."""


@dataclass(frozen=True, slots=True)
class AwaitingSlot(BaseEvent):
    """As many of its group are under way as the account allows at once; it waits."""


@dataclass(frozen=True, slots=True)
class RecoveryStarted(BaseEvent):
    """A submission's answer was lost; the service's list is looked through in `seconds`. Unlike
    after a `Waiting`, the submission itself may well have been accepted."""

    seconds: float
    error: WaveSpeedError


@dataclass(frozen=True, slots=True)
class Recovered(PredictionEvent):
    """A submission whose answer was lost turned up in the service's list."""


@dataclass(frozen=True, slots=True)
class OutcomeUnknown(BaseEvent):
    """A submission whose answer was lost, and nobody can tell what became of it."""

    error: WaveSpeedError


RunEvent = (
    Event | Saved | Failed | Stopped | AwaitingSlot | RecoveryStarted | Recovered | OutcomeUnknown
)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds; they add up to `total`. None: not reached, or not told by the service.

    `queue` is all the time at the service that was not inference, up to the moment its end was
    noticed; without a word on inference it is all of the time there.
    """

    prepare: float | None = None
    upload: float | None = None
    queue: float | None = None
    inference: float | None = None
    download: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One edit from the press of the button to its end. Times in seconds since its start."""

    id: str
    visitor_id: str
    edit: Edit | None
    """None: made elsewhere, and fetched by the prediction's id."""
    started_at: datetime
    uses_visitor_key: bool = False
    """It runs under a key of the visitor's, which nothing remembers."""
    payer: str = ""
    """Who was asked and pays: the service by its address, or `VISITORS`."""
    price_usd: float | None = PRICE_USD
    """What the edit costs, as it was shown before it began; None where nobody knew."""
    press_id: str = ""
    """The id of the press that began it, made in the browser: one press begins its edits once."""
    group_id: str = ""
    """The id that the variants of one edit share; by default its own."""
    position: int = 0
    """Its place in the group."""
    batch: bool = False
    """Its group are different pictures with the same words, not variants of one edit."""
    attempt: int = 0
    """How often its place in the group was tried before."""
    parent_id: str | None = None
    """The run whose result is the picture that this one edits."""
    awaiting_slot: bool = False
    """It waits for a place: the account allows so many at once."""
    state: State = "running"
    step: Step = "prepare"
    elapsed: float = 0.0
    """When the last event happened."""
    step_started: tuple[tuple[Step, float], ...] = ()
    """When each step so far began."""
    preprocessing: tuple[Preprocessing | None, ...] = ()
    urls: tuple[str, ...] = ()
    """Where the service reads the pictures, for 7 days."""
    in_flight: bool = False
    """A request that costs money may be on its way, or was accepted: it can't be taken back."""
    sent_at: float | None = None
    """When the submission was sent last."""
    waiting: RetryWait | None = None
    prediction: Prediction | None = None
    results: tuple[OutputFile, ...] = ()
    error: RunError | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "group_id", self.group_id or self.id)

    @property
    def is_finished(self) -> bool:
        return self.state != "running"

    @property
    def prompt(self) -> str:
        """Empty where nobody knows it."""
        return self.edit.prompt if self.edit else ""

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The files among what was given to it, in order."""
        images = self.edit.images if self.edit else ()
        return tuple(image for image in images if isinstance(image, Path))

    @property
    def model(self) -> str:
        """The model that makes it: as the service says, else the one that was asked; empty where
        nobody knows."""
        named_by_service = self.prediction.model if self.prediction else ""
        return named_by_service or (self.edit.model if self.edit else "")

    @property
    def cost_usd(self) -> float | None:
        """What it costs unless the service refunds it, None where nobody knows; nothing for what
        was only fetched."""
        return self.price_usd if self.edit and self.spent != "no" else 0.0

    def apply(self, event: RunEvent) -> Run:  # noqa: C901 - flat: a line or two an event
        """The run as it is once `event` happened."""
        run = replace(
            self,
            state="running",
            elapsed=event.elapsed,
            waiting=None,
            error=None,
            awaiting_slot=False,
        )
        match event:
            case Preparing():
                return run._enter_step("prepare")
            case Uploading(preprocessing=changes):
                return replace(run._enter_step("upload"), preprocessing=changes)
            case Uploaded(urls=urls):
                return replace(run, urls=urls)
            case Submitting():
                return replace(run._enter_step("queue"), in_flight=True, sent_at=event.elapsed)
            case (
                Submitted(prediction=prediction)
                | Polled(prediction=prediction)
                | Recovered(prediction=prediction)
            ):
                return run._at_service(prediction)
            case Waiting():
                # Before there is an id, a wait means that the last try certainly created nothing.
                pause = RetryWait(event.seconds, RunError.of(event.error))
                return replace(run, waiting=pause, in_flight=self.prediction is not None)
            case RecoveryStarted():
                pause = RetryWait(event.seconds, RunError.of(event.error))
                return replace(run, waiting=pause, in_flight=True)
            case Completed(prediction=prediction):
                return run._at_service(prediction)._enter_step("save")
            case Downloaded():
                return run
            case Saved(result=result):
                return replace(run, results=(*run.results, result))
            case Finished():
                return replace(run, state="done")
            case Failed(error=error):
                return replace(run, state="failed", error=RunError.of(error), in_flight=False)
            case OutcomeUnknown(error=error):
                return replace(run, state="unknown", error=RunError.of(error), in_flight=True)
            case Stopped():
                return replace(run, state="stopped", in_flight=False)
            case AwaitingSlot():
                return replace(run._enter_step("prepare"), awaiting_slot=True)
            case _:
                assert_never(event)

    def _enter_step(self, step: Step) -> Run:
        """The step begins; one that is begun already goes on (a submission tried again)."""
        if step in dict(self.step_started):
            return self
        return replace(self, step=step, step_started=(*self.step_started, (step, self.elapsed)))

    def _at_service(self, prediction: Prediction) -> Run:
        # The pictures themselves are on the disk or on their way there, not kept in memory.
        outputs = tuple(replace(output, content=None) for output in prediction.outputs)
        run = replace(self, prediction=replace(prediction, outputs=outputs), in_flight=True)
        queued = prediction.status in ("created", "pending", "queued")
        return run if queued else run._enter_step("queue")._enter_step("process")

    @property
    def spent(self) -> Spent:
        """Whether money was spent on it, as far as anyone can tell now."""
        if self.error is not None:
            return self.error.spent
        if self.prediction is not None:
            return "yes"
        return "unknown" if self.in_flight else "no"

    @property
    def timings(self) -> Timings:
        """Where the time went, as far as it is known."""
        began = dict(self.step_started)
        save, total = began.get("save"), self.elapsed if self.is_finished else None
        inference = self.prediction.inference if self.prediction and save is not None else None
        service = _between(began.get("queue"), save)
        if service is not None and inference is not None:
            # The service's clock is not ours: what it measured can't exceed what we waited.
            inference = min(inference, service)
        return Timings(
            prepare=_between(began.get("prepare"), began.get("upload")),
            upload=_between(began.get("upload"), began.get("queue")),
            queue=None if service is None else service - (inference or 0.0),
            inference=inference,
            download=_between(save, total),
            total=total,
        )


def output_details(run: Run) -> dict[str, Any]:
    """A finished run for scripts: JSON, times in whole milliseconds, None where nobody knows."""
    prediction, timings = run.prediction, run.timings
    return {
        "id": prediction.id if prediction else None,
        "model": run.model or None,
        "status": prediction.status if prediction else None,
        "created_at": prediction.created_at.isoformat()
        if prediction and prediction.created_at
        else None,
        "error": run.error.message if run.error else "",
        "outputs": [
            {
                "nsfw": result.nsfw,
                "width": result.width,
                "height": result.height,
                "size_bytes": result.size_bytes,
            }
            for result in run.results
        ],
        "timings_ms": {
            name: None if value is None else round(value * 1000)
            for name, value in asdict(timings).items()
        },
        "cost_usd": run.cost_usd if run.state == "done" else None,
    }


def total_usd(usd: Iterable[float | None]) -> float | None:
    """The sum, or None where a part of it is not known."""
    known = list(usd)
    return None if None in known else sum(price for price in known if price is not None)


def public_name(path: Path) -> str:
    """A file's name without the digits that keep the path of a result from being guessed."""
    return re.sub(r"(?<=-\d)-[0-9a-f]{16}(?=\.\w+$)", "", path.name)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
