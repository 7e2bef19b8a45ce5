"""Every kind of picture file becomes one that the service takes, in the same colours."""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageCms

from tests.support.pictures import (
    GREEN,
    KINDS,
    RED,
    WHITE,
    Folder,
    clear_left,
    close,
    corners,
    decode,
    encode,
    flag,
    grey,
    is_flag,
)
from wavespeed.images import prepare

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_keeps_its_colours_and_its_first_frame(folder: Folder, kind: str):
    name, make = KINDS[kind]

    image = folder.prepared(make())

    assert is_flag(decode(image.content))
    assert decode(image.content).format == image.preprocessing.format
    assert image.preprocessing.format_before == name
    assert image.preprocessing.size_before == image.preprocessing.size == (64, 48)
    assert image.preprocessing.size_bytes == len(image.content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_again_is_a_plain_picture_of_the_web(folder: Folder, kind: str):
    content = KINDS[kind][1]()

    image = folder.prepared(content)

    assert image.name == ("cat.png" if image.preprocessing.format == "PNG" else "cat.jpg")
    assert image.content_type == f"image/{image.preprocessing.format.lower()}"
    if image.content != content:
        picture = decode(image.content)
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        assert {layer[1:3] for layer in picture.layer} == {(1, 1)}, "4:4:4"
        assert not {"exif", "xmp", "comment", "icc_profile", "photoshop"} & set(picture.info)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (encode(grey("I;16", 65535), "PNG"), "16-bit PNG"),
        (encode(grey("I;16", 65535), "TIFF"), "16-bit TIFF"),
        (encode(grey("I;16B", 65535), "TIFF"), "16-bit TIFF of a Mac"),
        (encode(grey("I", 65535), "TIFF"), "32-bit TIFF"),
        (encode(grey("I", 9_000_000), "TIFF"), "32-bit TIFF, all of it"),
        (encode(grey("F", 1.0), "TIFF"), "real TIFF from 0 to 1"),
        (encode(grey("F", 255.0), "TIFF"), "real TIFF from 0 to 255"),
        (encode(grey("L", 255), "TIFF"), "8-bit TIFF"),
        (encode(grey("L", 255).convert("LA"), "TIFF"), "TIFF with opaque alpha"),
        (encode(grey("L", 255), "HEIF", quality=100), "grey HEIC"),
    ],
)
def test_grey_of_any_depth_is_neither_white_nor_black(folder: Folder, content: bytes, why: str):
    picture = decode(folder.prepared(content).content)

    for stripe, expected in enumerate((0, 85, 170, 255)):
        seen = picture.getpixel((8 + 16 * stripe, 8))
        assert close(seen, (expected,) * 3, by=3), why


@pytest.mark.parametrize(("deep", "shown"), [(2570, 10), (255, 1), (0, 0)])
def test_a_dark_16_bit_picture_stays_dark(folder: Folder, deep: int, shown: int):
    picture = decode(folder.prepared(encode(Image.new("I;16", (9, 9), deep), "PNG")).content)

    assert close(picture.getpixel((4, 4)), (shown,) * 3, by=1)


def test_black_and_white_is_understood(folder: Folder):
    picture = decode(folder.prepared(encode(grey("L", 255).convert("1"), "TIFF")).content)

    assert picture.getpixel((2, 2)) == (0, 0, 0)
    assert picture.getpixel((62, 2)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "format"),
    [("RGBA", format) for format in ("PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF")]
    + [("LA", "PNG"), ("LA", "TIFF"), ("LA", "HEIF"), ("P", "PNG"), ("P", "WEBP")],
)
def test_transparency_is_kept_and_sent_as_png(folder: Folder, mode: str, format: str):
    clear = clear_left(flag())
    content = encode(clear.quantize(16) if mode == "P" else clear.convert(mode), format)

    image = folder.prepared(content)

    assert image.preprocessing.format == "PNG"
    alpha = decode(image.content).convert("RGBA").getchannel("A")
    assert alpha.getpixel((10, 10)) < 10
    assert alpha.getpixel((54, 10)) > 245


def test_large_transparency_is_kept(folder: Folder):
    image = folder.prepared(encode(clear_left(flag((2400, 1200))), "PNG"))

    picture = decode(image.content)
    assert (picture.mode, picture.size) == ("RGBA", (2048, 1024))
    assert picture.getpixel((2000, 20)) == (*GREEN, 255)
    assert picture.getpixel((20, 20))[3] == 0
    assert str(image.preprocessing).startswith("2400×1200 to 2048×1024")


def test_a_colour_that_means_transparent_is_understood(folder: Folder):
    image = folder.prepared(encode(flag((2100, 10)), "PNG", transparency=RED))

    picture = decode(image.content)
    assert picture.getpixel((9, 2))[3] == 0
    assert picture.getpixel((2000, 2)) == (*GREEN, 255)


def test_alpha_that_hides_nothing_is_dropped(folder: Folder):
    image = folder.prepared(encode(flag((2100, 90)).convert("RGBA"), "PNG"))

    assert image.preprocessing.format == "JPEG"
    assert str(image.preprocessing).startswith("PNG to JPEG, 2100×90 to 2048×88, ")


def profile(**primaries: tuple[float, float, float]) -> bytes:
    """sRGB's profile with other primaries (XYZ under D50)."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack_from(">L", content, 128)[0]):
        tag, offset = struct.unpack_from(">4sL", content, 132 + 12 * number)
        if tag.decode() in primaries:
            fixed = (round(value * 65536) for value in primaries[tag.decode()])
            struct.pack_into(">3l", content, offset + 8, *fixed)
    return bytes(content)


DISPLAY_P3 = profile(
    rXYZ=(0.51512, 0.2412, -0.00105),
    gXYZ=(0.29198, 0.69225, 0.04189),
    bXYZ=(0.1571, 0.06657, 0.78407),
)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_colours_of_a_wide_gamut_are_converted_to_srgb(folder: Folder, format: str):
    wide = Image.new("RGB", (2100, 60), (200, 100, 100))
    wide.paste((128, 128, 128), (1050, 0, 2100, 60))

    image = folder.prepared(encode(wide, format, icc_profile=DISPLAY_P3))

    picture = decode(image.content)
    # The same colour by the formulas of both spaces.
    assert close(picture.getpixel((500, 20)), (213, 95, 97), by=4)
    assert close(picture.getpixel((1800, 20)), (128, 128, 128), by=2), "grey is grey in both"
    assert "icc_profile" not in picture.info


def test_alpha_survives_the_conversion(folder: Folder):
    wide = clear_left(Image.new("RGB", (2100, 60), (200, 100, 100)))

    picture = decode(folder.prepared(encode(wide, "PNG", icc_profile=DISPLAY_P3)).content)

    assert close(picture.getpixel((2000, 20)), (213, 95, 97, 255), by=3)
    assert picture.getpixel((20, 20))[3] == 0


def test_a_ready_jpeg_keeps_its_profile(folder: Folder):
    content = encode(flag(), "JPEG", icc_profile=DISPLAY_P3)

    assert folder.prepared(content).content == content


@pytest.mark.parametrize("broken", [b"not a profile", DISPLAY_P3[:200], b"\0" * 500])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_profile_that_does_not_fit_is_as_good_as_none(folder: Folder, broken: bytes, mode: str):
    content = encode(flag((2100, 60)).convert(mode), "JPEG", icc_profile=broken)

    picture = decode(folder.prepared(content).content)

    if mode == "L":
        assert close(corners(picture)[3], WHITE, by=3)
    else:
        assert is_flag(picture)


def test_pillows_remarks_reach_no_one(folder: Folder):
    # A process of its own, since pytest brings filters of its own.
    path = folder.file(encode(flag(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12"))
    program = "import sys, pathlib; from wavespeed.images import prepare; "
    program += "print(prepare(pathlib.Path(sys.argv[1])).preprocessing)"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, path], capture_output=True, text=True
    )

    assert done.stderr == ""
    assert done.stdout.startswith("64×48, ")


def test_many_threads_get_the_same(folder: Folder):
    paths = [folder.file(make(), f"{number}") for number, (_, make) in enumerate(KINDS.values())]
    alone = [prepare(path) for path in paths]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(prepare, paths * 5))

    assert together == alone * 5
