"""What an answer of the service means: bytes in, checked JSON or the right error out. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from ._error_text import error_text, plain_text
from .errors import (
    ApiError,
    EditFailed,
    InvalidResponse,
    MissingOutputs,
    WaveSpeedError,
    error_from_response,
    with_service_words,
)
from .types import Prediction


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An HTTP answer: its status, the seconds of its `Retry-After`, its whole body.

    `is_keyed` is False where a file host answered: its "no" says nothing about the account.
    `redact` takes the key out of a text that will be shown; what is parsed stays as it came.
    """

    status: int
    retry_after: float | None
    content: bytes = field(repr=False)
    is_keyed: bool = True
    location: str | None = None
    """Where a redirect points; the API's are never followed, since the key is for it alone."""
    redact: Callable[[str], str] = field(default=str, repr=False)

    def file(self) -> bytes:
        """The body of a file host's answer. Raises `ApiError` for anything but a 2xx."""
        if 200 <= self.status < 300:
            return self.content
        raise self._error()

    def data(self) -> dict[str, Any]:
        """What stands in the envelope. Raises `ApiError` or `InvalidResponse`."""
        return _mapping(self.envelope().get("data"), "data")

    def envelope(self) -> dict[str, Any]:
        """`{"code", "message", "data"}`: both the HTTP status and `code` must be good, since
        HTTP 200 with another `code` is an error (maker)."""
        try:
            parsed = self._parsed()
        except InvalidResponse:
            if self.status >= 400:  # A gateway's page: maybe a sentence, else the status is all.
                raise self._error(text=plain_text(self.content)) from None
            raise
        if not isinstance(parsed, dict):
            if self.status >= 400:
                raise self._error(text=error_text(parsed))
            raise InvalidResponse("body")
        code = _code(parsed)
        if self.status >= 400 or (code != 200 and _is_documented(code)):
            raise self._error(code, error_text(parsed))
        if self.status >= 300 or code != 200:
            raise InvalidResponse("code")
        return parsed

    def prediction(self) -> Prediction:
        """The envelope's task. Raises `ApiError` or `InvalidResponse`."""
        return self._redacted(Prediction.from_json(self.envelope()))

    def _error(self, code: int | None = None, text: str = "") -> ApiError:
        return error_from_response(
            self.status,
            code=code,
            text=self.redact(text),
            retry_after=self.retry_after,
            is_keyed=self.is_keyed,
        )

    def _redacted(self, prediction: Prediction) -> Prediction:
        """Its error may repeat the key, and will be quoted."""
        return replace(
            prediction,
            error=self.redact(prediction.error),
            message=self.redact(prediction.message),
        )

    def accepted_prediction(self) -> Prediction | None:
        """The task, if this answer to a submission names one, whatever else it says.

        A sync submission cut off after 90 s carries code 5004, and a gateway may put a 5xx on an
        answer: an edit that has an id exists and is billed, so the id is all that counts.
        """
        if 300 <= self.status < 500:
            return None
        try:
            return self._redacted(Prediction.from_json(self._parsed()))
        except InvalidResponse as error:
            # What is off besides the id, asking for the result will show.
            known = error.prediction_id
            return Prediction(id=known, status="created") if known else None

    def _parsed(self) -> object:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise InvalidResponse("body") from error


def number(data: dict[str, Any], *names: str) -> float:
    """The first of the fields that is a number. Raises `InvalidResponse`."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
            return float(value)
    raise InvalidResponse(names[0])


def price(data: dict[str, Any]) -> float:
    """USD for one edit: the discounted price where there is one. A free edit would fill no budget,
    so that 0 counts only where both prices say so. Raises `InvalidResponse`."""
    prices = [_positive(data, name) for name in ("discounted_price", "price", "unit_price")]
    paid = [usd for usd in prices if usd]
    if paid:
        return paid[0]
    if prices[:2] == [0.0, 0.0]:
        return 0.0
    raise InvalidResponse("price")


def _positive(data: dict[str, Any], name: str) -> float | None:
    """None for what is not there, no number, or less than nothing."""
    try:
        value = number(data, name)
    except InvalidResponse:
        return None
    return value if value >= 0 else None


def address(value: object, name: str) -> str:
    """An http(s) URL. Raises `InvalidResponse`, which names the field."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        if parts.scheme in ("http", "https") and parts.hostname:
            return str(value)
    except ValueError:
        pass
    raise InvalidResponse(name)


def task_error(prediction: Prediction) -> WaveSpeedError | None:
    """Why a finished task has no picture; None for one that has.

    A failed task is HTTP 200 with code 200; what went wrong stands inside (documented).
    """
    if prediction.status == "completed":
        return None if prediction.outputs else MissingOutputs(prediction_id=prediction.id)
    error: WaveSpeedError
    if prediction.error_code in _NAMED:
        error = error_from_response(200, code=prediction.error_code, text=prediction.error)
    else:
        words = prediction.error or ("" if prediction.status == "failed" else prediction.status)
        message = with_service_words("The edit failed.", words)
        error = EditFailed(message, service_code=prediction.error_code, prediction_id=prediction.id)
    error.spent = "unknown"  # Refunded within 3 hours (documented), not seen yet.
    return error


_NAMED = {1200, 1407, 5000, 5003}
"""Codes of failed tasks for which there is a type a user can act on; see
`errors.error_from_response`."""


def _mapping(value: object, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise InvalidResponse(name)


def _code(body: dict[str, Any]) -> int:
    code = body.get("code", 200)
    return code if isinstance(code, int) and not isinstance(code, bool) else 200


def _is_documented(code: int) -> bool:
    """Whether a code in an envelope says that the request was refused; an unknown one says
    nothing, least of all that a submission was not taken."""
    return 400 <= code < 600 or 1200 <= code < 1500 or 5000 <= code < 5100
