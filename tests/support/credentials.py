"""Content Credentials as they lie in pictures; what they say is nothing, only where is right."""

from __future__ import annotations

import struct
import zlib

_STORE = struct.pack(">I4s", 40, b"jumb") + struct.pack(">I4s", 32, b"jumd") + b"c2pa" + bytes(20)


def signed_png(content: bytes) -> bytes:
    """With a `caBX` chunk before the picture's data."""
    at = content.index(b"IDAT") - 4
    chunk = b"caBX" + _STORE
    framed = struct.pack(">I", len(_STORE)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content[:at] + framed + content[at:]


def signed_jpeg(content: bytes) -> bytes:
    """With JUMBF in a segment APP11."""
    body = b"JP" + struct.pack(">HI", 1, 1) + _STORE
    return content[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + content[2:]


def signed_webp(content: bytes) -> bytes:
    """With a chunk `C2PA` at the end."""
    chunks = content[8:] + b"C2PA" + struct.pack("<I", len(_STORE)) + _STORE
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
