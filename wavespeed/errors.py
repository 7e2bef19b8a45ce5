"""What can go wrong, as one tree, and the one function that makes a type of a status and a code.

    WaveSpeedError                    str() is a sentence for the user; .code is stable
    ├── InvalidEdit (ValueError)      nothing was sent; it can never work as it is
    ├── InvalidEnvironment            a proxy or certificate that the environment names won't do
    ├── ConnectionFailed              no answer; .sent: did the bytes leave?
    ├── AmbiguousSubmit               the edit may exist and be billed; never repeated by us
    ├── ApiError                      the service said no; .status, .service_code, .retry_after
    │   ├── InvalidApiKey             the key is missing or wrong
    │   │   └── InactiveApiKey        the key waits for the account's first top-up
    │   ├── InsufficientCredit        the account is empty
    │   ├── PermissionDenied          the account may not do this
    │   ├── ModelNotFound             the service does not offer the model (any more); .model
    │   ├── RateLimited               too many at once; nothing was created
    │   ├── ContentModerated          the prompt or a picture was refused
    │   ├── PredictionNotFound        404 of a task: not known yet, or not any more
    │   ├── FileUnavailable           a file host has not got it yet, or not any more
    │   └── ServerError               trouble at the service
    ├── InvalidResponse               an answer, but not the contract; .field names what is off
    │   ├── MissingOutputs            the task is done, and no picture is named
    │   └── PrivateAddress            a file's address leads into a private network; never fetched
    ├── EditFailed                    the task ended without a picture; .service_code, its words
    └── EditTimeout (TimeoutError)    we stopped waiting; it may still finish; .last_error

Every one knows `.spent` ("no", "yes" or "unknown": was money spent on this edit?) and
`.prediction_id`, where there is one. No message holds a key, a path or a URL.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

Spent = Literal["no", "yes", "unknown"]

MODERATED = 1200
"""`code` of a refused prompt or picture, in an envelope or in a failed task (documented)."""
NO_CREDIT = 1407
"""`code` of an empty account (seen, not documented)."""


class WaveSpeedError(Exception):
    """The root: catch this and nothing that the client does escapes.

    `code` is what a class is called in what is stored and logged: it stays when the class is
    renamed.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, spent: Spent = "no", prediction_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.spent: Spent = spent
        self.prediction_id = prediction_id


class InvalidEdit(WaveSpeedError, ValueError):
    """The prompt or a picture can't be sent. `field` is "prompt", "images" or "options"."""

    code = "invalid_edit"

    def __init__(self, message: str, *, field: str = "images") -> None:
        super().__init__(message)
        self.field = field


class InvalidEnvironment(WaveSpeedError):
    """A variable of the environment that the network needs makes no sense; named, not repeated."""

    code = "invalid_environment"


class ConnectionFailed(WaveSpeedError):
    """No answer: the network, DNS, TLS, or silence. `sent` is False if surely nothing left."""

    code = "connection_failed"

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class AmbiguousSubmit(WaveSpeedError):
    """A submission without an intelligible answer. The API has no idempotency key, so sending it
    again could pay twice; `AsyncClient.list_predictions` can tell whether it exists."""

    code = "ambiguous_submit"

    def __init__(self, message: str) -> None:
        super().__init__(message, spent="unknown")


class ApiError(WaveSpeedError):
    """The service understood and said no.

    `status` is the HTTP status, `service_code` the number in the body (equal to `status` where it
    says none), `retry_after` the seconds it asks to wait.
    """

    code = "api_error"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        service_code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.service_code = status if service_code is None else service_code
        self.retry_after = retry_after


class InvalidApiKey(ApiError):
    """401, or a key that can't be one."""

    code = "invalid_api_key"


class InactiveApiKey(InvalidApiKey):
    """401 whose text speaks of activation: a key made before the account's first top-up."""

    code = "inactive_api_key"


class InsufficientCredit(ApiError):
    """402, code 1407, or a 4xx whose text speaks of credit or balance."""

    code = "insufficient_credit"


class PermissionDenied(ApiError):
    """403."""

    code = "permission_denied"


class ModelNotFound(ApiError):
    """404 or 410 of a submission, or a 4xx whose text says that there is no such model: it was
    switched off, or never existed. Nothing was created. `model` is the one that was asked."""

    code = "model_not_found"

    def __init__(self, model: str, *, status: int, service_code: int | None = None) -> None:
        super().__init__(
            f"WaveSpeed no longer offers the model {model}.",
            status=status,
            service_code=service_code,
        )
        self.model = model


class RateLimited(ApiError):
    """429: a rate or a quota. It created nothing, so it may be sent again."""

    code = "rate_limited"


class ContentModerated(ApiError):
    """Code 1200, at once (HTTP 400) or as the end of a task. Repeating does not help."""

    code = "content_moderated"


class PredictionNotFound(ApiError):
    """404 of a task: deleted, expired, or so new that not every server knows it."""

    code = "prediction_not_found"


class FileUnavailable(ApiError):
    """403 or 404 of a file host: a file that is not there yet, or not any more."""

    code = "file_unavailable"


class ServerError(ApiError):
    """500, 502, 503, 504 or 5000, 5003: a submission may have been taken all the same."""

    code = "server_error"


class InvalidResponse(WaveSpeedError):
    """An answer that breaks the contract; `field` says where ("body", "id", "outputs", …)."""

    code = "invalid_response"

    def __init__(self, field: str, message: str = "", *, prediction_id: str | None = None) -> None:
        super().__init__(
            message or f"WaveSpeed's answer was not understood ({field}).",
            prediction_id=prediction_id,
        )
        self.field = field


class MissingOutputs(InvalidResponse):
    """The task is completed, and its answer names no picture."""

    code = "missing_outputs"

    def __init__(self, *, prediction_id: str) -> None:
        message = "WaveSpeed says that the edit is done, but its answer holds no picture."
        super().__init__("outputs", message, prediction_id=prediction_id)


class PrivateAddress(InvalidResponse):
    """A file's address, or all that its name resolves to, belongs to a private network."""

    code = "private_address"

    def __init__(self, message: str) -> None:
        super().__init__("url", message)


class EditFailed(WaveSpeedError):
    """The task ended without a picture; `str()` quotes the service.

    WaveSpeed refunds failed runs within 3 hours (documented), which nobody has seen yet when this
    is raised: so `spent` is "unknown".
    """

    code = "edit_failed"

    def __init__(self, message: str, *, service_code: int | None, prediction_id: str) -> None:
        super().__init__(message, spent="unknown", prediction_id=prediction_id)
        self.service_code = service_code


class EditTimeout(WaveSpeedError, TimeoutError):
    """The deadline passed. The task goes on at the service: ask later by `prediction_id`.

    `last_error` is what the last poll met, None where it found the task unfinished.
    """

    code = "edit_timeout"

    def __init__(
        self, message: str, *, prediction_id: str, last_error: WaveSpeedError | None = None
    ) -> None:
        if last_error is not None:
            message = f"{message} The last answer: {last_error}"
        super().__init__(message, spent="yes", prediction_id=prediction_id)
        self.last_error = last_error


def error_from_response(
    status: int,
    *,
    code: int | None = None,
    text: str = "",
    retry_after: float | None = None,
    is_keyed: bool = True,
) -> ApiError:
    """The one place where a status and a body's code become a type.

    `text` is the service's own words (may be empty); `is_keyed` is False for hosts that never get
    the key, where 401 to 403 say nothing about it.
    """
    if code in (None, 0, 200):
        code = status
    kind, sentence = _kind(status, code, text, is_keyed)
    return kind(
        with_service_words(sentence, text),
        status=status,
        service_code=code,
        retry_after=retry_after,
    )


def with_service_words(sentence: str, text: str) -> str:
    """The sentence, with the service's own words where it said any."""
    return f"{sentence} WaveSpeed says: {_shortened(text)}" if text else sentence


def _kind(status: int, code: int | None, text: str, is_keyed: bool) -> tuple[type[ApiError], str]:
    numbers = {status, code}
    if status >= 500:  # Whatever the body says: a submission may have been taken all the same.
        numbers = {5000}
    elif is_keyed and 401 in numbers and _speaks_of_activation(text):
        return InactiveApiKey, "The API key is not active yet."  # Though it may speak of a top-up.
    elif is_keyed and _speaks_of_credit(text):
        numbers.add(NO_CREDIT)
    for codes, kind, sentence in _KINDS if is_keyed else _KINDS[:3]:
        if numbers & codes:
            return kind, sentence
    host = "WaveSpeed" if is_keyed else "The file host"
    return ApiError, f"{host} refused the request."


# In this order: the first that fits. Only the first three can come from a host without the key.
_KINDS: tuple[tuple[set[int], type[ApiError], str], ...] = (
    ({MODERATED}, ContentModerated, "The prompt or a picture was refused by content moderation."),
    ({429}, RateLimited, "WaveSpeed asks to slow down."),
    ({500, 502, 503, 504, 5000, 5003}, ServerError, "WaveSpeed has trouble at the moment."),
    ({402, NO_CREDIT}, InsufficientCredit, "The WaveSpeed account is out of credit."),
    ({401}, InvalidApiKey, "WaveSpeed does not accept the API key."),
    ({403}, PermissionDenied, "This WaveSpeed account may not do this."),
    ({404}, ApiError, "WaveSpeed does not know this edit (any more)."),
    ({413}, ApiError, "The picture is too large for WaveSpeed."),
)


def _speaks_of_activation(text: str) -> bool:
    """Whether it does that and nothing else: "invalid or inactive" says neither."""
    return bool(re.search(r"(?i)activ(?:e|at)", text)) and not re.search(r"(?i)invalid|wrong", text)


def _speaks_of_credit(text: str) -> bool:
    """Whether it says that money is lacking: "not available with trial credit" is no empty account,
    and "white balance" can stand in a prompt that is quoted."""
    money = re.search(r"(?i)\b(?:credits?|funds?)\b|(?<!white )\bbalance\b", text)
    if money and _LACK.search(text):
        return True
    asks_for_money = _TOP_UP.search(text) or (money and _BUY.search(text))
    return bool(asks_for_money) and not _PLAN.search(text)


_PLAN = re.compile(
    r"(?i)\b(?:not (?:available|supported|allowed|included)|only (?:for|available))\b"
)
_BUY = re.compile(
    r"(?i)\b(?:add (?:more )?(?:credits?|funds)|(?:buy|purchase) (?:more )?credits?)\b"
)
_TOP_UP = re.compile(r"(?i)\b(?:top[ -]?up|recharge)\b|\bpayment required\b")
_LACK = re.compile(
    r"(?i)\b(?:insufficient|not (?:have )?enough"
    r"|no(?: more)? (?:remaining )?(?:credits?|funds|balance)"
    r"|(?:out|short) of|run out|ran out|exhaust\w*|deplet\w*|used up|(?:too )?low|lack\w*"
    r"|empty|negative|zero|exceed\w*|below|requires? more)\b"
    r"|\b(?:credits?|balance)\W{1,3}(?:is )?-?0(?:\.0*)?\b"
)


def _shortened(text: str, max_length: int = 300) -> str:
    text = re.sub(r"\bhttps?://\S+", "[address]", " ".join(text.split()))
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
