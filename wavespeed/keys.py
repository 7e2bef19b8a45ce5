"""An API key as people paste it: what is taken off, what it can't be, and how it is hidden."""

from __future__ import annotations

import re
import unicodedata

from .types import is_blank

PAIRS = "\"'`“”„‟‘’‚‛«»‹›"
"""Quotes that text editors, chats and shells put around a key."""
_WORDS = re.compile(
    r"(?i)^(?:(?:proxy-)?authorization\s*[:=]\s*|x-api-key\s*[:=]\s*|bearer(?:\s+|$))"
)
"""What documentation shows before a key, and is copied along."""
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Mn", "Me", "Zs", "Zl", "Zp"}
"""Unicode's categories of what shows nothing, or only on its neighbour."""
_LONG = 8
"""Characters from which on a key does not stand in other words by chance."""


def clean(pasted: str) -> str:
    """The key in what was pasted: no byte-order mark or other invisible character, no space around
    it (no-break ones neither), no quotes, no "Authorization:", no "Bearer"."""
    text = pasted
    while (bare := _strip_layer(text)) != text:
        text = bare
    return text


def _strip_layer(text: str) -> str:
    """One layer less."""
    text = "".join(letter for letter in _as_text(text) if unicodedata.category(letter) != "Cf")
    return _WORDS.sub("", text.strip().strip(PAIRS).strip())


def problem(key: str) -> str:
    """Why a cleaned key can't be one, as a sentence without it; empty where it can."""
    if re.fullmatch(r"[\x21-\x7e]+", key):
        return ""
    sentence = "This is not a WaveSpeed API key."
    letters = key.replace(" ", "")
    if any(unicodedata.category(letter) in _UNSEEN or is_blank(letter) for letter in letters):
        return f"{sentence} There is an invisible character in it."
    return sentence


def redact(text: str, key: str) -> str:
    """The text without the key. One of a few letters is no secret, and only looked for as a word
    of its own: else what is said would be full of holes."""
    if len(key) >= _LONG:
        return text.replace(key, "[key]")
    return re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "[key]", text) if key else text


def _as_text(pasted: str) -> str:
    """HTTP's headers come as Latin-1, where a byte-order mark is three letters."""
    try:
        return pasted.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return pasted
