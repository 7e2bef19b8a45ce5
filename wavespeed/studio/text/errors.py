"""Errors in words, made in one place: what happened, whether it cost money, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wavespeed import PRICE_USD, WaveSpeedError
from wavespeed.errors import (
    AmbiguousSubmit,
    ApiError,
    ConnectionFailed,
    ContentModerated,
    EditFailed,
    EditTimeout,
    FileUnavailable,
    InactiveApiKey,
    InsufficientCredit,
    InvalidApiKey,
    InvalidEdit,
    InvalidResponse,
    MissingOutputs,
    ModelNotFound,
    PermissionDenied,
    PredictionNotFound,
    PrivateAddress,
    RateLimited,
    ServerError,
)
from wavespeed.studio.runs.errors import (
    ApiKeyRequired,
    Interrupted,
    InvalidOutput,
    LimitExceeded,
    PriceUnknown,
    QuotaExceeded,
    SaveFailed,
    StoreWriteFailed,
)
from wavespeed.studio.runs.run import Run, RunError

from .formatting import dollars, priced
from .labels import (
    CHANGE_IT,
    CHECK_AGAIN,
    EDIT,
    FETCH_AGAIN,
    FETCH_FREE,
    LOOK_AGAIN,
    NOTHING_SPENT,
    REFUND,
    UNKNOWN_SPENT,
)


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """An error for a person, always in this order; `details` is what a developer asks for."""

    what: str
    money: str
    advice: str
    details: str


def error_message(run: Run) -> ErrorMessage:
    """The one function that makes words of an error."""
    error = run.error or RunError("error", "")
    what, advice = _BY_CODE.get(error.code, _BROKEN)
    if error.code == ApiKeyRequired.code:
        advice = f"Enter your key again, then press {EDIT if error.spent == 'no' else LOOK_AGAIN}."
    elif error.spent == "yes" and error.prediction_id:
        # Never advise to pay again for what exists.
        advice = _PAID.format(error.prediction_id)
    elif error.code == PredictionNotFound.code and error.prediction_id:
        advice = f"{advice} Its prediction id is {error.prediction_id}."
    if run.edit is None and error.code != QuotaExceeded.code:
        advice = _CHECK_ID
    # An empty sentence means that the error's own is made for people.
    return ErrorMessage(what or error.message, _money(run, error), advice, _details(run, error))


_CHECK_ID = "Check the id and the key; WaveSpeed keeps results for 7 days."
INPUTS_KEPT = "Your pictures and words are still here."
_SENTENCES: dict[type[WaveSpeedError], tuple[str, str]] = {
    InvalidEdit: ("", CHANGE_IT),
    AmbiguousSubmit: (
        "We don't know whether WaveSpeed accepted this. Nothing was sent again.",
        "Look again in a minute, or send it again; that may cost the price a second time.",
    ),
    EditTimeout: ("", "Check again; that costs nothing."),
    EditFailed: ("", f"Change the prompt or a picture, or try again. {INPUTS_KEPT}"),
    ContentModerated: (
        "The prompt or a picture was refused by content moderation.",
        "Change the prompt or the picture; repeating does not help.",
    ),
    InsufficientCredit: (
        "The WaveSpeed account is out of credit.",
        f"Top up at wavespeed.ai, then press Edit again. {INPUTS_KEPT}",
    ),
    InvalidApiKey: (
        "WaveSpeed does not accept the API key.",
        "Check the key at wavespeed.ai; one made before the first top-up is not active.",
    ),
    InactiveApiKey: (
        "The API key is not active yet.",
        "A key becomes active with the account's first top-up at wavespeed.ai.",
    ),
    PermissionDenied: ("This WaveSpeed account may not do this.", "Ask WaveSpeed's support."),
    ModelNotFound: (
        "",
        "The setting WAVESPEED_MODEL names the model: whoever runs this page can change it to one"
        f" that is listed at wavespeed.ai/models. {INPUTS_KEPT}",
    ),
    RateLimited: (
        "The account is over its rate; WaveSpeed asks for a longer pause.",
        f"Try again later. {INPUTS_KEPT}",
    ),
    ServerError: (
        "WaveSpeed has trouble at the moment.",
        f"Try again in a few minutes. {INPUTS_KEPT}",
    ),
    ApiError: ("", f"Change the edit or try again later. {INPUTS_KEPT}"),
    PredictionNotFound: (
        "WaveSpeed does not know this edit (any more).",
        "Check again in a minute, which costs nothing; WaveSpeed deletes results after 7 days.",
    ),
    FileUnavailable: (
        "The file host does not hand the picture out.",
        "Fetch it again in a few minutes; that costs nothing.",
    ),
    ConnectionFailed: (
        "WaveSpeed can't be reached.",
        f"Check the network, then try again. {INPUTS_KEPT}",
    ),
    InvalidResponse: (
        "WaveSpeed's answer was not understood.",
        "Try again; if it comes back, report the details.",
    ),
    MissingOutputs: ("", "Check again in a few minutes; that costs nothing."),
    PrivateAddress: (
        "",
        "Check the VPN, proxy or filter of this machine's network, then fetch it again.",
    ),
    LimitExceeded: ("", f"Come back then. {INPUTS_KEPT}"),
    PriceUnknown: ("", f"Try again in a minute. {INPUTS_KEPT}"),
    QuotaExceeded: ("", f"Delete old edits in the history, then try again. {INPUTS_KEPT}"),
    ApiKeyRequired: ("", ""),
    Interrupted: ("", "Press Edit to send it now."),
    SaveFailed: ("", "Make room on the disk, then fetch it again; that costs nothing."),
    InvalidOutput: ("", "Fetch it again; that costs nothing."),
    StoreWriteFailed: ("", f"Make room on the server's disk, then try again. {INPUTS_KEPT}"),
}
_BY_CODE = {kind.code: sentences for kind, sentences in _SENTENCES.items()}
_BROKEN = ("Something went wrong in the studio.", "Try again; the log knows more by the id below.")


# What a task that was accepted can end in; the service refunds these.
_TASKS_END = {kind.code for kind in (EditFailed, ContentModerated, InsufficientCredit, ServerError)}
_PAID = (
    "It is paid for and stays at WaveSpeed for 7 days, as prediction {}: fetching it costs nothing."
)


def _money(run: Run, error: RunError) -> str:
    if run.edit is None:
        return FETCH_FREE
    if error.spent == "unknown" and error.prediction_id and error.code in _TASKS_END:
        return REFUND
    if error.spent == "no":
        return NOTHING_SPENT
    if error.spent == "unknown":
        return UNKNOWN_SPENT
    if run.price_usd is None:
        return "The edit was accepted; what it costs is not known here."
    return f"The edit was accepted and costs {dollars(run.price_usd)}."


def _details(run: Run, error: RunError) -> str:
    # What was paid for can be fetched by hand, for 7 days.
    outputs = run.prediction.outputs[len(run.results) :] if run.prediction else ()
    status = f"status {error.status}" if error.status is not None else ""
    code = f"code {error.service_code}" if error.service_code is not None else ""
    parts = [
        f"run {run.id}",
        f"prediction {error.prediction_id}" if error.prediction_id else "",
        *(f"link {output.url}" for output in outputs if output.url),
        error.code,
        ", ".join(part for part in (status, code) if part),
        error.message,
    ]
    return "\n".join(part for part in parts if part)


def error_actions(run: Run, offer: float | None = PRICE_USD) -> list[tuple[str, str]]:
    """What can be done about a run that did not end well, as (action, label); `offer` is what
    it costs to send it once more."""
    if run.state == "unknown":
        another = "its price again" if offer is None else f"another {dollars(offer)}"
        send = f"Send again (may cost {another})"
        # One with an id is there for certain, and only its key is missing.
        return [("again", LOOK_AGAIN)] + ([] if run.prediction else [("resend", send)])
    if run.state == "done" or not run.is_finished or run.edit is None:
        return []
    retry = [("resend", priced("Try again", offer))]
    if run.error is None or run.prediction is None or run.error.spent == "no":
        # What can't be sent as it is has to be changed first.
        return [] if run.error and run.error.code == InvalidEdit.code else retry
    if run.error.code in _TASKS_END and run.error.spent == "unknown":
        return retry  # Trouble while a picture was waited for or fetched is not the task's end.
    return [("again", FETCH_AGAIN if run.prediction.outputs else CHECK_AGAIN)]


def retryable_runs(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Of a batch what can be done about: which runs to ask for once more, which is free, and which
    to send again, which costs."""
    first = [(run, found[0][0]) for run in runs if run.error and (found := error_actions(run))]
    free, sent = ([run for run, do in first if do == kind] for kind in ("again", "resend"))
    return free, sent


def deletion_failed(error: WaveSpeedError) -> str:
    """Said when the service would not delete."""
    return f"{_sentence_and_advice(error)[0]} Nothing was deleted."


def fetch_failed(error: WaveSpeedError) -> str:
    """Said when an id leads to nothing."""
    return f"{_sentence_and_advice(error)[0]} {FETCH_FREE} {_CHECK_ID}"


def key_error(error: WaveSpeedError) -> str:
    """Said beside a key that does not work, as soon as it was entered."""
    return " ".join(_sentence_and_advice(error))


def _sentence_and_advice(error: WaveSpeedError) -> tuple[str, str]:
    what, advice = _BY_CODE.get(error.code, _BROKEN)
    return what or str(error), advice
