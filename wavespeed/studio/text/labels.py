"""What buttons, fields and hints say. One voice for all that a person reads: what happened, whether
it cost money, what to do. No codes, no "please", no exclamation marks.
"""

from __future__ import annotations

from wavespeed import MAX_IMAGES
from wavespeed.studio.runs.run import Step

from .formatting import dollars, priced

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


def body_too_large(most: str) -> str:
    """Said of a request that brings more than it may."""
    return f"This request is too large: it may hold {most}. Nothing was done, and nothing spent."


def wrong_passwords(wait: int) -> str:
    """Said to who has tried too many passwords."""
    return f"Too many passwords were tried. Try again in {wait} s."


def budget(usd: float) -> str:
    """Said where a Space has a limit that its owner has not set."""
    return f"All visitors together can spend {dollars(usd)} a day here."


def resend_label(price_usd: float | None) -> str:
    """The button that sends the same edit once more."""
    return priced("Again", price_usd)


def variant(number: int) -> str:
    return f"Variant {number}"


def version(number: int) -> str:
    """A step of the way from the original, 0."""
    return f"Version {number}" if number else "Original"


def resume_label(count: int, usd: float | None) -> str:
    """The button that resumes a batch."""
    return priced(f"Go on with the other {count}", usd, "  ")


def retry_label(count: int, usd: float | None) -> str:
    """The button that tries failed edits of a batch again."""
    what = "the one that failed" if count == 1 else f"the {count} that failed"
    return f"Try {what} again  for nothing" if usd == 0 else priced(f"Try {what} again", usd, "  ")


def all_of_group(count: int) -> str:
    """From one picture of a batch or of variants back to all of them."""
    return f"All {count} of these"


def today(spent: float) -> str:
    """What a visitor spent in this UTC day."""
    return f"{dollars(spent)} today"


def session(edits: int, spent: float) -> str:
    """What a visitor's session came to, as far as the prices are known."""
    return f"This session: {edits} edit{'s' * (edits != 1)}, {dollars(spent)}"


def balance(usd: float) -> str:
    """What the account holds, for its owner."""
    return f"Balance {dollars(usd)}"


MAY_CLOSE = "You may close this page; the edit goes on."


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
