"""What becomes of people's picture files before they leave the machine."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from wavespeed import models
from wavespeed.errors import InvalidEdit
from wavespeed.images import MAX_BYTES, MAX_EDGE, MAX_FILE_BYTES, MAX_PIXELS, prepare

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (30, 60, 200), (250, 250, 250)
ORIENTATION, MAKE, GPS = 274, 271, 0x8825


# --- Pictures and files ---------------------------------------------------------------------


def flag(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red and green above, blue and white below: it shows which way up a picture is."""
    picture = Image.new("RGB", (2, 2))
    for x, y, colour in ((0, 0, RED), (1, 0, GREEN), (0, 1, BLUE), (1, 1, WHITE)):
        picture.putpixel((x, y), colour)
    return picture.resize(size, Image.Resampling.NEAREST)


def clear_left(picture: Image.Image) -> Image.Image:
    """The left half of it becomes transparent."""
    alpha = Image.new("L", picture.size, 255)
    alpha.paste(0, (0, 0, picture.width // 2, picture.height))
    picture.putalpha(alpha)
    return picture


def encode(picture: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def decode(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def exif(**tags: int | str) -> Image.Exif:
    """EXIF as of a phone, with an orientation or a place if asked for."""
    block = Image.Exif()
    block[MAKE] = "Phone"
    if "orientation" in tags:
        block[ORIENTATION] = tags["orientation"]
    if "place" in tags:
        block.get_ifd(GPS).update({1: "N", 2: (64.0, 8.0, 47.76), 3: "W", 4: (21.0, 56.0, 33.36)})
    return block


def animated(format: str) -> bytes:
    other = [Image.new("RGB", (64, 48), "black")]
    return encode(flag(), format, save_all=True, append_images=other)


KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "JPEG": ("JPEG", lambda: encode(flag(), "JPEG")),
    "progressive JPEG": ("JPEG", lambda: encode(flag(), "JPEG", progressive=True)),
    "CMYK JPEG": ("JPEG", lambda: encode(flag().convert("CMYK"), "JPEG", quality=95)),
    "JPEG with a second picture": ("JPEG", lambda: animated("MPO")),
    "PNG": ("PNG", lambda: encode(flag(), "PNG")),
    "palette PNG": ("PNG", lambda: encode(flag().quantize(8), "PNG")),
    "animated PNG": ("PNG", lambda: animated("PNG")),
    "WebP": ("WebP", lambda: encode(flag(), "WEBP")),
    "lossless WebP": ("WebP", lambda: encode(flag().convert("RGBA"), "WEBP", lossless=True)),
    "animated WebP": ("WebP", lambda: animated("WEBP")),
    "GIF": ("GIF", lambda: encode(flag(), "GIF")),
    "animated GIF": ("GIF", lambda: animated("GIF")),
    "BMP": ("BMP", lambda: encode(flag(), "BMP")),
    "TIFF": ("TIFF", lambda: encode(flag(), "TIFF")),
    "packed TIFF": ("TIFF", lambda: encode(flag(), "TIFF", compression="tiff_lzw")),
    "CMYK TIFF": ("TIFF", lambda: encode(flag().convert("CMYK"), "TIFF")),
    "TIFF around a JPEG": ("TIFF", lambda: encode(flag(), "TIFF", compression="jpeg")),
    "TIFF of pages": ("TIFF", lambda: animated("TIFF")),
    "AVIF": ("AVIF", lambda: encode(flag(), "AVIF", quality=90)),
    "HEIC": ("HEIC", lambda: encode(flag(), "HEIF", quality=90)),
}


class Folder:
    """A folder for files, whose name must not show anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = path / "secret-folder"
        self.path.mkdir()

    def file(self, content: bytes, name: str = "cat.jpg") -> Path:
        path = self.path / name
        path.write_bytes(content)
        return path

    def prepared(self, content: bytes) -> models.Image:
        return prepare(self.file(content))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def close(one: tuple[int, ...], other: tuple[int, ...], by: int) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colours of the quarters: upper left, upper right, lower left, lower right."""
    picture = picture.convert("RGB")
    w, h = picture.size
    places = [
        (w // 4, h // 4),
        (3 * w // 4, h // 4),
        (w // 4, 3 * h // 4),
        (3 * w // 4, 3 * h // 4),
    ]
    return [picture.getpixel(place) for place in places]


def is_flag(picture: Image.Image, by: int = 24) -> bool:
    seen = zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True)
    return all(close(one, other, by) for one, other in seen)


def refusal(path: Path, name: str | None = None) -> str:
    """The sentence that a file is refused with; true of every one: see `prepare`."""
    with pytest.raises(InvalidEdit) as caught:
        prepare(path, name)
    assert caught.value.field == "images"
    assert caught.value.spent == "no"
    sentence = str(caught.value)
    assert "secret-folder" not in sentence
    assert sentence.endswith(".")
    assert sentence.isprintable()
    return sentence


# --- Every kind of file ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_keeps_its_colours_and_its_first_frame(folder: Folder, kind: str):
    name, make = KINDS[kind]

    image = folder.prepared(make())

    assert is_flag(decode(image.content))
    assert decode(image.content).format == image.changes.format
    assert image.changes.format_before == name
    assert image.changes.size_before == image.changes.size == (64, 48)
    assert image.changes.size_bytes == len(image.content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_again_is_a_plain_picture_of_the_web(folder: Folder, kind: str):
    content = KINDS[kind][1]()

    image = folder.prepared(content)

    assert image.name == ("cat.png" if image.changes.format == "PNG" else "cat.jpg")
    assert image.content_type == f"image/{image.changes.format.lower()}"
    if image.content != content:
        picture = decode(image.content)
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        assert {layer[1:3] for layer in picture.layer} == {(1, 1)}, "4:4:4"
        assert not {"exif", "xmp", "comment", "icc_profile", "photoshop"} & set(picture.info)


def grey(mode: str, white: float) -> Image.Image:
    """Four stripes from black to white."""
    picture = Image.new(mode, (64, 16))
    for x in range(64):
        for y in range(16):
            picture.putpixel((x, y), type(white)(white * (x // 16) / 3))
    return picture


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

    assert image.changes.format == "PNG"
    alpha = decode(image.content).convert("RGBA").getchannel("A")
    assert alpha.getpixel((10, 10)) < 10
    assert alpha.getpixel((54, 10)) > 245


def test_large_transparency_is_kept(folder: Folder):
    image = folder.prepared(encode(clear_left(flag((2400, 1200))), "PNG"))

    picture = decode(image.content)
    assert (picture.mode, picture.size) == ("RGBA", (2048, 1024))
    assert picture.getpixel((2000, 20)) == (*GREEN, 255)
    assert picture.getpixel((20, 20))[3] == 0
    assert str(image.changes).startswith("2400×1200 to 2048×1024")


def test_a_colour_that_means_transparent_is_understood(folder: Folder):
    image = folder.prepared(encode(flag((2100, 10)), "PNG", transparency=RED))

    picture = decode(image.content)
    assert picture.getpixel((9, 2))[3] == 0
    assert picture.getpixel((2000, 2)) == (*GREEN, 255)


def test_alpha_that_hides_nothing_is_dropped(folder: Folder):
    image = folder.prepared(encode(flag((2100, 90)).convert("RGBA"), "PNG"))

    assert image.changes.format == "JPEG"
    assert str(image.changes).startswith("PNG to JPEG, 2100×90 to 2048×88, ")


# --- Upright --------------------------------------------------------------------------------

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
    assert image.changes.size_before == (64, 48), "as people see it"
    assert image.changes.turned
    assert "64×48, turned upright, " in str(image.changes)


@pytest.mark.parametrize("orientation", INVERSE)
def test_a_turned_heic_is_turned_once(folder: Folder, orientation: int):
    # pillow-heif notes a turn twice, in the HEIC and in its EXIF, as phones do.
    stored = flag().transpose(INVERSE[orientation])

    image = folder.prepared(
        encode(stored, "HEIF", exif=exif(orientation=orientation).tobytes(), quality=95)
    )

    assert is_flag(decode(image.content))
    assert image.changes.size_before == (64, 48)
    assert image.changes.turned


def test_a_large_picture_is_turned_and_reduced(folder: Folder):
    stored = flag((3000, 4000)).transpose(INVERSE[8])

    image = folder.prepared(encode(stored, "JPEG", exif=exif(orientation=8, place="")))

    assert is_flag(decode(image.content))
    said = str(image.changes)
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
    assert not image.changes.turned


# --- Byte for byte --------------------------------------------------------------------------


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    return jpeg[:2] + segment(marker, payload) + jpeg[2:]


def chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">L", len(payload)) + kind + payload + struct.pack(">L", checksum)


def with_chunk(png: bytes, kind: bytes, payload: bytes) -> bytes:
    return png[:33] + chunk(kind, payload) + png[33:]


def padded(jpeg: bytes, size_bytes: int) -> bytes:
    """The same picture in exactly so many bytes, filled up with comments."""
    comments = b""
    while (missing := size_bytes - len(jpeg) - len(comments)) > 0:
        comments += segment(0xFE, b"x" * (min(missing, 60_000) - 4))
    return jpeg[:2] + comments + jpeg[2:]


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
    assert image.changes == models.Changes(
        format_before=image.changes.format,
        format=image.changes.format,
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
    assert decode(image.content).size == image.changes.size == size


# --- Location -------------------------------------------------------------------------------

PLACES = re.compile(
    rb"(?i)latitude|reyk|64\.14|\+64|gps|6\x004\x00"
    + b"|"
    + re.escape(struct.pack("<LL", 1194, 25))
    + b"|"
    + re.escape(struct.pack(">LL", 1194, 25))
)
"""47.76 seconds, Reykjavík's town hall, are 1194/25 in EXIF."""

XMP = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="64,8.796N"/></x:xmpmeta>'
CITY = b"<x:xmpmeta><photoshop:City>Reykjavik</photoshop:City></x:xmpmeta>"
IPTC = b"\x1c\x02\x5a" + struct.pack(">H", 9) + b"Reykjavik"
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"


def located_png(kind: bytes, payload: bytes) -> bytes:
    return with_chunk(encode(flag(), "PNG"), kind, payload)


def located_jpeg(marker: int, payload: bytes) -> bytes:
    return with_segment(encode(flag(), "JPEG"), marker, payload)


def itxt(text: bytes) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", text, zip=True)
    return encode(flag(), "PNG", pnginfo=info)


PHOTOSHOP = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC
LOCATED: dict[str, bytes] = {
    "EXIF of a JPEG": encode(flag(), "JPEG", exif=exif(place="")),
    "EXIF of a PNG": encode(flag(), "PNG", exif=exif(place="")),
    "EXIF of a WebP": encode(flag(), "WEBP", exif=exif(place="")),
    "EXIF of a TIFF": encode(flag(), "TIFF", tiffinfo={GPS: {1: "N", 2: (64.0, 8.0, 47.76)}}),
    "XMP of a TIFF": encode(flag(), "TIFF", tiffinfo={700: XMP}),
    "EXIF of an AVIF": encode(flag(), "AVIF", exif=exif(place="")),
    "EXIF of a HEIC": encode(flag(), "HEIF", exif=exif(place="").tobytes()),
    "EXIF of the second picture": encode(flag(), "JPEG")
    + encode(flag(), "JPEG", exif=exif(place="")),
    "a second EXIF": located_jpeg(0xE1, b"Exif\0\0" + exif(place="").tobytes()[6:])[:-2]
    + segment(0xE1, b"Exif\0\0")
    + b"\xff\xd9",
    "XMP of a JPEG": located_jpeg(0xE1, XMP_NAME + XMP),
    "XMP in UTF-16": located_jpeg(0xE1, XMP_NAME + XMP.decode().encode("utf-16")),
    "city of a JPEG": located_jpeg(0xE1, XMP_NAME + CITY),
    "IPTC of a JPEG": located_jpeg(0xED, PHOTOSHOP),
    "comment of a JPEG": located_jpeg(0xFE, b"Latitude 64.146600"),
    "XMP of a PNG": located_png(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    "packed XMP of a PNG": itxt(XMP),
    "packed text of a PNG": located_png(b"zTXt", b"where\0\0" + zlib.compress(b"Latitude 64.1466")),
    "XMP of a WebP": encode(flag(), "WEBP", xmp=XMP),
    "XMP of a HEIC": encode(flag(), "HEIF", xmp=XMP),
    "XMP of an AVIF": encode(flag(), "AVIF", xmp=XMP),
}


@pytest.mark.parametrize("where", LOCATED)
def test_no_location_leaves_the_machine(folder: Folder, where: str):
    image = folder.prepared(LOCATED[where])

    assert not PLACES.search(image.content)
    assert not decode(image.content).getexif()
    assert is_flag(decode(image.content))
    assert image.changes.location_removed
    assert "location removed" in str(image.changes)


@pytest.mark.parametrize(
    "content",
    [
        encode(flag(), "JPEG") + b"\0\0\0\x18ftypmp42\xa9xyz+64.1466-021.9426/",
        located_png(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(b"\nexif\n99\n" + exif(place="").tobytes().hex().encode()),
        ),
    ],
    ids=["film behind a JPEG", "raw profile of a PNG"],
)
def test_what_can_not_be_looked_through_stays_behind(folder: Folder, content: bytes):
    image = folder.prepared(content)

    assert not PLACES.search(image.content)
    assert b"profile" not in image.content
    assert b"ftyp" not in image.content


# --- Colours --------------------------------------------------------------------------------


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


# --- Sizes ----------------------------------------------------------------------------------


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
    assert picture.size == image.changes.size == sent
    assert close(picture.getpixel((0, 0)), RED, by=4)


@pytest.mark.parametrize(
    ("size", "sent"),
    [((4032, 3024), (2016, 1512)), ((3000, 4000), (1500, 2000)), ((3960, 2970), (2048, 1536))],
)
def test_half_of_a_phones_photo_is_large_enough(
    folder: Folder, size: tuple[int, int], sent: tuple[int, int]
):
    image = folder.prepared(encode(flag(size), "JPEG"))

    assert decode(image.content).size == image.changes.size == sent
    assert is_flag(decode(image.content))


def test_the_worst_picture_is_still_small_enough_for_the_service(folder: Folder):
    noise = Image.frombytes("RGBA", (MAX_EDGE, MAX_EDGE), os.urandom(4 * MAX_EDGE**2))

    image = folder.prepared(encode(noise, "TIFF"))

    assert image.changes.format == "PNG"
    assert len(image.content) < 17_000_000


# --- Names ----------------------------------------------------------------------------------


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


# --- Refused --------------------------------------------------------------------------------


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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_refused(folder: Folder):
    path = folder.file(encode(flag(), "JPEG"))
    path.chmod(0)

    assert refusal(path) == "“cat.jpg” can't be read."


def test_a_file_of_50_mb_is_read_and_no_byte_more(folder: Folder):
    path = folder.file(encode(flag(), "BMP"))
    os.truncate(path, MAX_FILE_BYTES)
    assert is_flag(decode(prepare(path).content))

    os.truncate(path, MAX_FILE_BYTES + 1)

    assert refusal(path) == "“cat.jpg” is larger than 50 MB."


def test_a_hundred_megapixels_are_opened(folder: Folder):
    assert MAX_PIXELS == 10_000**2

    image = folder.prepared(encode(Image.new("L", (10_000, 10_000)), "JPEG"))

    assert image.changes.size == (2048, 2048)


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


# --- Whatever the bytes ---------------------------------------------------------------------

SAMPLES = [make() for _, make in KINDS.values()] + list(LOCATED.values())
BEGINNINGS = [sample[:16] for sample in SAMPLES] + [b"", b"II+\0", b"\0\0\0\x18ftypmif1"]
SCRATCH = tempfile.TemporaryDirectory()
whatever = settings(max_examples=150, deadline=None, database=None)


def attempt(path: Path) -> models.Image | InvalidEdit:
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
    assert picture.format == outcome.changes.format
    assert picture.size == outcome.changes.size
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


def test_pillows_remarks_reach_no_one(folder: Folder):
    # A process of its own, since pytest brings filters of its own.
    path = folder.file(encode(flag(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12"))
    program = "import sys, pathlib; from wavespeed.images import prepare; "
    program += "print(prepare(pathlib.Path(sys.argv[1])).changes)"

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
