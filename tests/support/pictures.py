"""Picture files as people have them, made here, and what is seen in what becomes of them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from wavespeed import types
from wavespeed.errors import InvalidEdit
from wavespeed.images import prepare

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (30, 60, 200), (250, 250, 250)
ORIENTATION, MAKE, GPS = 274, 271, 0x8825


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

    def prepared(self, content: bytes) -> types.Image:
        return prepare(self.file(content))


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


def grey(mode: str, white: float) -> Image.Image:
    """Four stripes from black to white."""
    picture = Image.new(mode, (64, 16))
    for x in range(64):
        for y in range(16):
            picture.putpixel((x, y), type(white)(white * (x // 16) / 3))
    return picture


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
