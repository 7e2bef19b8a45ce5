"""What a test says to the sandbox, and what it hears from it: faults, and calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OPERATIONS = (
    *("submit", "result", "delete", "recent"),
    *("ticket", "put", "upload", "download"),
    *("balance", "price", "models", "webhook_secret"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, once. What is not said happens as usual.

    `status`, `headers` and `body` replace the answer: a dict is sent as JSON, bytes as a page of
    HTML, and a status alone brings the body that the service documents for it. `data` replaces
    only those fields in the `data` of the usual answer. `delay` seconds pass before the answer.
    `cut` announces the whole body and closes the socket after that many bytes; `drop`
    closes it without an answer. `processed` says whether the request takes effect all the same; by
    default it does, unless the fault answers with a status of 400 or more.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    data: Mapping[str, object] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    drop: bool = False
    processed: bool | None = None

    def __post_init__(self) -> None:
        changes = (self.status, self.body, self.cut)
        if all(change is None for change in changes) and not (self.data or self.delay or self.drop):
            raise ValueError("This fault does nothing.")

    @property
    def takes_effect(self) -> bool:
        if self.processed is not None:
            return self.processed
        return self.status is None or self.status < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it came in. `headers` has lower-case keys; `body` is the parsed JSON, if any;
    `elapsed` is the sandbox's clock, in seconds."""

    operation: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    at: float

    @property
    def host(self) -> str:
        """Host and port the request was sent to: the API's, or the file host's."""
        return self.headers.get("host", "")
