"""The service's own words for what went wrong, wherever an answer holds them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST = 2000
"""Characters of an answer that is no JSON and may still be a sentence."""
_NAMES = ("error", "message", "msg", "detail", "details", "errors", "error_description", "title")
"""Where a sentence can stand, the likeliest first: the documented names, and those of the web's
usual frameworks and gateways."""
_NOTHING = ("", "success", "ok", "null", "none")
_DEPTH = 4


def error_text(value: object, depth: int = _DEPTH) -> str:
    """The first sentence in the value: a text, the first field of an object that has one (`data`
    last, which may be the task), or all of a list. Empty where there is none."""
    if isinstance(value, str):
        return "" if value.strip().lower() in _NOTHING else value.strip()
    if not depth:
        return ""
    if isinstance(value, Mapping):
        found = (error_text(value.get(name), depth - 1) for name in (*_NAMES, "data"))
        # A text in `data` itself is data, not a complaint.
        return next((text for text in found if text), "")
    if isinstance(value, list):
        texts = (error_text(item, depth - 1) for item in value[:10])
        return "; ".join(dict.fromkeys(text for text in texts if text))
    return ""


def plain_text(content: bytes) -> str:
    """A body that is no JSON, where it is a short sentence; a gateway's page of HTML is none."""
    try:
        text = content[:LONGEST].decode().strip()
    except UnicodeDecodeError:
        return ""
    return "" if re.search(r"[<>{}\[\]\0]", text) else text
