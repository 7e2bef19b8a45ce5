"""Whether a file is a camera's RAW photo, whose only picture that Pillow finds is a thumbnail."""

from __future__ import annotations

import struct

_BEGINNINGS = (
    b"FUJIFILMCCD-RAW",  # RAF
    b"IIRO",  # ORF, of Olympus, in three spellings
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # RW2, of Panasonic
    b"FOVb",  # X3F, of Sigma
    b"\0MRM",  # MRW, of Minolta
)
_SUBFILE_TYPE = 254
_PHOTOMETRIC = 262
_SUB_IFDS = 330
_DNG_VERSION = 50706
_SENSOR_DATA = frozenset({32803, 34892})  # A colour filter array, or linear values of a sensor.
_REDUCED = 1
_SHORT = 3
"""The type of an entry that holds 16 bits."""


def is_raw(content: bytes) -> bool:
    """NEF, DNG, CR2, ARW, PEF and SRW are TIFFs, the others have formats of their own."""
    if content.startswith(_BEGINNINGS) or content[4:12] == b"ftypcrx ":  # The last is CR3.
        return True
    tags = _first_directory(content)
    if content[8:10] == b"CR" and tags:  # CR2
        return True
    # The first picture is said to be a smaller one, and the real one hangs below it.
    is_thumbnail = tags.get(_SUBFILE_TYPE, 0) & _REDUCED and _SUB_IFDS in tags
    return bool(_DNG_VERSION in tags or is_thumbnail or tags.get(_PHOTOMETRIC, 0) in _SENSOR_DATA)


def _first_directory(content: bytes) -> dict[int, int]:
    """The tags of a TIFF's first picture with what their entries hold: a number, or an offset."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None or len(content) < 8:
        return {}
    (at,) = struct.unpack_from(f"{order}L", content, 4)
    (count,) = struct.unpack(f"{order}H", content[at : at + 2].ljust(2, b"\0"))
    entries = content[at + 2 : at + 2 + 12 * count]
    tags = {}
    for offset in range(0, len(entries) - 11, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHL", entries, offset)
        value_format = "H" if kind == _SHORT else "L"
        (tags[tag],) = struct.unpack_from(f"{order}{value_format}", entries, offset + 8)
    return tags
