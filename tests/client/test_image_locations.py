"""Where a picture was taken does not leave the machine, wherever in the file it stands."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from PIL import PngImagePlugin

from tests.support.pictures import (
    GPS,
    Folder,
    decode,
    encode,
    exif,
    flag,
    is_flag,
    segment,
    with_chunk,
    with_segment,
)

# The same as `images` sets for the program, which pytest's own "error" would come before.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")


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
    assert image.preprocessing.location_removed
    assert "location removed" in str(image.preprocessing)


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
