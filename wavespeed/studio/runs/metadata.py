"""The recipe inside a result: how it was made, written beside its pixels, which stay untouched.
A result with Content Credentials keeps all of its bytes, and has the same XMP in a file beside it.

XMP in PNG, JPEG and WebP, which picture viewers show (`dc:description` is the prompt), with the
whole recipe as JSON in an attribute of our own; a PNG also says the prompt in a plain text chunk.
What IPTC calls the digital source type says to whoever asks that a model made the picture.
Pillow writes metadata only by encoding the picture anew, so the containers are spliced here.
"""

from __future__ import annotations

import html
import re
import struct
import threading
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image
from pydantic import TypeAdapter

TOOL = "WaveSpeed image edit"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
 xmlns:edit="https://wavespeed.ai/ns/edit/1.0/"
 xmp:CreatorTool="{tool}" xmp:CreateDate="{time}" edit:recipe="{recipe}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{prompt}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
SOURCE_EDITED = "compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a picture that a model has changed; of one that was made elsewhere nobody knows
whether it began with a picture."""
SOURCE_GENERATED = "trainedAlgorithmicMedia"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
PACKETS = 50
"""Looked at from either end of a file: a million forged ones hide none and take no time."""
PACKETS_BYTES = 2_000_000
"""Of those, the shortest first: a real one is short, unless its prompt is a book."""
_PACKET = re.compile(rb'edit:recipe="([^"]{1,400000})"')
"""One of the longest prompt, all of it escaped, has 300 kB. What fails to match ends at the next
quote, and each beginning has one: the time grows with the file alone."""
_READING = threading.BoundedSemaphore(2)
"""Files of up to 50 MB are in memory at once, whoever asks."""
_MOST = 65_000
"""Bytes of XMP in a JPEG: a segment's length has 16 bits."""


@dataclass(frozen=True, slots=True)
class EditMetadata:
    """How a result was made, and what the service said of it. `inputs` are the SHA-256 of the
    pictures' files, in order; `cut` says that the prompt was too long for the file; of a result
    that was made elsewhere the prompt is empty."""

    prompt: str
    model: str
    prediction_id: str
    made_at: datetime
    inputs: tuple[str, ...] = ()
    cut: bool = False
    nsfw: bool | None = None
    """So that a flagged result stays covered wherever it is used, its run long deleted."""


_JSON = TypeAdapter(EditMetadata)


def write(content: bytes, recipe: EditMetadata) -> bytes:
    """The same picture with the recipe in it; as it was where its container is an odd one."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _into_png(content, recipe)
        if content.startswith(b"\xff\xd8"):
            return _into_jpeg(content, _xmp(recipe, _MOST))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _into_webp(content, _xmp(recipe))
    except (struct.error, IndexError, ValueError):
        pass
    return content


def sidecar(path: Path) -> Path:
    """Where the recipe of a picture lies that keeps its bytes: `result.png.xmp`."""
    return path.with_name(f"{path.name}.xmp")


def packet(recipe: EditMetadata) -> bytes:
    """What a file beside the picture holds: XMP."""
    return _xmp(recipe)


def read(path: Path) -> EditMetadata | None:
    """The recipe in a picture's file, if there is one; blocking. Raises nothing, whatever the file
    is: it comes from outside, so its XMP is not parsed, and the JSON in it is checked. A file can
    have XMP of others, too, of which a library shows one; so all of it is looked through, and of
    several recipes one that says "flagged" counts, else the newest."""
    recipes: list[EditMetadata] = []
    with suppress(OSError):
        with _READING:
            found = _PACKET.finditer(path.read_bytes() + _beside(path))
            packets = (*islice(found, PACKETS), *deque(found, PACKETS))
        spent = 0
        for packet in sorted(packets, key=lambda one: len(one[1])):
            spent += len(packet[1])
            if spent > PACKETS_BYTES:
                break
            with suppress(ValueError, OverflowError, OSError):  # The last two of a forged time.
                recipe = _JSON.validate_json(html.unescape(packet[1].decode()))
                recipe.made_at.timestamp()
                recipes.append(recipe)
    return max(recipes, key=lambda one: (bool(one.nsfw), one.made_at.timestamp()), default=None)


def _beside(path: Path) -> bytes:
    try:
        return sidecar(path).read_bytes()
    except OSError:
        return b""


def _xmp(recipe: EditMetadata, most: int | None = None) -> bytes:
    # XML has no control characters, and a few more that it does not take; JSON escapes the first.
    def plain(text: str) -> str:
        return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)

    packet = _XMP.format(
        tool=TOOL,
        time=recipe.made_at.isoformat(),
        source=SOURCE_EDITED if recipe.prompt else SOURCE_GENERATED,
        recipe=html.escape(plain(_JSON.dump_json(recipe).decode())),
        prompt=html.escape(plain(recipe.prompt[:2000])),
    ).encode()
    if most is None or len(packet) <= most:
        return packet
    shorter = recipe.prompt[: len(recipe.prompt) * 9 // 10]
    return _xmp(replace(recipe, prompt=shorter, cut=True), most)


def _into_png(content: bytes, recipe: EditMetadata) -> bytes:
    head = 8 + 25  # The signature and IHDR, which has to be the first chunk.
    if content[12:16] != b"IHDR":
        raise ValueError("no header")
    texts = {
        "XML:com.adobe.xmp": _xmp(recipe),
        "Description": recipe.prompt.encode(),
        "Software": TOOL.encode(),
    }
    chunks = b"".join(_text_chunk(name.encode(), text) for name, text in texts.items())
    return content[:head] + chunks + content[head:]


def _text_chunk(keyword: bytes, text: bytes) -> bytes:
    """iTXt: UTF-8, uncompressed, no language."""
    body = b"iTXt" + keyword + b"\0\0\0\0\0" + text
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _into_jpeg(content: bytes, packet: bytes) -> bytes:
    at = 2
    while content[at] == 0xFF and content[at + 1] in (0xE0, 0xE1):  # After JFIF and EXIF.
        at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    body = _JPEG_XMP + packet
    return content[:at] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[at:]


def _into_webp(content: bytes, packet: bytes) -> bytes:
    """Adds the XMP chunk at the end, and the extended header (VP8X) that announces it."""
    chunks = content[12 : 8 + int(struct.unpack_from("<I", content, 4)[0])]
    if chunks[:4] == b"VP8X":
        chunks = chunks[:8] + bytes([chunks[8] | 0x04]) + chunks[9:]
    else:
        with Image.open(BytesIO(content)) as picture:
            flags = 0x04 | (0x10 if picture.mode == "RGBA" else 0)
            width, height = (struct.pack("<I", side - 1)[:3] for side in picture.size)
        extended = bytes([flags, 0, 0, 0]) + width + height
        chunks = b"VP8X" + struct.pack("<I", len(extended)) + extended + chunks
    chunks += b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
