"""Pictures that someone made to harm, and what a worker of the decoder is told in tests."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def jpeg(size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, "JPEG", **options)
    return out.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">L", len(payload)) + kind + payload + struct.pack(">L", checksum)


def filled(size_bytes: int, marker: int, unit: bytes) -> bytes:
    """A JPEG of about so many bytes, full of segments that hold nothing but this."""
    one = segment(marker, unit * (65_000 // len(unit)))
    plain = jpeg()
    return plain[:2] + one * max(1, size_bytes // len(one)) + plain[2:]


def iptc_bomb(size_bytes: int) -> bytes:
    """Each of its headers claims 2 GB."""
    return filled(size_bytes, 0xED, b"8BIM\x04\x04\0\0\x7f\xff\xff\xff")


def scans_bomb(scans: int = 40_000) -> bytes:
    """A progressive JPEG of a megabyte whose last scan comes again and again: each time the decoder
    goes through all of the picture, for minutes."""
    blank = io.BytesIO()
    Image.new("L", (3000, 3000), 128).save(blank, "JPEG", progressive=True)
    content = blank.getvalue()
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans + b"\xff\xd9"


def huge_png(width: int = 9999, height: int = 10_000) -> bytes:
    """RGBA, all of it transparent: 400 MB in 0.4."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 4 * width)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">LLBBBBB", width, height, 8, 6, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# --- Run in a worker ------------------------------------------------------------------------


def surroundings(path: Path) -> tuple[list[str], list[str]]:
    """Which modules there are, and which settings."""
    return list(sys.modules), list(os.environ)


def crash(path: Path) -> None:
    os.abort()


def greed(path: Path) -> int:
    """As a file that claims little and takes much."""
    return len(bytes(3_000_000_000))
