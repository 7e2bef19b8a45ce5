"""Every sentence the page says, errors included: one voice, one place.

What happened, whether it cost money, what to do. No codes, no "please", no exclamation marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from wavespeed import (
    MAX_IMAGES,
    AmbiguousSubmit,
    BadKey,
    EditFailed,
    EditOverdue,
    InactiveKey,
    InvalidEdit,
    Moderated,
    NoCredit,
    NotAllowed,
    NotUnderstood,
    RateLimited,
    Refused,
    ServiceDown,
    Unreachable,
    WaveSpeedError,
    byte_count,
)

from .errors import Interrupted, KeyNeeded, Overspent, Unsaved
from .run import Result, Run, Step, Timings, Trouble

TITLE = "Image edit"
SANDBOX = "Sandbox: simple filters, not the model"
PICTURES, PICTURES_HINT = "Pictures", f"1 to {MAX_IMAGES}, the first is edited"
PROMPT, PROMPT_HINT = "What should change?", "Make it black and white with a strong contrast"
EDIT, STOP = "Edit", "Stop"
GRADIO = {
    "upload_text.drop_gallery": "Drop or paste pictures",
    "upload_text.click_to_upload": "choose files",
}
"""Words of Gradio's own that we put better."""
STOP_WATCHING = "Stop watching"
ADVANCED = "Advanced"
SYNC = "Sync mode"
SYNC_INFO = "One request that stays open until the result is there; long edits go on by polling."
BASE64 = "Base64 output"
BASE64_INFO = "The result comes inside the answer instead of as a link."
KEY = "Your WaveSpeed key"
KEY_INFO = "Stays in this tab's memory: it is never written down, and gone when the tab is closed."
KEY_MISSING = "Enter your WaveSpeed key; this server has none for visitors."
KEY_AGAIN = "This edit was made with your own key; enter it again."
KEY_SERVER, KEY_YOURS = "Key: from the server", "Key: yours, this tab only"
KEY_NONE, KEY_ASKED = "Key: none, the sandbox answers", "Key: enter yours"
SHORTCUT = "to edit"
EMPTY_TITLE = "Your result appears here"
EMPTY = "Drop, paste or take one to four pictures, and say what should change."
SHOW_ANYWAY, COVER_AGAIN = "Show anyway", "Cover again"
COVERED = "Flagged by the service as not safe for work"
DOWNLOAD, TIMES, COPY, DETAILS = "Download", "Where the time went", "Copy", "Details"
NOTHING_SPENT = "Nothing was spent."
FETCH_FREE = "Fetching a result costs nothing."
FETCH, FETCH_ID, FETCH_BUTTON = "Fetch a result by its id", "Prediction id", "Fetch"
FETCH_INFO = "Any result of this account, also one made elsewhere; WaveSpeed keeps them for 7 days."
RESTORE = "Use its prompt and pictures"
CHANGE_IT = "Change it, then send it again."
UNKNOWN_SPENT = "It is not known whether this was billed."
REFUND = "WaveSpeed refunds failed runs within 3 hours."

STEP_NAMES: dict[Step, str] = {
    "prepare": "Prepare",
    "upload": "Upload",
    "queue": "Queue",
    "process": "Process",
    "save": "Save",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error for a person, always in this order; `details` is what a developer asks for."""

    what: str
    money: str
    advice: str
    details: str


def dollars(usd: float) -> str:
    """ "$0.02", "$1,250.00", "$0.018": more than two decimals only where they say something."""
    text = f"{usd:,.4f}".rstrip("0")
    return f"${text}{'0' * max(0, 2 - len(text.partition('.')[2]))}"


def seconds(value: float) -> str:
    """ "0.4 s", "12.0 s", "3 min 05 s"."""
    if value < 99.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def flag(nsfw: bool | None) -> str:
    """What the service said of a picture; saying nothing is not the same as safe."""
    if nsfw is None:
        return "Not checked"
    return "Flagged" if nsfw else "Not flagged"


def facts(result: Result) -> str:
    """ "Saved, 1536×1024 PNG, 1.9 MB, checked"."""
    size = f"{result.width}×{result.height}"
    return f"Saved, {size} {result.format}, {byte_count(result.size_bytes)}, checked"


def alt(run: Run) -> str:
    """What a screen reader says of a result."""
    return f"Result: {title(run)[:200]}"


def title(run: Run) -> str:
    """A run in a line: its prompt, or that nobody knows it."""
    known = run.prediction.id if run.prediction else ""
    return " ".join(run.prompt.split()) or f"Fetched: {known}"


def times(timings: Timings) -> list[tuple[str, str, float]]:
    """The parts of a finished edit's time as (kind, name, seconds); unknown ones are left out."""
    names = (
        ("prepare", "Prepare", timings.prepare),
        ("upload", "Upload", timings.upload),
        ("queue", "Queue", timings.queue),
        ("inference", "Inference", timings.inference),
        ("download", "Download", timings.download),
    )
    return [(kind, name, value) for kind, name, value in names if value is not None]


def edit_button(price_usd: float) -> str:
    """The button says what pressing it costs."""
    return f"{EDIT}  {dollars(price_usd)}"


def status(run: Run | None, *, watching: bool = True) -> str:
    """The one sentence under the steps."""
    if run is None:
        return "Ready."
    if not watching and not run.is_over:
        return STOPPED_WATCHING
    match run.state:
        case "running":
            return _running(run)
        case "done":
            if run.edit is None:
                return f"Fetched in {seconds(run.at)}. That cost nothing."
            return f"Done in {seconds(run.at)}. {dollars(run.cost_usd)} was spent."
        case "stopped":
            return f"Stopped before anything was sent. {NOTHING_SPENT}"
        case "failed" | "unknown":
            return problem(run).what
        case _:
            assert_never(run.state)


def picked_up(run: Run) -> str:
    """Said to who comes back while an edit is under way."""
    age = (datetime.now(UTC) - run.started_at).total_seconds()
    return f"Picked up your edit where it was, {age:.0f} s in."


def actions(run: Run) -> list[tuple[str, str]]:
    """What can be done about a run that did not end well, as (action, label)."""
    if run.state == "unknown":
        send = f"Send again (may cost another {dollars(run.price_usd)})"
        # One with an id is there for certain, and only its key is missing.
        return [("again", LOOK_AGAIN)] + ([] if run.prediction else [("resend", send)])
    if run.error is None or run.prediction is None or run.error.spent == "no":
        return []
    if run.error.kind in _TASKS_END:
        return []
    return [("again", FETCH_AGAIN if run.prediction.outputs else CHECK_AGAIN)]


def today(spent: float) -> str:
    """What a visitor spent in this UTC day."""
    return f"{dollars(spent)} today"


def session(edits: int, spent: float) -> str:
    """What a visitor's session came to."""
    return f"This session: {edits} edit{'s' * (edits != 1)}, {dollars(spent)}"


def balance(usd: float) -> str:
    """What the account holds, for its owner."""
    return f"Balance {dollars(usd)}"


def recipe(prompt: str) -> str:
    """Said of a picture that has its recipe in it."""
    prompt = " ".join(prompt.split())
    return f"Made here with “{prompt if len(prompt) <= 120 else prompt[:119] + '…'}”."


def not_deleted(error: WaveSpeedError) -> str:
    """Said when the service would not delete."""
    what = _BY_NAME.get(type(error).__name__, _BROKEN)[0] or str(error)
    return f"{what} Nothing was deleted."


def not_fetched(error: WaveSpeedError) -> str:
    """Said when an id leads to nothing."""
    return f"{_BY_NAME.get(type(error).__name__, _BROKEN)[0] or error} {FETCH_FREE}"


def key_trouble(error: WaveSpeedError) -> str:
    """Said beside a key that does not work, as soon as it was entered."""
    what, advice = _BY_NAME.get(type(error).__name__, _BROKEN)
    return f"{what or error} {advice}"


def missing(numbers: list[int]) -> str:
    """Said when a recipe's pictures are not all here."""
    which = ", ".join(map(str, numbers))
    return (
        f"Picture{'s' * (len(numbers) > 1)} {which} of that edit can't be found; drop them again."
    )


def card(run: Run) -> str:
    """A run of the history in a few words: how it went, how long, what it cost."""
    match run.state:
        case "running":
            return "Under way"
        case "done":
            return f"{seconds(run.at)}, {dollars(run.cost_usd)}"
        case "stopped":
            return "Stopped, nothing spent"
        case "failed":
            return "Failed, nothing spent" if run.spent == "no" else "Failed"
        case "unknown":
            return "Outcome unknown"
        case _:
            assert_never(run.state)


def _running(run: Run) -> str:
    if run.waiting is not None:
        return _waiting(run.waiting.trouble, spent=run.in_flight)
    match run.step:
        case "prepare":
            return "Reading the picture." if len(run.pictures) == 1 else "Reading the pictures."
        case "upload":
            return "Uploading."
        case "queue":
            if run.prediction is None:
                return "Handing the edit over."
            return "Accepted, waiting for its turn."
        case "process":
            return "Being edited. You can close this page: the edit goes on and waits for you here."
        case "save":
            return "Fetching the result."
        case _:
            assert_never(run.step)


def _waiting(trouble: Trouble, *, spent: bool) -> str:
    if trouble.kind == AmbiguousSubmit.__name__:
        return "The answer to the submission was lost. Nothing is sent again; looking for it."
    if trouble.kind == RateLimited.__name__:
        what = "The account takes only so many pictures a minute, a new one 2."
    elif trouble.kind == ServiceDown.__name__:
        what = "WaveSpeed has trouble at the moment."
    elif trouble.kind == NotUnderstood.__name__:
        what = "WaveSpeed's answer made no sense."
    else:
        what = "WaveSpeed can't be reached."
    return f"{what} {'The edit goes on there.' if spent else 'Nothing was spent so far.'}"


LOOK_AGAIN = "Look again"
FETCH_AGAIN, CHECK_AGAIN = "Fetch again", "Check again"
HISTORY, OPEN, REUSE, AS_INPUT = "History", "Open", "Use again", "Use as input"
DELETE, OLDER, NEWER = "Delete", "Older", "Newer"
DELETE_HERE, DELETE_THERE = "Delete it here", "Here and at WaveSpeed, for good"
NEXT_TRY = "Next try in"
STOPPED_WATCHING = (
    "The edit goes on at WaveSpeed and will be billed; its result will be in the history."
)


def problem(run: Run) -> Problem:
    """The one function that makes words of an error."""
    trouble = run.error or Trouble("WaveSpeedError", "")
    what, advice = _BY_NAME.get(trouble.kind, _BROKEN)
    if trouble.kind == KeyNeeded.__name__:
        advice = (
            f"Enter your key again, then press {EDIT if trouble.spent == 'no' else LOOK_AGAIN}."
        )
    elif trouble.spent == "yes" and trouble.prediction_id:
        advice = _PAID  # Never advise to pay again for what exists.
    if run.edit is None:
        advice = "Check the id and the key; WaveSpeed keeps results for 7 days."
    # An empty sentence means that the error's own is made for people.
    return Problem(what or trouble.message, _money(run, trouble), advice, _details(run, trouble))


_KEPT = "Your pictures and words are still here."
_SENTENCES: dict[type[WaveSpeedError], tuple[str, str]] = {
    InvalidEdit: ("", CHANGE_IT),
    AmbiguousSubmit: (
        "We don't know whether WaveSpeed accepted this. Nothing was sent again.",
        "Look again in a minute, or send it again; that may cost the price a second time.",
    ),
    EditOverdue: ("", "Check again; that costs nothing."),
    EditFailed: ("", f"Change the prompt or a picture, or try again. {_KEPT}"),
    Moderated: (
        "The prompt or a picture was refused by content moderation.",
        "Change the prompt or the picture; repeating does not help.",
    ),
    NoCredit: (
        "The WaveSpeed account is out of credit.",
        f"Top up at wavespeed.ai, then press Edit again. {_KEPT}",
    ),
    BadKey: (
        "WaveSpeed does not accept the API key.",
        "Check the key at wavespeed.ai; one made before the first top-up is not active.",
    ),
    InactiveKey: (
        "The API key is not active yet.",
        "A key becomes active with the account's first top-up at wavespeed.ai.",
    ),
    NotAllowed: ("This WaveSpeed account may not do this.", "Ask WaveSpeed's support."),
    RateLimited: (
        "WaveSpeed asks for a longer pause than a minute.",
        f"Try again later. {_KEPT}",
    ),
    ServiceDown: (
        "WaveSpeed has trouble at the moment.",
        f"Try again in a few minutes. {_KEPT}",
    ),
    Refused: ("", f"Change the edit or try again later. {_KEPT}"),
    Unreachable: ("WaveSpeed can't be reached.", f"Check the network, then try again. {_KEPT}"),
    NotUnderstood: (
        "WaveSpeed's answer was not understood.",
        "Try again; if it comes back, report the details.",
    ),
    Overspent: ("", f"Come back then. {_KEPT}"),
    KeyNeeded: ("", ""),
    Interrupted: ("", "Press Edit to send it now."),
    Unsaved: ("", "Make room on the disk, then fetch it again; that costs nothing."),
}
_BY_NAME = {kind.__name__: sentences for kind, sentences in _SENTENCES.items()}
_BROKEN = ("Something went wrong in the studio.", "Try again; the log knows more by the id below.")


# What a task that was accepted can end in; the service refunds these.
_TASKS_END = {kind.__name__ for kind in (EditFailed, Moderated, NoCredit, ServiceDown)}
_PAID = "It is paid for and stays at WaveSpeed for 7 days: fetching it costs nothing."


def _money(run: Run, trouble: Trouble) -> str:
    if run.edit is None:
        return FETCH_FREE
    if trouble.spent == "unknown" and trouble.prediction_id and trouble.kind in _TASKS_END:
        return REFUND
    if trouble.spent == "no":
        return NOTHING_SPENT
    if trouble.spent == "unknown":
        return UNKNOWN_SPENT
    return f"The edit was accepted and costs {dollars(run.price_usd)}."


def _details(run: Run, trouble: Trouble) -> str:
    status = f"status {trouble.status}" if trouble.status is not None else ""
    code = f"code {trouble.code}" if trouble.code is not None else ""
    parts = [
        f"run {run.id}",
        f"prediction {trouble.prediction_id}" if trouble.prediction_id else "",
        trouble.kind,
        ", ".join(part for part in (status, code) if part),
        trouble.message,
    ]
    return "\n".join(part for part in parts if part)
