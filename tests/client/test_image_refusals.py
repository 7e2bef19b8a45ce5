"""What is no picture, or too much of one, is refused in a sentence that names the file."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from tests.support.pictures import KINDS, Folder, chunk, decode, encode, flag, is_flag, refusal
from wavespeed.images import MAX_FILE_BYTES, MAX_PIXELS, prepare

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


def png_header(width: int, height: int, *more: bytes) -> bytes:
    header = struct.pack(">LLBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(b"x")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def bomb_in_a_moving_png() -> bytes:
    """Pillow fills the canvas of it (14 GB) while it opens the file."""
    frame = struct.pack(">LLLLLHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 1, 0)
    moving = (chunk(b"acTL", struct.pack(">LL", 2, 0)), chunk(b"fcTL", frame))
    second = struct.pack(">LLBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    return png_header(9, 9, chunk(b"IHDR", second), *moving)


def resized(content: bytes, marker: bytes, after: int, packed: bytes) -> bytes:
    """With another size in its header."""
    place = content.index(marker) + len(marker) + after
    return content[:place] + packed + content[place + len(packed) :]


HUGE = "has more than 100 megapixels"
UNKNOWN = "is no JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, or is damaged"
DAMAGED = "is damaged or incomplete"
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"Hello, I am a cat.", UNKNOWN),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNKNOWN),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNKNOWN),
    "PDF": (b"%PDF-1.7\n", UNKNOWN),
    "PSD": (b"8BPS\0\x01" + bytes(40), UNKNOWN),
    "beginning of a PNG": (encode(flag(), "PNG")[:20], DAMAGED),
    "beginning of a JPEG": (encode(flag(), "JPEG")[:30], DAMAGED),
    "half a JPEG": (encode(flag((400, 300)), "JPEG", quality=99)[:1800], DAMAGED),
    "half a PNG": (encode(flag(), "PNG")[:100], DAMAGED),
    "huge PNG": (png_header(60_000, 60_000), HUGE),
    "huge PNG, just": (png_header(10_000, 10_001), HUGE),
    "huge moving PNG": (bomb_in_a_moving_png(), HUGE),
    "huge JPEG": (
        resized(
            encode(flag(), "JPEG"), b"\xff\xc0\0\x11\x08", 0, struct.pack(">HH", 65_000, 65_000)
        ),
        HUGE,
    ),
    "huge GIF": (
        resized(encode(flag(), "GIF"), b"GIF87a", 0, struct.pack("<HH", 12_000, 9000)),
        HUGE,
    ),
    "huge BMP": (resized(encode(flag(), "BMP"), b"BM", 16, struct.pack("<LL", 12_000, 9000)), HUGE),
    "PNG of no width": (png_header(0, 10), "has a side of zero pixels"),
    "BMP of no width": (resized(encode(flag(), "BMP"), b"BM", 16, struct.pack("<L", 0)), UNKNOWN),
    "GIF of no frames": (b"GIF89a\x01\0\x01\0\0\0\0;", UNKNOWN),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_picture_is_refused_by_name(folder: Folder, kind: str):
    content, why = HOSTILE[kind]

    assert refusal(folder.file(content)) == f"“cat.jpg” {why}."


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_picture_is_refused(folder: Folder, kind: str):
    content = KINDS[kind][1]()
    # What follows the first picture of several is never looked at.
    content = content[: len(content) // (4 if "anim" in kind or "second" in kind else 2)]
    if kind == "TIFF of pages":
        content = content[:2000]

    assert "damaged" in refusal(folder.file(content))


@pytest.mark.parametrize(
    "path", ["absent.jpg", ".", "cat.jpg/in-a-file.jpg", "x" * 400 + ".jpg", "nul\0.jpg"]
)
def test_what_is_no_file_is_refused(folder: Folder, path: str):
    folder.file(b"not empty")

    sentence = refusal(folder.path / path, "dog.jpg")

    assert sentence in ("“dog.jpg” is no file, or no longer there.", "“dog.jpg” can't be read.")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_or_a_device_is_not_waited_for(folder: Folder):
    os.mkfifo(folder.path / "pipe.jpg")

    assert refusal(folder.path / "pipe.jpg") == "“pipe.jpg” is no file, or no longer there."
    assert refusal(Path("/dev/zero")) == "“zero” is no file, or no longer there."


@contextmanager
def nobody() -> Iterator[None]:
    """For root, who may read everything, as somebody else."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no such rights")
def test_a_file_that_may_not_be_read_is_refused():
    with TemporaryDirectory() as folder:  # One that others may look into, unlike pytest's.
        os.chmod(folder, 0o755)
        path = Path(folder, "cat.jpg")
        path.write_bytes(encode(flag(), "JPEG"))
        assert is_flag(decode(prepare(path).content))
        path.chmod(0)

        with nobody():
            assert refusal(path) == "“cat.jpg” can't be read."


def test_a_file_of_50_mb_is_read_and_no_byte_more(folder: Folder):
    path = folder.file(encode(flag(), "BMP"))
    os.truncate(path, MAX_FILE_BYTES)
    assert is_flag(decode(prepare(path).content))

    os.truncate(path, MAX_FILE_BYTES + 1)

    assert refusal(path) == "“cat.jpg” is larger than 50 MB."


@pytest.mark.slow
def test_a_hundred_megapixels_are_opened(folder: Folder):
    assert MAX_PIXELS == 10_000**2

    image = folder.prepared(encode(Image.new("L", (10_000, 10_000)), "JPEG"))

    assert image.preprocessing.size == (2048, 2048)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (None, "cat.jpg"),
        ("/etc/secret-folder/dog.jpg", "dog.jpg"),
        ("C:\\secret-folder\\dog.jpg", "dog.jpg"),
        ("do\ng\x1b[31m\u202e.jpg\udcff", "dog[31m.jpg"),
        ("x" * 500 + ".jpg", "x" * 44 + "…" + "x" * 11 + ".jpg"),
        ("\n", "The picture"),
    ],
)
def test_a_refusal_names_the_file_for_people(folder: Folder, name: str | None, shown: str):
    assert refusal(folder.file(b""), name) == f"“{shown}” is empty."


def test_too_little_memory_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object) -> None:
        raise MemoryError

    path = folder.file(encode(flag(), "BMP"))
    monkeypatch.setattr(Image.Image, "resize", exhausted)

    assert refusal(path) == "“cat.jpg” needs more memory than there is."
