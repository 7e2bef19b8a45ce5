"""What an answer of the service means: bytes in, checked JSON or the right error out. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .errors import EditFailed, NotUnderstood, WaveSpeedError, quoting, refusal
from .models import Prediction


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status, the seconds of its `Retry-After`, its whole body.

    `keyed` is False where a file host answered: its "no" says nothing about the account.
    """

    status: int
    retry_after: float | None
    content: bytes
    keyed: bool = True
    location: str | None = None
    """Where a redirect points; the API's are never followed, since the key is for it alone."""

    def file(self) -> bytes:
        """The body of a file host's answer. Raises `Refused` for anything but a 2xx."""
        if 200 <= self.status < 300:
            return self.content
        raise refusal(self.status, retry_after=self.retry_after, keyed=self.keyed)

    def data(self) -> dict[str, Any]:
        """What stands in the envelope. Raises `Refused` or `NotUnderstood`."""
        return _mapping(self.envelope().get("data"), "data")

    def envelope(self) -> dict[str, Any]:
        """`{"code", "message", "data"}`: both the HTTP status and `code` must be good, since
        HTTP 200 with another `code` is an error (maker)."""
        try:
            body = self._json()
        except NotUnderstood:
            if self.status >= 400:  # A gateway's page: the status is all there is.
                raise refusal(self.status, retry_after=self.retry_after) from None
            raise
        code, text = _code(body), _words(body)
        if self.status >= 400 or (code != 200 and _is_documented(code)):
            raise refusal(self.status, code=code, text=text, retry_after=self.retry_after)
        if self.status >= 300 or code != 200:
            raise NotUnderstood("code")
        return body

    def prediction(self) -> Prediction:
        """The envelope's task. Raises `Refused` or `NotUnderstood`."""
        return Prediction.from_json(self.envelope())

    def accepted(self) -> Prediction | None:
        """The task, if this answer to a submission names one, whatever else it says.

        A sync submission cut off after 90 s carries code 5004, and a gateway may put a 5xx on an
        answer: an edit that has an id exists and is billed, so the id is all that counts.
        """
        if 300 <= self.status < 500:
            return None
        try:
            return Prediction.from_json(self._json())
        except NotUnderstood as error:
            # What is off besides the id, asking for the result will show.
            known = error.prediction_id
            return Prediction(id=known, status="created") if known else None

    def _json(self) -> dict[str, Any]:
        try:
            return _mapping(json.loads(self.content), "body")
        except (ValueError, RecursionError) as error:
            raise NotUnderstood("body") from error


def number(data: dict[str, Any], *names: str) -> float:
    """The first of the fields that is a number. Raises `NotUnderstood`."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
            return float(value)
    raise NotUnderstood(names[0])


def address(value: object, name: str) -> str:
    """An http(s) URL. Raises `NotUnderstood`, which names the field."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        if parts.scheme in ("http", "https") and parts.hostname:
            return str(value)
    except ValueError:
        pass
    raise NotUnderstood(name)


def failure(prediction: Prediction) -> WaveSpeedError | None:
    """Why a finished task has no picture; None for one that has.

    A failed task is HTTP 200 with code 200; what went wrong stands inside (documented).
    """
    if prediction.status == "completed":
        return None if prediction.outputs else NotUnderstood("outputs")
    error: WaveSpeedError
    if prediction.error_code in _NAMED:
        error = refusal(200, code=prediction.error_code, text=prediction.error)
    else:
        words = prediction.error or ("" if prediction.status == "failed" else prediction.status)
        message = quoting("The edit failed.", words)
        error = EditFailed(message, code=prediction.error_code, prediction_id=prediction.id)
    error.spent = "unknown"  # Refunded within 3 hours (documented), not seen yet.
    return error


_NAMED = {1200, 1407, 5000, 5003}
"""Codes of failed tasks for which there is a type a user can act on; see `errors.refusal`."""


def _mapping(value: object, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise NotUnderstood(name)


def _code(body: dict[str, Any]) -> int:
    code = body.get("code", 200)
    return code if isinstance(code, int) and not isinstance(code, bool) else 200


def _is_documented(code: int) -> bool:
    """Whether a code in an envelope says that the request was refused; an unknown one says
    nothing, least of all that a submission was not taken."""
    return 400 <= code < 600 or 1200 <= code < 1500 or 5000 <= code < 5100


def _words(body: dict[str, Any]) -> str:
    """Error bodies come as {"message"}, {"error"} and nested (documented and seen)."""
    for value in (body.get("error"), body.get("message")):
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.lower() not in ("", "success", "ok"):
            return value
    return ""
