"""What a picture's file says beside its pixels, and whether any of it tells a place.

Files come from strangers: one is walked once, from front to back, in at most `MAX_PIECES` pieces,
and what it claims about lengths only ever shortens the walk. Every search here takes time that
grows with the size of the file and no faster (`tests/runs/test_metadata.py` measures it).
"""

from __future__ import annotations

import html
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

from PIL import ImageFile

MAX_PIECES = 100_000
"""Chunks or segments; encoders that write 8 kB chunks need 6,000 for 50 MB. A file with more is
refused before Pillow, which keeps an object for each, reads it."""
MAX_PADDING_BYTES = 1_000_000
"""Between the segments of a JPEG, before its picture: Pillow goes through it byte by byte."""
MAX_TEXT_BYTES = 1_000_000
"""Of one packed text, unpacked: Pillow refuses a larger one, too, and then the file is encoded
again without it."""

# The EXIF entry that points to GPS data (tag 0x8825, LONG or IFD, one), in both byte orders. To
# search for its bytes finds it in every format, in an MPO's second picture and in a broken block.
GPS_POINTERS = [struct.pack(f"{o}HHL", 0x8825, kind, 1) for o in "<>" for kind in (4, 13)]
# Of XMP and comments, in lower case. The first is in exif:GPSLatitude and in what drones write.
PLACE_WORDS = (
    b"latitude photoshop:city photoshop:state photoshop:country iptc4xmpcore:location"
    b" iptc4xmpcore:countrycode iptc4xmpext:location"
).split()
# IPTC's content location, city, part of the city, province, country.
PLACE_DATASETS = re.compile(rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]")
IPTC_BLOCK = re.compile(rb"(?s)8BIM\x04\x04\0\0(.{4})")  # By Photoshop, with its length.

# A result of this program says its prompt, which can be about anything, latitudes too. What others
# wrote into the same packet is still searched. Neither pattern can run over its own beginning
# again and again: the first ends at the next quote, the second after a few tags.
OWN_PACKET = b'xmlns:edit="https://wavespeed.ai/ns/edit/1.0/"'
OWN_RECIPE = re.compile(rb'edit:recipe="[^"]*"')
OWN_DESCRIPTION = re.compile(rb"<dc:description>([^<]*+(?:<[^<]*+){4})</dc:description>")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_NO_LENGTH = frozenset({0x01, 0xD8, 0xD9})
_START_OF_SCAN = 0xDA
# What stands at the beginning of each part of a block that is longer than a segment.
_CONTINUED = re.compile(
    rb"(?s)Photoshop 3\.0\0|http://ns\.adobe\.com/xmp/extension/\0.{40}|Exif\0\0"
)


class TooManyPieces(ValueError):
    """No encoder writes such a file, and Pillow would read it for minutes."""


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and end of the data of each chunk, as far as they are whole.

    Raises `TooManyPieces`.
    """
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_PIECES):
        if at + 12 > len(content):
            return
        length, kind = struct.unpack_from(">L4s", content, at)
        yield kind, at + 8, min(at + 8 + length, len(content))
        at += 12 + length
    raise TooManyPieces


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, beginning and end of the data of each segment. What lies between segments and is no
    picture comes as marker 0; the compressed picture behind a scan's header does not come.

    Raises `TooManyPieces`.
    """
    at = 0
    in_scan = False
    for _ in range(MAX_PIECES):
        found = _MARKER.search(content, at)
        begin = found.start() if found else len(content)
        if begin > at and not in_scan:
            yield 0, at, begin
        if found is None:
            return
        marker = content[begin + 1]
        at = begin + 2
        in_scan = marker == _START_OF_SCAN
        end = at
        if marker not in _NO_LENGTH:
            end = min(at + max(2, int.from_bytes(content[at : at + 2])), len(content))
            at = min(at + 2, end)
        yield marker, at, end
        at = end
    raise TooManyPieces


def webp_size(content: bytes) -> tuple[int, int] | None:
    """What the header says. Pillow's decoder asks for three canvases while it opens a file."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        sides = content[24:27], content[27:30]
        return 1 + int.from_bytes(sides[0], "little"), 1 + int.from_bytes(sides[1], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<L", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def check_pieces(content: bytes) -> None:
    """Raises `TooManyPieces` for a PNG or JPEG that Pillow should not even open."""
    if content.startswith(PNG_SIGNATURE):
        for _ in png_chunks(content):
            pass
    elif content.startswith(b"\xff\xd8"):
        padding = 0
        for marker, begin, end in jpeg_segments(content):
            padding += end - begin if marker == 0 else 0
            if padding > MAX_PADDING_BYTES:
                raise TooManyPieces
            if marker == _START_OF_SCAN:  # Pillow reads no further; its decoder does, and is fast.
                break


def tells_place(picture: ImageFile.ImageFile, content: bytes) -> bool:
    """Whether EXIF, IPTC, XMP or a comment says where the picture was taken."""
    if any(pointer in content for pointer in GPS_POINTERS):
        return True
    metadata = _less_our_own(b"".join(_pieces(picture, content)))
    # XMP can be UTF-16, which less its zeros reads like ASCII.
    words = metadata.replace(b"\0", b"").lower()
    return any(word in words for word in PLACE_WORDS) or _has_place_dataset(metadata)


def _has_place_dataset(metadata: bytes) -> bool:
    """Whether an IPTC block names a place. A block can claim to be as long as the file, and there
    can be as many as fit into it: what an earlier one covered is not searched again."""
    at = searched = 0
    for _ in range(MAX_PIECES):
        block = IPTC_BLOCK.search(metadata, at)
        if block is None:
            return False
        at = block.end()
        end = min(at + int.from_bytes(block[1]), len(metadata))
        begin = max(at, searched - 2)  # A dataset's three bytes may have been cut there.
        if begin < end and PLACE_DATASETS.search(metadata, begin, end):
            return True
        searched = max(searched, end)
    return PLACE_DATASETS.search(metadata, at) is not None


def _pieces(picture: ImageFile.ImageFile, content: bytes) -> Iterator[bytes]:
    """All of the file that is not pixels, so far as the format can be walked; else what Pillow
    found."""
    if content.startswith(PNG_SIGNATURE):
        yield from _png_pieces(content)
    elif content.startswith(b"\xff\xd8"):
        for _, begin, end in jpeg_segments(content):
            piece = content[begin:end]
            prefix = _CONTINUED.match(piece)
            yield piece[prefix.end() :] if prefix else piece
    elif content.startswith(b"RIFF"):
        yield from _riff_pieces(content)
    else:
        yield from _found_by_pillow(picture)


def _found_by_pillow(picture: ImageFile.ImageFile) -> Iterator[bytes]:
    tags: Mapping[int, object] = getattr(picture, "tag_v2", {})
    values = list(picture.info.values())
    for tag in tags:
        with suppress(Exception):  # Of a broken entry, which is decoded when it is asked for.
            values.append(tags[tag])
    for value in values:
        if isinstance(value, str):
            yield value.encode(errors="replace")
        elif isinstance(value, bytes):
            yield value


def _png_pieces(content: bytes) -> Iterator[bytes]:
    last = len(PNG_SIGNATURE)
    ours = _our_description(content)
    budget = 64 * MAX_TEXT_BYTES  # Pillow gives up here as well.
    for kind, begin, end in png_chunks(content):
        last = end + 4
        if kind in _PIXELS:
            continue
        piece = content[begin:end]
        packed = _packed(kind, piece)
        if packed is not None and budget > 0:
            text = unpacked(packed, MAX_TEXT_BYTES)
            budget -= len(text)
            yield text
        elif not _is_ours(kind, piece, ours):
            yield piece
    yield content[last:]


def _packed(kind: bytes, piece: bytes) -> bytes | None:
    """The compressed part of a text chunk."""
    _, _, rest = piece.partition(b"\0")
    if kind == b"zTXt":
        return rest[1:]
    if kind == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return None


def unpacked(packed: bytes, most: int) -> bytes:
    """As much as there is of it, and no more than `most` bytes."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return b""


def _our_description(content: bytes) -> bytes:
    """The prompt as the packet of a result of ours says it; empty in any other file."""
    for kind, begin, end in png_chunks(content):
        packet = content[begin:end] if kind == b"iTXt" else b""
        if OWN_PACKET in packet and (found := OWN_DESCRIPTION.search(packet)):
            return html.unescape(found[1].decode(errors="replace")).encode(errors="replace")
    return b""


def _is_ours(kind: bytes, piece: bytes, ours: bytes) -> bool:
    """Whether a text chunk repeats the prompt that our packet says, too."""
    prefix = b"Description\0\0\0\0\0"
    if not ours or kind != b"iTXt" or not piece.startswith(prefix):
        return False
    begins = piece[len(prefix) :].decode(errors="replace")[:1000].strip().encode(errors="replace")
    return begins in ours


def _riff_pieces(content: bytes) -> Iterator[bytes]:
    at = 12
    for _ in range(MAX_PIECES):
        if at + 8 > len(content):
            break
        kind, length = struct.unpack_from("<4sL", content, at)
        if kind not in _PIXELS:
            yield content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    yield content[at:]


def _less_our_own(metadata: bytes) -> bytes:
    if OWN_PACKET not in metadata:
        return metadata
    return OWN_DESCRIPTION.sub(b"", OWN_RECIPE.sub(b"", metadata))
