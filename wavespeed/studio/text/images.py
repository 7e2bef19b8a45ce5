"""What is said of pictures: what each is for, what its recipe says, what became of its shape."""

from __future__ import annotations

import re

from wavespeed import MAX_PROMPT
from wavespeed.studio.runs.run import OutputFile

EDITED, REFERENCE = "{} Edited", "{} Reference"
"""What a picture is for, with its place from 1; and what can be done with it."""
MENTION, REMOVE = "Put “image {}” into the prompt", "Take picture {} away"
MOVE_LEFT, MOVE_RIGHT = "Move picture {} forward", "Move picture {} back"


def made_here_with(prompt: str) -> str:
    """Said of a picture that has its recipe in it."""
    prompt = " ".join(prompt.split())
    return f"Made here with “{prompt if len(prompt) <= 120 else prompt[:119] + '…'}”."


def missing_inputs(numbers: list[int]) -> str:
    """Said when a recipe's pictures are not all here."""
    which = ", ".join(map(str, numbers))
    return (
        f"Picture{'s' * (len(numbers) > 1)} {which} of that edit can't be found; drop them again."
    )


_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_NAMED = re.compile(
    r"\b(?:image|picture|photo)s? ?(#?\d{1,2}\b(?:(?: ?, ?| ?& ?| and | or )#?\d{1,2}\b)*)"
    rf"|\b(\d(?=st|nd|rd|th)|{'|'.join(_ORDINALS)})(?:st|nd|rd|th)? (?:image|picture|photo)\b",
    re.IGNORECASE,
)


def missing_image_hint(prompt: str, count: int) -> str:
    """Told where a prompt names a picture that is not there. One that is too long to be sent is not
    searched, which takes its time: that it is too long is told instead."""
    if len(prompt) > MAX_PROMPT:
        return f"The prompt has {len(prompt):,} characters; {MAX_PROMPT:,} is the most."
    found = {
        int(number) if number.isdigit() else _ORDINALS[number.lower()]
        for numbers, word in _NAMED.findall(prompt)
        for number in re.findall(r"\d+", numbers) or [word]
    }
    missing = sorted(number for number in found if number > count or number < 1)
    if not missing or not count:
        return ""
    there = "there is only one" if count == 1 else f"there are {count}"
    return f"The prompt names image {', '.join(map(str, missing))}; {there}."


def shape_changed(width: int, height: int, result: OutputFile) -> str:
    """Told where a result has another shape than the picture it was made of."""
    before, after = width / height, result.width / result.height
    if abs(before / after - 1) < 0.02:
        return ""
    shapes = f"Your picture is {_shape(before)}, the result {_shape(after)}"
    return f"{shapes}; edges may be cropped or invented."


def _shape(ratio: float) -> str:
    for width, height in ((1, 1), (5, 4), (4, 3), (3, 2), (16, 10), (16, 9), (2, 1), (21, 9)):
        for one, other in ((width, height), (height, width)):
            if abs(ratio / (one / other) - 1) < 0.015:
                return f"{one}:{other}"
    return f"{ratio:.2f}:1" if ratio >= 1 else f"1:{1 / ratio:.2f}"
