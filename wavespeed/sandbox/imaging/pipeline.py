"""From the URLs and the prompt of a submission to the PNG that answers it.

Everything here blocks and belongs in a worker thread. What cannot be read is `Unreadable`: files of
other types than the API documents, broken ones, bombs, hosts that do not answer.
"""

import base64
import binascii
import http.client
import io
import time
import urllib.request
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from .captions import mark
from .compose import blend_palettes, join
from .effects import mild, to_image, to_pixels
from .prompt import joins, wanted

FETCH_SECONDS = 5.0
FETCH_BYTES = 20 * 1024 * 1024  # The smallest of the limits that the service documents.
PIXELS = 64_000_000
SHORTEST_EDGE, LONGEST_EDGE = 256, 1024  # Of the long side; below, the mark is illegible.


class Unreadable(Exception):
    """An image the service could not get, or could not open."""


def fetch(url: str) -> bytes:
    """The bytes behind an http(s) URL or in a data URI."""
    if url.startswith("data:"):
        return _decode(url)
    if not url.startswith(("http://", "https://")):
        raise Unreadable(f"{url[:200]!a} is not an http(s) URL")
    try:
        return _download(url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreadable(f"{url[:200]!a} ({type(error).__name__})") from error


def edit(prompt: str, images: Sequence[bytes]) -> bytes:
    """The first image, edited by the words of the prompt. A PNG of 256 to 1024 px."""
    first, *others = [_open(image) for image in images]
    effects = wanted(prompt)
    if others:
        first = _fit(join([first, *others])) if joins(prompt) else blend_palettes(first, others)
    pixels = to_pixels(first)
    for effect in effects or ([] if others else [mild]):
        pixels = np.clip(effect(pixels), 0, 1)
    file = io.BytesIO()
    mark(_fit(to_image(pixels))).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _decode(url: str) -> bytes:
    head, _, content = url.partition(",")
    if not head.endswith(";base64"):
        raise Unreadable("a data URI that is not base64")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("a data URI that is broken") from error


def _download(url: str) -> bytes:
    """Bounded in size, and in time as a whole: a host may answer one byte a second."""
    deadline = time.monotonic() + FETCH_SECONDS
    content = b""
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:
        while chunk := answer.read1(1 << 16):
            content += chunk
            if len(content) > FETCH_BYTES:
                raise ValueError("too large")
            if time.monotonic() > deadline:
                raise TimeoutError("too slow")
    return content


def _open(content: bytes) -> Image.Image:
    """Upright, RGB and of a size to work on; what is transparent becomes white."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS:
                raise Unreadable("more pixels than the sandbox takes")
            image.draft("RGB", (LONGEST_EDGE, LONGEST_EDGE))
            upright = ImageOps.exif_transpose(image)
            return _fit(_rgb(upright))
    except Unreadable:
        raise
    except Exception as error:  # Pillow raises anything at all for a broken file.
        raise Unreadable("not a JPEG or PNG, or a broken one") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 8, not scale.
        image = image.convert("I").point(lambda grey: grey / 257).convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _fit(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    scale = min(max(longest, SHORTEST_EDGE), LONGEST_EDGE) / longest
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0 if scale < 1 else None)
