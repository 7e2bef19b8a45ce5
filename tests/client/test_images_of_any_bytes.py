"""Whatever the bytes: an image that can be opened, or a refusal."""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.test_image_locations import LOCATED
from tests.support.pictures import KINDS, decode
from wavespeed import types
from wavespeed.errors import InvalidEdit
from wavespeed.images import MAX_EDGE, prepare

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


SAMPLES = [make() for _, make in KINDS.values()] + list(LOCATED.values())
BEGINNINGS = [sample[:16] for sample in SAMPLES] + [b"", b"II+\0", b"\0\0\0\x18ftypmif1"]
SCRATCH = tempfile.TemporaryDirectory()
whatever = settings(max_examples=150, deadline=None, database=None)


def attempt(path: Path) -> types.Image | InvalidEdit:
    try:
        return prepare(path)
    except InvalidEdit as error:
        return error


def survives(content: bytes) -> None:
    """An image that can be opened, or `InvalidEdit`; nothing else, and no warning."""
    path = Path(SCRATCH.name, "whatever.jpg")
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=r"PIL\.")
        outcome = attempt(path)
    assert not heard
    if isinstance(outcome, InvalidEdit):
        assert re.fullmatch("“whatever.jpg” .*[.]", str(outcome))
        return
    picture = decode(outcome.content)
    assert picture.format == outcome.preprocessing.format
    assert picture.size == outcome.preprocessing.size
    assert max(picture.size) <= MAX_EDGE


@whatever
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_refused(beginning: bytes, rest: bytes):
    survives(beginning + rest)


@whatever
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_any_damage_to_a_picture_is_survived(
    sample: bytes, flips: list[tuple[float, int]], kept: float
):
    content = bytearray(sample)
    for place, value in flips:
        # Squared, so that most of the damage is where the structure is.
        content[int(place**2 * len(content))] = value

    survives(bytes(content[: int(kept * len(content))]))
