"""What happens during an edit, in the order in which it does: from `Preparing` to `Finished`.

Each event carries `elapsed`, the seconds since the edit (or the watching) began, so that nothing
above the client needs a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import WaveSpeedError
from .types import Prediction, Preprocessing


@dataclass(frozen=True, slots=True)
class BaseEvent:
    """Something happened."""

    elapsed: float


@dataclass(frozen=True, slots=True)
class PredictionEvent(BaseEvent):
    """Something happened to a task of the service's."""

    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Preparing(BaseEvent):
    """The pictures are being read and converted."""


@dataclass(frozen=True, slots=True)
class Uploading(BaseEvent):
    """All pictures are ready; what was done to each (None for a URL, sent as it is)."""

    preprocessing: tuple[Preprocessing | None, ...]


@dataclass(frozen=True, slots=True)
class Uploaded(BaseEvent):
    """The service can read all pictures, under these addresses."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submitting(BaseEvent):
    """Yielded just before the one request that costs money: it is sent when the next event is
    asked for, so whoever must write something down first can."""


@dataclass(frozen=True, slots=True)
class Submitted(PredictionEvent):
    """The service took the edit and named it."""


@dataclass(frozen=True, slots=True)
class Polled(PredictionEvent):
    """The service was asked, and answered that the edit is under way."""


@dataclass(frozen=True, slots=True)
class Waiting(BaseEvent):
    """A request did not get through; the next try comes in `seconds`. `error` says why."""

    seconds: float
    error: WaveSpeedError


@dataclass(frozen=True, slots=True)
class Completed(PredictionEvent):
    """The service is done; its pictures are fetched next. Comes again where their addresses had to
    be renewed."""


@dataclass(frozen=True, slots=True)
class Downloaded(BaseEvent):
    """The bytes of output `index` of the prediction, untouched."""

    index: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished(PredictionEvent):
    """Everything is here."""


Event = (
    Preparing
    | Uploading
    | Uploaded
    | Submitting
    | Submitted
    | Polled
    | Waiting
    | Completed
    | Downloaded
    | Finished
)
