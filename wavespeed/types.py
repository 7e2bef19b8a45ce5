"""The values: what is asked (Edit), what is sent (Image), what comes back (Prediction, Output).
Frozen, slotted, and valid or not there."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ._error_text import error_text
from .errors import InvalidEdit, InvalidResponse

MODEL = "openai/gpt-image-1-mini/edit"
"""The model that is asked unless an edit names another."""
PRICE_USD = 0.02
"""An edit by `MODEL`, by the model's page; `AsyncClient.price` asks what it is today."""
MAX_IMAGES = 4
"""Pictures an edit takes (the model's page)."""
MAX_PROMPT = 32_000
"""Characters; OpenAI's own limit."""

TERMINAL = frozenset({"completed", "failed", "cancelled", "timeout", "deleted"})
"""Statuses after which nothing changes. An unknown status is still running (API notes)."""
SYNONYMS = {
    "succeeded": "completed",
    "success": "completed",
    "complete": "completed",
    "finished": "completed",
    "done": "completed",
    "canceled": "cancelled",
    "error": "failed",
    "errored": "failed",
}
"""Other words for these: the first and "canceled" are those of other models (API notes)."""
SIGNATURES = (
    rb"\x89PNG\r\n\x1a\n",
    rb"\xff\xd8\xff",
    rb"RIFF....WEBP",
    rb"GIF8[79]a",
    rb"....ftyp(?:avif|avis|heic|heix|mif1)",
)
"""How the files of pictures begin: text decodes as base64 by chance, but never to one of these."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: `prompt` (1 to 32,000 characters) and 1 to 4 `images`, each a local file or an
    https URL that the service can read; a plain string without "://" is a file's path.

    The first image is edited, the others are references. `model` is the service's id of the model
    that is asked; it is part of the edit, so that whoever writes an edit down also knows later
    which model's tasks to look through. The other two fields are the API's own.

    Raises `InvalidEdit`, whose `.field` names the field.
    """

    prompt: str
    images: tuple[str | Path, ...]
    sync_mode: bool = False
    base64_output: bool = False
    model: str = MODEL

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not _is_encodable(self.prompt):
            raise InvalidEdit("The prompt is no text.", field="prompt")
        self._check_options()
        files = tuple(image if is_url(image) else Path(image) for image in self.images)
        object.__setattr__(self, "images", files)
        self._check_prompt()
        self._check_images()

    def _check_options(self) -> None:
        if not (isinstance(self.sync_mode, bool) and isinstance(self.base64_output, bool)):
            raise InvalidEdit("Sync mode and base64 output are yes or no.", field="options")
        if not is_model_id(self.model):
            raise InvalidEdit("This is not the id of a model.", field="options")

    def _check_prompt(self) -> None:
        if is_blank(self.prompt):
            raise InvalidEdit("Say what should change.", field="prompt")
        if len(self.prompt) > MAX_PROMPT:
            raise InvalidEdit(
                f"The prompt has {len(self.prompt):,} characters; {MAX_PROMPT:,} is the most.",
                field="prompt",
            )

    def _check_images(self) -> None:
        if not self.images:
            raise InvalidEdit("Add a picture first.")
        if len(self.images) > MAX_IMAGES:
            raise InvalidEdit(
                f"{len(self.images)} pictures are too many; one to {MAX_IMAGES} can be sent."
            )
        for image in self.images:
            if is_url(image) and not str(image).startswith("https://"):
                raise InvalidEdit("A picture's address must begin with https://.")


_INVISIBLE = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""Spaces, control characters, what Unicode calls default ignorable (zero-width spaces and joiners,
byte-order marks, fillers, variation selectors, tags), and the empty braille pattern."""


def is_blank(prompt: str) -> bool:
    """Whether there is nothing to read in it: no model can follow it, and it would be paid for."""
    return _INVISIBLE.fullmatch(prompt) is not None


def is_model_id(text: object) -> bool:
    """Whether it has the shape of a model's id, `owner/name` or `owner/name/variant`. An id is part
    of an address, so that it holds nothing that means something there."""
    segment = r"[A-Za-z0-9][\w.\-]*"
    return (
        isinstance(text, str)
        and len(text) <= 200
        and re.fullmatch(rf"{segment}(/{segment})+", text, re.ASCII) is not None
    )


def _is_encodable(text: str) -> bool:
    """Half an emoji can't be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_url(image: str | Path) -> bool:
    """Whether an image of an edit is an address (the service fetches it) and not a local file."""
    return isinstance(image, str) and "://" in image[:12]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What was done to a picture before it was sent. `str()` says it in a line:
    "HEIC to JPEG, 4032×3024 to 2016×1512, turned upright, location removed, 1.3 MB"."""

    format_before: str
    format: str
    size_before: tuple[int, int]
    size: tuple[int, int]
    size_bytes: int
    turned: bool = False
    location_removed: bool = False
    repaired: bool = False
    """The file was damaged, and nothing one would see of it is missing."""

    @property
    def is_unchanged(self) -> bool:
        """Whether it looks like the file that it was made of, to every reader."""
        same = (self.format, self.size) == (self.format_before, self.size_before)
        return same and not self.turned and not self.repaired

    def __str__(self) -> str:
        parts = []
        if self.format != self.format_before:
            parts.append(f"{self.format_before} to {self.format}")
        before = "×".join(map(str, self.size_before))
        after = "×".join(map(str, self.size))
        parts.append(after if after == before else f"{before} to {after}")
        if self.turned:
            parts.append("turned upright")
        if self.location_removed:
            parts.append("location removed")
        if self.repaired:
            parts.append("damage repaired")
        parts.append(byte_count(self.size_bytes))
        return ", ".join(parts)


def byte_count(size_bytes: int) -> str:
    """ "640 bytes", "105 kB", "1.3 MB": decimal units, as file managers show them."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    if size_bytes < 999_500:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / 1e6:.1f} MB"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture ready to send: JPEG or PNG bytes under a harmless `name`, and what was done."""

    name: str
    content: bytes = field(repr=False)
    preprocessing: Preprocessing

    @property
    def content_type(self) -> str:
        """ "image/jpeg" or "image/png"."""
        return f"image/{self.preprocessing.format.lower()}"


@dataclass(frozen=True, slots=True)
class Output:
    """One edited picture: its `url` (lives 7 days, fetched without the key) or its `content`.

    `nsfw` is None where the service did not say, which is not the same as safe. Where it said
    something that can't be read, the picture counts as flagged, and `nsfw_unclear` is set.
    """

    url: str | None = None
    content: bytes | None = field(default=None, repr=False)
    nsfw: bool | None = None
    nsfw_unclear: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """A task at the service. Times in seconds (milliseconds on the wire), `created_at` aware.

    `code` and `message` are the envelope's, `error_code` is `data.code`: the number of a failure.
    `model` is empty where the service did not say.
    """

    id: str
    status: str
    model: str = ""
    outputs: tuple[Output, ...] = ()
    result_url: str | None = None
    created_at: datetime | None = None
    error: str = ""
    error_code: int | None = None
    execution_time: float | None = None
    inference: float | None = None
    code: int | None = None
    message: str = ""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @classmethod
    def from_id(cls, prediction_id: str) -> Prediction:
        """A task of which only the id is known. Raises `InvalidEdit` for what can't be one."""
        try:
            return cls.from_json({"id": _text(prediction_id).strip(), "status": "created"})
        except InvalidResponse as error:
            raise InvalidEdit("This is not a prediction id.", field="id") from error

    @classmethod
    def from_json(cls, body: object) -> Prediction:
        """Of an envelope, or of the bare prediction that lists and webhooks carry.

        Tolerant where the API's sources disagree, strict where a guess could lose an edit: an id
        and a status must be there. Raises `InvalidResponse`, and nothing else whatever comes in.
        """
        if not isinstance(body, dict):
            raise InvalidResponse("body")
        data = body.get("data") if "data" in body else body
        if not isinstance(data, dict):
            raise InvalidResponse("data")
        identifier = _text(data.get("id"))
        # The id becomes part of a URL, so it has to be a plain one.
        if not re.fullmatch(r"[\w.\-]{1,200}", identifier, re.ASCII) or set(identifier) == {"."}:
            raise InvalidResponse("id")
        status = _text(data.get("status")).strip().lower()
        if not status:
            raise InvalidResponse("status", prediction_id=identifier)
        return cls(
            id=identifier,
            status=SYNONYMS.get(status, status),
            model=_text(data.get("model")),
            outputs=_outputs(data),
            result_url=_text(_dict(data.get("urls")).get("get")) or None,
            created_at=_time(data.get("created_at")),
            error=error_text(data.get("error")),
            error_code=_integer(data.get("code")),
            # The list call spells it with an underscore.
            execution_time=_seconds(data.get("executionTime", data.get("execution_time"))),
            inference=_seconds(_dict(data.get("timings")).get("inference")),
            code=_integer(body.get("code")) if "data" in body else None,
            message=_text(body.get("message")) if "data" in body else "",
        )


def _outputs(data: dict[str, Any]) -> tuple[Output, ...]:
    """The pictures among the outputs; what is none must not hide the others."""
    items = data.get("outputs") or []
    if not isinstance(items, list):
        items = [items]
    flags = _flags(data.get("has_nsfw_contents"), len(items))
    outputs = (_output(item, flag) for item, flag in zip(items, flags, strict=True))
    return tuple(output for output in outputs if output)


_Flag = bool | Literal["unreadable"] | None


def _flags(value: object, count: int) -> list[_Flag]:
    """One for each output. Fewer than outputs: the missing ones are "not checked". A single one,
    outside of a list, counts for all."""
    if not isinstance(value, list):
        return [_flag(value)] * count
    flags = [_flag(item) for item in value[:count]]
    return flags + [None] * (count - len(flags))


def _flag(value: object) -> _Flag:
    if value is None:
        return None
    word = value.strip().lower() if isinstance(value, str) else value
    for flag, words in ((True, (True, "true", "1", "yes")), (False, (False, "false", "0", "no"))):
        if word in words:  # The numbers 1 and 0 are equal to True and False.
            return flag
    return "unreadable"


def _output(item: object, flag: _Flag) -> Output | None:
    """An address, base64, or an object that has one of them as its `url`, as other models send."""
    if isinstance(item, dict):
        item = item.get("url")
    if not isinstance(item, str):
        return None
    item = item.strip()
    unclear = flag == "unreadable"
    nsfw = True if flag == "unreadable" else flag
    if item.lower().startswith(("http://", "https://")):
        return Output(url=item, nsfw=nsfw, nsfw_unclear=unclear) if _has_host(item) else None
    content = _picture(item)
    return Output(content=content, nsfw=nsfw, nsfw_unclear=unclear) if content else None


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _picture(text: str) -> bytes | None:
    """Of bare base64 (documented); a data URI's prefix is accepted all the same."""
    bare = "".join((text.partition("base64,")[2] or text).split())
    bare += "=" * (-len(bare) % 4)  # Some encoders leave the padding out.
    try:
        content = base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        return None
    if any(re.match(signature, content, re.DOTALL) for signature in SIGNATURES):
        return content
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(milliseconds: object) -> float | None:
    """None for what is no duration. The service sends 0 while it does not know yet."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 < milliseconds < 1e9 else None


def _time(value: object) -> datetime | None:
    """Nine decimals on the wire, six in Python; without a zone it is not a moment."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", _text(value))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
