"""Whether the service's "no" is about the model that was asked. Pure.

What it says of a model that is switched off or unknown is hardly documented: HTTP 400 "model not
found" was seen, 404 is documented, and 410 is what HTTP has for it. So the words decide, wherever
in the answer they stand, and of a submission two statuses as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .errors import ApiError, ModelNotFound

_GONE = {404, 410}
"""Of a submission, whose address holds nothing but the model's id, these are about the model."""
_UNFIT = {400, 404, 410, 422, 1400, 1401}
"""Statuses, or codes in a body, that are about the model if the words say so."""
_MAX_ANSWER_BYTES = 20_000
_MAX_TEXT = 2_000
"""What is looked through, of the answer and of each text in it; an error is short."""

_NAME = r"(?:it|(?=[\w./-]{0,80}[\d/])[\w./-]{1,120})"
"""A model's id, or a part of it; `it` stands for the one that was asked."""
_SAYS_SO = re.compile(
    r"\b(?:unknown|no such|nonexistent|invalid|unsupported)[ _-]model(?:[ _-](?:id|name))?\b"
    r"(?![ _-]*(?:parameter|input|field|option|output|response))"
    r"|\b(?:could not|cannot|can't) find (?:the )?model\b"
    r"|model(?:[ _-](?:id|name))?"
    rf"""[ :=("'`]*(?:{_NAME}[)"'`,]*)?[ _-]*"""
    r"(?:(?:is|was|has|have|been|be|could|can|does|do|did|currently|already) )*"
    r"(?:not[ _-]found|not exist|doesn['’]?t exist|not supported|unknown|no longer|deprecated"
    r"|retired|removed|gone\b|discontinued|decommissioned|disabled|offline|shut ?down|switched off"
    # What an account may not use is another matter.
    r"|not available(?! (?:with|for|on|in|to|at|right)\b))",
    re.IGNORECASE,
)


def about_model(
    error: ApiError, content: bytes, model: str, *, submitted: bool
) -> ModelNotFound | None:
    """The refusal as what it is, if it is about the model. `submitted` says that a submission was
    refused, and not a question about the model."""
    # A type of its own tells more already: no credit, moderation, a key.
    if type(error) is not ApiError:
        return None
    numbers = {error.status, error.service_code}
    gone = submitted and bool(numbers & _GONE)
    if gone or (numbers & _UNFIT and _says_so(content[:_MAX_ANSWER_BYTES], model)):
        return ModelNotFound(model, status=error.status, service_code=error.service_code)
    return None


def _says_so(content: bytes, model: str) -> bool:
    return any(_SAYS_SO.search(text.replace(model, "it")[:_MAX_TEXT]) for text in _texts(content))


def _texts(content: bytes) -> Iterator[str]:
    """Each text of an answer by itself; all of it where it is not JSON."""
    text = content.decode(errors="replace")
    try:
        yield from _strings(json.loads(text))
    except (ValueError, RecursionError):
        yield re.sub(r"<[^>]*>", " ", text)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)
