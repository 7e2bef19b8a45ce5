"""Content Credentials (C2PA) in a picture: a signed statement of who made it, and with what.

The signature covers the file's bytes, so that a picture that has them is kept as it came. Whether
the signature holds is not ours to say: here is only found that there is one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from wavespeed._image_metadata import PNG_SIGNATURE, TooManyPieces, jpeg_segments, png_chunks

_APP11 = 0xEB
"""Holds JUMBF boxes in a JPEG, and nothing else that is in use."""
_ELSEWHERE = b"dcterms:provenance"
"""In XMP: the credentials lie at an address, and know the file by its bytes."""
_MOST_CHUNKS = 10_000


def has_credentials(content: bytes) -> bool:
    """Whether writing into the file would break what was signed."""
    if _ELSEWHERE in content:
        return True
    try:
        if content.startswith(PNG_SIGNATURE):
            return any(kind == b"caBX" for kind, _, _ in png_chunks(content))
        if content.startswith(b"\xff\xd8"):
            return any(
                marker == _APP11 and content[begin : begin + 2] == b"JP"
                for marker, begin, _ in jpeg_segments(content)
            )
        if content[:4] == b"RIFF":
            return b"C2PA" in _riff_kinds(content)
    except TooManyPieces:
        return True  # Nobody knows; it stays as it came.
    return False


def _riff_kinds(content: bytes) -> Iterator[bytes]:
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(content):
            return
        kind, length = struct.unpack_from("<4sL", content, at)
        yield kind
        at += 8 + length + length % 2
    raise TooManyPieces
