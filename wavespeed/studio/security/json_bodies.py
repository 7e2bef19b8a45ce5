"""What a JSON body holds, looked at before parsing it costs what its sender wants it to cost."""

from __future__ import annotations

import json

MAX_VALUES = 20_000
"""In one body. A batch of fifty pictures has some thousand. Twenty megabytes of `[],` took half a
minute of the loop and 2.3 GB of memory."""


def has_too_many_values(body: bytes | bytearray) -> bool:
    """Whether parsing would make more than `MAX_VALUES` of it, as far as commas and brackets tell.
    Blocking, linear, and quick: of what stands in a string nothing counts."""
    if _separators(body) <= MAX_VALUES:
        return False
    if b"\0" in body:  # Of UTF-16, which `json` reads as well, quotes say nothing.
        return True
    values = position = 0
    while values <= MAX_VALUES:
        start = body.find(b'"', position)
        between = body[position:] if start < 0 else body[position:start]
        values += 1 + _separators(between)
        if start < 0:
            break
        position, quotes = _string_end(body, start, MAX_VALUES)
        values += quotes
    return values > MAX_VALUES


def session_hash_of(body: bytes | bytearray) -> str | None:
    """Gradio's session hash in a call, as Gradio will read it. Blocking."""
    if b"session_hash" not in body and b"\\u" not in body and b"\0" not in body:
        return None  # Mostly pictures, which need not be parsed twice.
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return None  # Gradio will refuse it.
    found = call.get("session_hash") if isinstance(call, dict) else None
    return found if isinstance(found, str) else None


def _separators(part: bytes | bytearray) -> int:
    return part.count(b",") + part.count(b"[") + part.count(b"{")


def _string_end(body: bytes | bytearray, start: int, most: int) -> tuple[int, int]:
    """Where the string that begins there is over, and how many quotes it holds, `most` of which
    are looked at."""
    end, quotes = start, 0
    while quotes <= most:
        end = body.find(b'"', end + 1)
        if end < 0:
            return len(body), quotes
        before = end
        while body[before - 1] == ord("\\"):
            before -= 1
        if (end - before) % 2 == 0:
            break
        quotes += 1
    return end + 1, quotes
