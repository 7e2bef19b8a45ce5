"""Damaged pictures that every browser shows all the same: made whole, or refused.

Mended is what lacks nothing one would see: a PNG whose checksums are wrong, or whose texts and
profiles are too long or broken; a PNG or JPEG without its last bytes, so long as at most
`MAX_MISSING` of its height is gone. What lacks more stays refused: half a picture is no picture
to pay for.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageChops

from ._image_metadata import MAX_TEXT_BYTES, PNG_SIGNATURE, jpeg_segments, png_chunks, unpacked

MAX_MISSING = 0.02
"""Of the height."""
_STEP = 1024
"""Bytes that are unpacked at once: with an error in them, what they hold is lost."""
_END = b"\xff\xd9"
_FILLER = bytes(range(1, 200))
"""Anything at all, without a marker."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First column and row of each of Adam7's seven passes, and the steps to the next.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def mended(content: bytes) -> bytes | None:
    """The same picture as a file that any decoder takes; None where too much of it is gone.

    The size that a PNG claims must have been checked before. Raises what decoders raise.
    """
    if content.startswith(PNG_SIGNATURE):
        return _mended_png(content)
    if content.startswith(b"\xff\xd8"):
        return _mended_jpeg(content)
    return None


# --- PNG --------------------------------------------------------------------------------------


def _mended_png(content: bytes) -> bytes | None:
    header, kept, packed = _png_parts(content)
    if len(header) != 13:
        return None
    expected_size = _raw_size(header)
    size = sum(map(len, _inflated(packed)))
    if expected_size == 0 or size < expected_size * (1 - MAX_MISSING):
        return None
    if not _is_whole(packed):
        packed = _packed_anew(packed, max(0, expected_size - size))
    chunks = [(b"IHDR", header), *kept, (b"IDAT", packed), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _png_parts(content: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """The header, the chunks that say how to show the picture, and its compressed rows."""
    header = b""
    packed = bytearray()
    kept: list[tuple[bytes, bytes]] = []
    for kind, begin, end in png_chunks(content):
        if kind == b"IDAT":
            packed += content[begin:end]
        elif kind == b"IHDR":
            header = header or content[begin:end]
        elif kind in (b"PLTE", b"tRNS") or _is_sound(content, kind, begin, end):
            kept.append((kind, content[begin:end]))
    return header, kept, bytes(packed)


def _packed_anew(packed: bytes, missing_bytes: int) -> bytes:
    """As much of the rows as there is, and zeros for what is missing."""
    packer = zlib.compressobj(1)
    rows = bytearray()
    for piece in _inflated(packed):
        rows += packer.compress(piece)
    rows += packer.compress(bytes(missing_bytes))
    return bytes(rows + packer.flush())


def _is_sound(content: bytes, kind: bytes, begin: int, end: int) -> bool:
    """Whether a chunk says how to show the picture, and is as it was written."""
    body = content[begin:end]
    if kind == b"iCCP":
        packed = body.partition(b"\0")[2][1:]
        if len(unpacked(packed, MAX_TEXT_BYTES + 1)) > MAX_TEXT_BYTES:
            return False
    elif kind != b"eXIf":
        return False
    return content[end : end + 4] == struct.pack(">L", zlib.crc32(kind + body))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def _raw_size(header: bytes) -> int:
    """Bytes of all rows, unpacked; 0 where the header makes no sense."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">LLBBBBB", header)
    bits = depth * _CHANNELS.get(colour, 0)
    if not bits:
        return 0
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns = -(-(width - left) // across)
        rows = -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _inflated(data: bytes) -> Iterator[bytes]:
    """What can be unpacked, piece by piece: the whole may be a hundred times as long."""
    unpacker = zlib.decompressobj()
    try:
        for at in range(0, len(data), _STEP):
            waiting = data[at : at + _STEP]
            while waiting:
                yield unpacker.decompress(waiting, 1 << 20)
                waiting = unpacker.unconsumed_tail
            if unpacker.eof:
                return
        yield unpacker.flush()
    except zlib.error:
        return


def _is_whole(data: bytes) -> bool:
    unpacker = zlib.decompressobj()
    try:
        while data and not unpacker.eof:
            unpacker.decompress(data, 1 << 20)
            data = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof


# --- JPEG -------------------------------------------------------------------------------------


def _mended_jpeg(content: bytes) -> bytes | None:
    """A decoder invents what it does not find before the end, from what came last. So decoded with
    two different endings, the picture differs from the first invented row on."""
    if not _has_all_scans(content):
        return None
    whole = content + _END
    picture = _decoded(whole)
    other = _decoded(content + _FILLER + _END)
    different = ImageChops.difference(picture, other).getbbox()
    if different is not None and picture.height - different[1] > picture.height * MAX_MISSING:
        return None
    return whole


def _decoded(content: bytes) -> Image.Image:
    """Small, where the decoder can do that: the rows are the same."""
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
        picture.draft(None, (1024, 1024))
        picture.load()
        return picture


def _has_all_scans(content: bytes) -> bool:
    """Whether the last scan of each colour has begun. A progressive JPEG without its later ones has
    all its rows, and none of its details."""
    colours: set[int] = set()
    begun: set[int] = set()
    for marker, begin, end in jpeg_segments(content):
        body = content[begin:end]
        if marker in (0xC0, 0xC1, 0xC2):
            if len(body) > 5:
                colours |= set(body[6::3][: body[5]])
        elif marker == 0xDA and len(body) >= 4:
            last_band = body[-2]
            precision = body[-1] & 15
            if last_band == 63 and precision == 0:
                begun |= set(body[1:-3:2])
    return bool(colours) and colours <= begun
