"""Whether a file tells a place is found in its metadata, in time that grows with its size alone."""

from __future__ import annotations

import io
import re
import struct
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.support import hostile
from wavespeed import _image_metadata, prepare, types
from wavespeed.errors import InvalidEdit
from wavespeed.studio.runs.metadata import EditMetadata, read, write

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")
whatever = settings(max_examples=100, deadline=None, database=None)
LATITUDE = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="64,8.796N"/></x:xmpmeta>'
XMP = b"http://ns.adobe.com/xap/1.0/\0"
HALF = 4_000_000


def located(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        return _image_metadata.tells_place(picture, content)


# --- Right ----------------------------------------------------------------------------------

HARMLESS = st.tuples(
    st.sampled_from([0xE0, 0xE2, 0xEC, 0xED, 0xFE]),
    st.binary(max_size=200).filter(
        lambda data: not re.search(rb"\x25\x88|\x88\x25|\x1c\x02", data)
    ),
)
PLACES = st.sampled_from(
    [
        (0xE1, XMP + LATITUDE),
        (0xFE, b"Latitude 64.1466"),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0e\x1c\x02\x5a\0\x09Reykjavik"),
        (0xE1, b"Exif\0\0" + struct.pack("<HHLL", 0x8825, 4, 1, 26)),
    ]
)


@whatever
@given(st.lists(HARMLESS, max_size=20), st.one_of(st.none(), PLACES), st.integers(0, 20))
def test_a_place_is_found_among_any_segments_and_nowhere_else(
    segments: list[tuple[int, bytes]], place: tuple[int, bytes] | None, number: int
) -> None:
    if place is not None:
        segments.insert(number, place)
    plain = hostile.jpeg()
    body = b"".join(hostile.segment(marker, payload) for marker, payload in segments)
    content = plain[:2] + body + plain[2:]

    with Image.open(io.BytesIO(plain)) as picture:
        assert _image_metadata.tells_place(picture, content) == (place is not None)


@whatever
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.builds(lambda n: b"8BIM\x04\x04\0\0" + n.to_bytes(4), st.integers(0, 60)),
            st.just(b"\x1c\x02\x5a"),
            st.sampled_from([b"\x1c", b"\x02", b"\x5a"]),
        ),
        max_size=30,
    )
)
def test_a_dataset_is_found_just_where_some_block_covers_it(pieces: list[bytes]) -> None:
    said = b"".join(pieces)
    blocks = re.finditer(rb"(?s)8BIM\x04\x04\0\0(.{4})", said)
    expected = any(
        _image_metadata.PLACE_DATASETS.search(
            said, block.end(), block.end() + int.from_bytes(block[1])
        )
        for block in blocks
    )

    assert _image_metadata._has_place_dataset(said) == expected


@whatever
@given(st.binary(max_size=300))
def test_any_bytes_are_walked_to_their_end(rest: bytes) -> None:
    jpeg, png = b"\xff\xd8" + rest, hostile.PNG + rest

    covered = [(begin, end) for _, begin, end in _image_metadata.jpeg_segments(jpeg)]
    chunks = [(begin, end) for _, begin, end in _image_metadata.png_chunks(png)]

    for spans, length in ((covered, len(jpeg)), (chunks, len(png))):
        assert all(0 <= begin <= end <= length for begin, end in spans)
        assert spans == sorted(spans)


def test_an_iptc_block_longer_than_a_segment_is_put_together(tmp_path: Path) -> None:
    plain = hostile.jpeg()
    block = b"8BIM\x04\x04\0\0" + struct.pack(">L", 70_014) + bytes(70_000) + b"\x1c\x02\x5a\0\x09"
    parts = [hostile.segment(0xED, b"Photoshop 3.0\0" + block[at:][:60_000]) for at in (0, 60_000)]

    assert located(plain[:2] + b"".join(parts) + plain[2:])


# --- Where it may say so --------------------------------------------------------------------


def result(kind: str, prompt: str) -> bytes:
    """A result as the studio writes it."""
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, kind)
    made_at = datetime(2026, 11, 28, tzinfo=UTC)
    return write(out.getvalue(), EditMetadata(prompt, types.MODEL, "abc", made_at))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "prompt", ["show the latitude", 'a "latitude" & <longitude>', "latitude " * 600, "Latitude"]
)
def test_a_prompt_about_latitudes_is_no_place(tmp_path: Path, kind: str, prompt: str) -> None:
    path = tmp_path / "result"
    path.write_bytes(result(kind, prompt))

    image = prepare(path)

    assert not image.preprocessing.location_removed
    assert (image.content == path.read_bytes()) == (kind != "WEBP")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_others_wrote_beside_our_recipe_is_still_found(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result"
    ours = result(kind, "latitude")
    assert b"xmp:CreatorTool=" in ours
    path.write_bytes(ours.replace(b"xmp:CreatorTool=", b"Gps:Latitude1=  "))
    if kind == "PNG":  # The checksum of what was changed.
        path.write_bytes(with_right_checksums(path.read_bytes()))

    assert prepare(path).preprocessing.location_removed


def with_right_checksums(png: bytes) -> bytes:
    chunks = _image_metadata.png_chunks(png)
    return hostile.PNG + b"".join(hostile.chunk(kind, png[a:b]) for kind, a, b in chunks)


def test_pixels_are_no_words(tmp_path: Path) -> None:
    header = struct.pack(">LLBBBBB", 8, 1, 8, 0, 0, 0, 0)
    pixels = hostile.chunk(b"IDAT", zlib.compress(b"\0latitude", 0))
    path = tmp_path / "words.png"
    end = hostile.chunk(b"IEND", b"")
    path.write_bytes(hostile.PNG + hostile.chunk(b"IHDR", header) + pixels + end)
    assert b"latitude" in path.read_bytes()

    assert prepare(path).content == path.read_bytes()


def test_a_second_packed_text_of_the_same_name_is_read_too(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("where", "Latitude 64.1466", zip=True)
    info.add_text("where", "nowhere", zip=True)
    path = tmp_path / "two.png"
    Image.new("RGB", (9, 9)).save(path, pnginfo=info)

    assert prepare(path).preprocessing.location_removed


# --- Fast -----------------------------------------------------------------------------------


def png_of(*chunks: bytes) -> bytes:
    header = struct.pack(">LLBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return hostile.PNG + hostile.chunk(b"IHDR", header) + b"".join(chunks)


HOSTILE = {
    "IPTC blocks of 2 GB": hostile.iptc_bomb,
    "IPTC blocks of nothing": lambda n: hostile.filled(n, 0xED, b"8BIM\x04\x04\0\0\0\0\0\0"),
    "recipes without an end": lambda n: hostile.filled(n, 0xE1, b'edit:recipe="'),
    "descriptions without an end": lambda n: hostile.filled(
        n, 0xE1, _image_metadata.OWN_PACKET + b"<dc:description>"
    ),
    "half a pointer": lambda n: hostile.filled(n, 0xE1, b"\x25\x88\x04\0\1\0\0"),
    "tiny segments": lambda n: b"\xff\xd8" + b"\xff\xe4\0\2" * (n // 4),
    "padding": lambda n: b"\xff\xd8" + b"\xff" * n,
    "escaped padding": lambda n: b"\xff\xd8" + b"\xff\0" * (n // 2),
    "headers": lambda n: png_of(hostile.chunk(b"IHDR", bytes(13)) * (n // 25)),
    "tiny chunks": lambda n: png_of(hostile.chunk(b"aaAa", b"") * (n // 12)),
    "packed texts": lambda n: png_of(
        hostile.chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(900_000))) * (n // 900)
    ),
}


def processor_seconds(path: Path) -> float:
    begin = time.process_time()
    with suppress(InvalidEdit):
        prepare(path)
    read(path)
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_of_twice_the_size_takes_twice_the_time(tmp_path: Path, kind: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(HOSTILE[kind](HALF))
    two.write_bytes(HOSTILE[kind](2 * HALF))

    half = min(processor_seconds(one) for _ in range(3))
    whole = min(processor_seconds(two) for _ in range(3))

    # Of quadratic time it would be four times; what takes no time at all has no ratio.
    assert whole < 3 * half + 0.1, f"{half:.2f} s and {whole:.2f} s"
