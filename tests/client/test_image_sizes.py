"""Which way up a picture is, and how large, when it leaves the machine."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from tests.support.pictures import RED, Folder, close, decode, encode, exif, flag, is_flag
from wavespeed.images import MAX_EDGE

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


INVERSE = {  # How a camera that noted this orientation stored what was upright.
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", INVERSE)
def test_a_turned_picture_comes_out_upright(folder: Folder, format: str, orientation: int):
    stored = flag().transpose(INVERSE[orientation])

    image = folder.prepared(encode(stored, format, exif=exif(orientation=orientation)))

    assert is_flag(decode(image.content))
    assert decode(image.content).size == (64, 48)
    assert image.preprocessing.size_before == (64, 48), "as people see it"
    assert image.preprocessing.turned
    assert "64×48, turned upright, " in str(image.preprocessing)


@pytest.mark.parametrize("orientation", INVERSE)
def test_a_turned_heic_is_turned_once(folder: Folder, orientation: int):
    # pillow-heif notes a turn twice, in the HEIC and in its EXIF, as phones do.
    stored = flag().transpose(INVERSE[orientation])

    image = folder.prepared(
        encode(stored, "HEIF", exif=exif(orientation=orientation).tobytes(), quality=95)
    )

    assert is_flag(decode(image.content))
    assert image.preprocessing.size_before == (64, 48)
    assert image.preprocessing.turned


def test_a_large_picture_is_turned_and_reduced(folder: Folder):
    stored = flag((3000, 4000)).transpose(INVERSE[8])

    image = folder.prepared(encode(stored, "JPEG", exif=exif(orientation=8, place="")))

    assert is_flag(decode(image.content))
    said = str(image.preprocessing)
    assert said.startswith("3000×4000 to 1500×2000, turned upright, location removed, ")


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_other_orientations_are_upright(folder: Folder, orientation: int):
    content = encode(flag(), "JPEG", exif=exif(orientation=orientation))

    assert folder.prepared(content).content == content


@pytest.mark.parametrize(
    "block", [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_is_no_reason_to_lose_a_picture(folder: Folder, block: bytes):
    content = encode(flag(), "JPEG", exif=b"Exif\0\0" + block)

    image = folder.prepared(content)

    assert is_flag(decode(image.content))
    assert not image.preprocessing.turned


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((20_000, 1), (2048, 1)),
        ((1, 20_000), (1, 2048)),
        ((6000, 2), (2048, 1)),
        ((4096, 1000), (2048, 500)),
        ((2600, 1300), (2048, 1024)),
        ((1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("format", ["BMP", "JPEG"])
def test_the_long_edge_decides(
    folder: Folder, size: tuple[int, int], sent: tuple[int, int], format: str
):
    image = folder.prepared(encode(Image.new("RGB", size, RED), format))

    picture = decode(image.content)
    assert picture.size == image.preprocessing.size == sent
    assert close(picture.getpixel((0, 0)), RED, by=4)


@pytest.mark.parametrize(
    ("size", "sent"),
    [((4032, 3024), (2016, 1512)), ((3000, 4000), (1500, 2000)), ((3960, 2970), (2048, 1536))],
)
def test_half_of_a_phones_photo_is_large_enough(
    folder: Folder, size: tuple[int, int], sent: tuple[int, int]
):
    image = folder.prepared(encode(flag(size), "JPEG"))

    assert decode(image.content).size == image.preprocessing.size == sent
    assert is_flag(decode(image.content))


@pytest.mark.slow
def test_the_worst_picture_is_still_small_enough_for_the_service(folder: Folder):
    noise = Image.frombytes("RGBA", (MAX_EDGE, MAX_EDGE), os.urandom(4 * MAX_EDGE**2))

    image = folder.prepared(encode(noise, "TIFF"))

    assert image.preprocessing.format == "PNG"
    assert len(image.content) < 17_000_000
