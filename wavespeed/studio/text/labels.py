"""What the page says: labels, hints, the status. What is said of errors is in `problems`, of
pictures in `captions`. One voice: what happened, whether it cost money, what to do. No codes, no
"please", no exclamation marks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from wavespeed import MAX_IMAGES
from wavespeed.errors import (
    AmbiguousSubmit,
    FileUnavailable,
    InvalidResponse,
    MissingOutputs,
    PredictionNotFound,
    RateLimited,
    ServerError,
)
from wavespeed.studio.runs.batch import BatchProgress
from wavespeed.studio.runs.run import OutputFile, Run, RunError, Step, Timings, total_usd
from wavespeed.types import byte_count

TITLE = "Image edit"
SANDBOX = "Sandbox: simple filters, not the model"
PICTURES, PICTURES_HINT = "Pictures", f"1 to {MAX_IMAGES}, the first is edited"
PROMPT, PROMPT_HINT = "What should change?", "Make it black and white with a strong contrast"
EDIT, STOP = "Edit", "Stop"
GRADIO = {
    "upload_text.drop_gallery": "Drop or paste pictures",
    "upload_text.click_to_upload": "choose files",
    "common.webcam": "Take a picture",
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
KEY_OFFERED = "Key: enter yours for the model"
DUPLICATE = "Duplicate"
SHORTCUT = "to edit"
NO_ROOM_TODAY = (
    "The server has no room for more pictures now. Nothing was spent. Try again tomorrow."
)
EACH = "Each picture on its own"
EACH_INFO = "One edit for each, up to 50. Otherwise the others are references."
PAUSE, ALL_FILES, BATCH = "Pause", "Download all", "How far the batch is"
VARIANTS = "Variants"
ADD_FIRST, SAY_FIRST = "Add a picture first", "Say what should change"
TOO_MANY = f"{MAX_IMAGES} pictures at most"
FIFTH = f"Not sent: {MAX_IMAGES} pictures go together. Take one away, or edit each on its own."
TOO_MANY_EACH, COUNTED = "50 pictures at most", "pictures"
ADD, MENTION = "Add a picture", "Put it into the prompt"
EMPTY_TITLE = "Drop, paste or take one to four pictures"
EMPTY = "Then say what should change. Or begin with one of these; they cost nothing until you edit."
BEFORE, AFTER = "Before", "After"
COMPARE = "Compare with the picture before: arrow keys, or hold B"
FULL_SCREEN, CLOSE, PREVIOUS, NEXT = "Full screen", "Close", "Previous result", "Next result"
COPY_LINK, VERSIONS, TOTAL = "Copy link", "Versions so far", "Total"
PREDICTION, ASKED, GOT, MODEL = "Prediction", "Asked", "Got", "Model"
GONE = "Its file is no longer on this server."
NOT_UPLOADED = "A picture was not uploaded here, or is no longer kept. Add it again."
NO_ROOM = "The server has no room for the picture. Nothing was spent."
HIDDEN = "This page does not show flagged results."
HEARD, AGO, SO_FAR = "Last heard of it", "ago", "so far"
SHOW_ANYWAY, COVER_AGAIN = "Show anyway", "Cover again"
COVERED = "Flagged by the service as not safe for work"
COVERED_UNCLEAR = "The service's flag can't be read, so this is covered"
DOWNLOAD, COPY, DETAILS, COPY_DETAILS = "Download", "Copy", "Details", "Copy details"
NOTHING_SPENT, NONE_SPENT = "Nothing was spent.", "nothing spent"
FETCH_FREE = "Fetching a result costs nothing."
FETCH, FETCH_ID, FETCH_BUTTON = "Fetch a result by its id", "Prediction id", "Fetch"
FETCH_INFO = "Any result of this account, also one made elsewhere; WaveSpeed keeps them for 7 days."
RESTORE = "Use its prompt and pictures"
CHANGE_IT = "Change it, then send it again."
PRICE_UNKNOWN = "price not known"
UNKNOWN_SPENT = "It is not known whether this was billed."
REFUND = "WaveSpeed refunds failed runs within 3 hours."
FOREIGN_ORIGIN = "This page is not used from other sites. Nothing was done."
WRONG_HOST = (
    "This page is not served under this name. Its owner can add the name to WAVESPEED_HOSTS."
)
ANOTHER_PAGE = "This belongs to another open page. Nothing was done. Load the page anew."
TOO_MANY_VALUES = (
    "This request holds far more values than any edit needs. Nothing was done, and nothing spent."
)
NOT_HERE = "There is nothing at this address."
BODIES_BUSY = "The server is taking in too much at the moment. Try again in a few seconds."
BODY_SLOW = "The request took too long to arrive. Nothing was done; send it again."
LOGIN_PAUSE = "After a few wrong passwords, each further try has to wait some seconds."
DEFAULT_BUDGET = (
    "This Space's key pays for every visitor, so that all of them together can spend 5 USD a day. "
    "Set WAVESPEED_BUDGET_USD to another sum, or to none for no limit."
)
STEP_NAMES: dict[Step, str] = {
    "prepare": "Prepare",
    "upload": "Upload",
    "queue": "Queue",
    "process": "Process",
    "save": "Save",
}


def dollars(usd: float | None) -> str:
    """ "$0.02", "$1,250.00", "$0.018": more than two decimals only where they say something; and
    None is a price that nobody knows."""
    if usd is None:
        return PRICE_UNKNOWN
    text = f"{usd:,.4f}".rstrip("0")
    return f"${text}{'0' * max(0, 2 - len(text.partition('.')[2]))}"


def priced(label: str, usd: float | None, space: str = " ") -> str:
    """A button and what it costs: "Again $0.02"."""
    return f"{label} ({PRICE_UNKNOWN})" if usd is None else f"{label}{space}{dollars(usd)}"


def body_too_large(most: str) -> str:
    """Said of a request that brings more than it may."""
    return f"This request is too large: it may hold {most}. Nothing was done, and nothing spent."


def wrong_passwords(wait: int) -> str:
    """Said to who has tried too many passwords."""
    return f"Too many passwords were tried. Try again in {wait} s."


def budget(usd: float) -> str:
    """Said where a Space has a limit that its owner has not set."""
    return f"All visitors together can spend {dollars(usd)} a day here."


def seconds(value: float) -> str:
    """ "0.4 s", "12.0 s", "3 min 05 s"."""
    if value < 99.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def flag(nsfw: bool | None, *, unclear: bool = False) -> str:
    """What the service said of a picture; saying nothing is not the same as safe."""
    if unclear:
        return "Flag not readable"
    if nsfw is None:
        return "Not checked"
    return "Flagged" if nsfw else "Not flagged"


def facts(result: OutputFile) -> str:
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


def again(price_usd: float | None) -> str:
    """The button that sends the same edit once more."""
    return priced("Again", price_usd)


def variant(number: int) -> str:
    return f"Variant {number}"


def version(number: int) -> str:
    """A step of the way from the original, 0."""
    return f"Version {number}" if number else "Original"


def tab_title(state: str) -> str:
    """The tab tells how it is going while one looks elsewhere."""
    told = {"running": "Editing…", "done": "Done", "failed": "Failed", "unknown": "Not known"}
    return f"{told[state]} · {TITLE}" if state in told else TITLE


def tile(run: Run) -> str:
    """In the place of a picture that is not there yet, or will not be."""
    if run.state == "stopped":
        return f"Stopped. {NOTHING_SPENT}"
    return "Waiting for its turn" if run.awaiting_slot else STEP_NAMES[run.step]


def tile_of_batch(run: Run) -> str:
    """The same in few words, over a small picture."""
    told: dict[str, str] = {"stopped": "Paused", "failed": "Failed", "unknown": "Not known"}
    return told.get(run.state) or ("Waiting" if run.awaiting_slot else STEP_NAMES[run.step])


def status_of_many(runs: Sequence[Run]) -> str:
    """ "2 running, 1 waiting, 1 done."."""
    kinds = Counter("waiting" if run.awaiting_slot else run.state for run in runs)
    order = ("running", "waiting", "done", "failed", "stopped", "unknown")
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind]) + "."


def while_they_run(usual: float | None, *, watching: bool) -> str:
    """Goes on from there as long as not all are over."""
    if not watching:
        return STOPPED_WATCHING
    return f"Each{_usually(usual).replace(',', '', 1)}. {MAY_CLOSE}" if usual else MAY_CLOSE


def of_batch(how: BatchProgress) -> str:
    """ "12 of 50 done, 2 running, 35 waiting, 1 failed. About 3 min left."."""
    kinds = ("running", "waiting", "failed", "stopped")
    counts = [f"{count} {kind}" for kind in kinds if (count := getattr(how, kind))]
    told = ", ".join([f"{how.done} of {how.total} done", *counts]).replace("stopped", "paused")
    if how.left is None:
        return f"{told}." + (f" {NOTHING_SPENT}" if how.stopped == how.total else "")
    about = f"{round(how.left / 60)} min" if how.left >= 90 else f"{max(1, round(how.left))} s"
    return f"{told}. About {about} left. You may close this page; they go on."


def go_on(count: int, usd: float | None) -> str:
    """The button that resumes a batch."""
    return priced(f"Go on with the other {count}", usd, "  ")


def once_more(count: int, usd: float | None) -> str:
    """The button that tries failed edits of a batch again."""
    what = "the one that failed" if count == 1 else f"the {count} that failed"
    return f"Try {what} again  for nothing" if usd == 0 else priced(f"Try {what} again", usd, "  ")


def all_of_it(count: int) -> str:
    """From one picture of a batch or of variants back to all of them."""
    return f"All {count} of these"


def picture(run: Run) -> str:
    """The name of the picture that is edited, as it was dropped."""
    return run.pictures[0].name if run.pictures else title(run)


def asked(run: Run) -> str:
    """What was sent."""
    return "; ".join(str(change) for change in run.preprocessing if change) or "pictures by address"


def got(run: Run) -> str:
    """What came back."""
    return "; ".join(facts(result) for result in run.results)


def status(run: Run | None, usual: float | None = None, *, watching: bool = True) -> str:
    """The one sentence under the steps; `median_duration` is what an edit takes here, in
    seconds."""
    if run is None:
        return "Ready."
    if not watching and not run.is_finished:
        return STOPPED_WATCHING
    match run.state:
        case "running":
            return _running(run, usual)
        case "done":
            return f"{'Done' if run.edit else 'Fetched'} in {seconds(run.elapsed)}."
        case "stopped":
            return f"Stopped before anything was sent. {NOTHING_SPENT}"
        case "failed":  # The problem itself says how it came.
            return f"Failed after {seconds(run.elapsed)}."
        case "unknown":
            return "What became of it is not known."
        case _:
            assert_never(run.state)


def spent(runs: Sequence[Run]) -> str:
    """What finished edits have cost, for the end of that sentence."""
    done = [run for run in runs if run.state == "done"]
    if not done or not all(run.is_finished for run in runs):
        return ""
    usd = total_usd(run.cost_usd for run in done)
    if usd is None:
        return "What was spent is not known here."
    return f"{dollars(usd)} was spent." if usd else "That cost nothing."


def picked_up(run: Run) -> str:
    """Said to who comes back while an edit is under way."""
    age = (datetime.now(UTC) - run.started_at).total_seconds()
    return f"Picked up your edit where it was, {age:.0f} s in."


def today(spent: float) -> str:
    """What a visitor spent in this UTC day."""
    return f"{dollars(spent)} today"


def session(edits: int, spent: float) -> str:
    """What a visitor's session came to, as far as the prices are known."""
    return f"This session: {edits} edit{'s' * (edits != 1)}, {dollars(spent)}"


def balance(usd: float) -> str:
    """What the account holds, for its owner."""
    return f"Balance {dollars(usd)}"


def card(run: Run) -> str:
    """A run of the history in a few words: how it went, or how long it took."""
    match run.state:
        case "running":
            return "Under way"
        case "done":
            return seconds(run.elapsed)
        case "stopped":
            return "Stopped"
        case "failed":
            return "Failed"
        case "unknown":
            return "Outcome unknown"
        case _:
            assert_never(run.state)


def _running(run: Run, usual: float | None) -> str:
    if run.awaiting_slot:
        return f"Waiting for its turn. {NOTHING_SPENT}"
    if run.waiting is not None:
        return _waiting(run.waiting.error, spent=run.in_flight)
    match run.step:
        case "prepare":
            return "Reading the picture." if len(run.pictures) == 1 else "Reading the pictures."
        case "upload":
            return "Uploading."
        case "queue":
            if run.prediction is None:
                return "Handing the edit over."
            return f"Accepted{_usually(usual)}. {MAY_CLOSE}"
        case "process":
            return f"Working{_usually(usual)}. {MAY_CLOSE}"
        case "save":
            return "Fetching the result."
        case _:
            assert_never(run.step)


MAY_CLOSE = "You may close this page; the edit goes on."


def _usually(seconds_: float | None) -> str:
    return f", usually about {max(1, round(seconds_))} s" if seconds_ else ""


def _waiting(trouble: RunError, *, spent: bool) -> str:
    if trouble.code == AmbiguousSubmit.code:
        return "The answer to the submission was lost. Nothing is sent again; looking for it."
    what = _WAITS_FOR.get(trouble.code, "WaveSpeed can't be reached.")
    return f"{what} {'The edit goes on there.' if spent else 'Nothing was spent so far.'}"


_WAITS_FOR = {
    RateLimited.code: "The account takes only so many pictures a minute, a new one 2.",
    ServerError.code: "WaveSpeed has trouble at the moment.",
    InvalidResponse.code: "WaveSpeed's answer made no sense.",
    MissingOutputs.code: "WaveSpeed says it is done, but names no picture yet.",
    PredictionNotFound.code: "WaveSpeed does not know the new edit everywhere yet.",
    FileUnavailable.code: "The picture is not at its address yet.",
}


LOOK_AGAIN = "Look again"
FETCH_AGAIN, CHECK_AGAIN = "Fetch again", "Check again"
LINKS, LINK_RUN = "Links", "Copy link to this edit, for this browser only"
LINK_PROMPT, LONGEST_LINK = "Copy link to this prompt, for anyone", 6000
NOT_YOURS = "That edit was made in another browser, or was deleted."
HISTORY, OPEN, REUSE, AS_INPUT = "History", "Open", "Use again", "Use as input"
DELETE, OLDER, NEWER = "Delete", "Older", "Newer"
DELETE_HERE, DELETE_THERE = "Delete it here", "Here and at WaveSpeed, for good"
NEXT_TRY = "Next try in"
STOPPED_WATCHING = (
    "The edit goes on at WaveSpeed and will be billed; its result will be in the history."
)


# --- Export
EXPORT, EXPORTING = "Export", "This session, to take away:"
ARCHIVE, CONTACT_SHEET = "All files, ZIP", "Contact sheet, HTML"
SHEET, NO_EDITS = "Image edits", "There is no finished edit to show."
MADE, TIME, COST = "Made", "Time", "Cost"
NO_BEFORE, COVERED_BEFORE = "The original is not here", "Flagged, left out"
LINK_ENDED = "This link has ended. Press the button on the page again for a new one."
EDITS, REFERENCES = ("1 edit", "{} edits"), ("1 reference picture", "{} reference pictures")
FLAGGED_OUT = ("1 flagged result is left out", "{} flagged results are left out")
GONE_OUT = ("1 result is no longer on the disk", "{} results are no longer on the disk")
