"""What goes out as it is, byte for byte, what does not, and under which name."""

from __future__ import annotations

import pytest

from tests.support.pictures import (
    Folder,
    animated,
    clear_left,
    decode,
    encode,
    exif,
    flag,
    grey,
    padded,
    with_segment,
)
from wavespeed import types
from wavespeed.images import MAX_BYTES, MAX_EDGE, prepare

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


@pytest.mark.parametrize(
    "content",
    [
        encode(flag(), "JPEG", quality=40),
        encode(flag(), "JPEG", progressive=True, comment="by hand"),
        encode(flag().convert("L"), "JPEG"),
        encode(flag(), "JPEG", exif=exif(orientation=1)),
        encode(flag(), "PNG"),
        encode(flag().convert("L"), "PNG"),
        encode(flag().convert("1"), "PNG"),
        encode(flag().quantize(8), "PNG"),
        encode(clear_left(flag()), "PNG"),
        encode(clear_left(flag().convert("L")), "PNG"),
        encode(flag(), "PNG", exif=exif(orientation=1)),
        encode(flag((MAX_EDGE, 30)), "PNG"),
        encode(flag((30, MAX_EDGE)), "JPEG"),
        padded(encode(flag(), "JPEG"), MAX_BYTES),
        with_segment(encode(flag(), "JPEG"), 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
    ],
)
def test_a_picture_that_is_ready_goes_out_byte_for_byte(folder: Folder, content: bytes):
    image = folder.prepared(content)

    assert image.content == content
    assert image.preprocessing == types.Preprocessing(
        format_before=image.preprocessing.format,
        format=image.preprocessing.format,
        size_before=decode(content).size,
        size=decode(content).size,
        size_bytes=len(content),
    )


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (encode(flag((MAX_EDGE + 1, 40)), "JPEG"), (2048, 40)),
        (encode(flag((40, MAX_EDGE + 1)), "PNG"), (40, 2048)),
        (padded(encode(flag(), "JPEG"), MAX_BYTES + 1), (64, 48)),
        (encode(flag().convert("CMYK"), "JPEG"), (64, 48)),
        (encode(grey("I;16", 65535), "PNG"), (64, 16)),
        (animated("PNG"), (64, 48)),
        (animated("MPO"), (64, 48)),
        (encode(flag(), "JPEG", exif=exif(orientation=3)), (64, 48)),
        (encode(flag(), "JPEG") + b"more", (64, 48)),
        (encode(flag(), "PNG") + b"more", (64, 48)),
    ],
)
def test_a_picture_that_is_nearly_ready_does_not(
    folder: Folder, content: bytes, size: tuple[int, int]
):
    image = folder.prepared(content)

    assert image.content != content
    assert decode(image.content).size == image.preprocessing.size == size


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../x.jpg\n", "x.jpg"),
        ("C:\\Users\\me\\My cat.HEIC", "My-cat.jpg"),
        ("Kätzchen.png", "Katzchen.jpg"),
        ("猫.jpg", "picture.jpg"),
        ("a.tar.gz", "a-tar.jpg"),
        (".jpg", "jpg.jpg"),
        ("..", "picture.jpg"),
        ('x";\r\nX-Evil: 1.jpg', "x-X-Evil-1.jpg"),
        ("\u202egpj.exe", "gpj.jpg"),
        ("photos/", "The-picture.jpg"),
    ],
)
def test_names_become_harmless(folder: Folder, name: str, harmless: str):
    assert prepare(folder.file(encode(flag(), "JPEG")), name).name == harmless


def test_a_long_name_becomes_short(folder: Folder):
    image = prepare(folder.file(encode(clear_left(flag()), "PNG")), "x" * 5000 + ".jpg")

    assert len(image.name) <= 64
    assert image.name.endswith(".png")
