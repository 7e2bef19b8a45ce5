"""Work on one picture, from its file to a few small values: what a worker of the decoder does.

All of it blocks, and all of it is called by way of `decoder`: a picture from outside is never
decoded in the process that serves the page.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from wavespeed import images

THUMBNAIL = 192
"""Pixels on the long edge, of a picture that was dropped."""
SCREEN = 1600
"""The same: all that a screen shows of the stage."""
COVER = 12
"""The same: blurred by the browser, it shows no shape at all."""
MAX_PIXELS = images.MAX_PIXELS
RESULTS = ("PNG", "JPEG", "WEBP")
"""The formats an output may have."""
SHEET_SIZES = ((1024, 84), (1024, 74), (1024, 62), (768, 62), (512, 55))
"""Long edge and JPEG quality, from the best on: the first that fits into a picture's share."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture before it is sent: a thumbnail and a cover (JPEG), and what will be done to it."""

    thumbnail: bytes
    cover: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A result that was wholly decoded; `blur_placeholder` is a data URI."""

    format: str
    width: int
    height: int
    cover: str


@dataclass(frozen=True, slots=True)
class Small:
    """A JPEG, and of the file that it shows the upright size and the format."""

    jpeg: bytes
    size: tuple[int, int]
    format: str


def memory_needed(source: Path | bytes) -> int:
    """Bytes in memory; raises what `wavespeed.images.naming` puts into words."""
    content = source if isinstance(source, bytes) else images.read(source)
    return images.memory_needed(content)


def inspect(path: Path) -> Inspected:
    """Raises `InvalidEdit`."""
    image = images.prepare(path)
    with Image.open(BytesIO(image.content)) as picture:
        return Inspected(jpeg(picture, THUMBNAIL), jpeg(picture, COVER), str(image.preprocessing))


def sent_image(path: Path) -> tuple[str, Small]:
    """The picture as the service gets it, for the screen, and its name. Raises `InvalidEdit`."""
    image = images.prepare(path)
    with Image.open(BytesIO(image.content)) as picture:
        return image.name, Small(
            jpeg(picture, SCREEN), image.preprocessing.size, image.preprocessing.format
        )


def resized(path: Path, edge: int, keep_transparent: bool) -> bytes | None:
    """A JPEG; with `keep_transparent` None for a picture that is small and transparent."""
    with Image.open(path, formats=images.FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        if keep_transparent and picture.has_transparency_data and max(picture.size) <= edge:
            return None
        return jpeg(picture, edge)


def check(content: bytes) -> Checked:
    """Decodes a result wholly, which alone says that it arrived whole."""
    with Image.open(BytesIO(content), formats=RESULTS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        cover = picture.convert("RGB")
        cover.thumbnail((COVER, COVER), Image.Resampling.BOX)
        buffer = BytesIO()
        cover.save(buffer, "PNG")
        uri = data_uri("png", buffer.getvalue())
        return Checked(str(picture.format), picture.width, picture.height, uri)


def for_sheet(path: Path, most_bytes: int) -> Small:
    """Upright, on white, and no larger than `most_bytes` where one can still see something.

    Raises `InvalidEdit`.
    """
    ready = images.prepare(path)
    with Image.open(BytesIO(ready.content)) as picture:
        profile = picture.info.get("icc_profile") if picture.mode in ("RGB", "RGBA") else None
        with_alpha = picture.convert("RGBA")
    edge = SHEET_SIZES[0][0]
    with_alpha.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=3.0)
    flat = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha)
    flat = flat.convert("RGB")
    content = b""
    for edge, quality in SHEET_SIZES:
        flat.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        out = BytesIO()
        flat.save(out, "JPEG", quality=quality, icc_profile=profile)
        content = out.getvalue()
        if len(content) <= most_bytes:
            break
    return Small(content, ready.preprocessing.size_before, ready.preprocessing.format_before)


def jpeg(picture: Image.Image, edge: int) -> bytes:
    """Upright, at most `edge` long; what is transparent becomes white."""
    picture.draft("RGB", (edge, edge))
    picture.thumbnail((edge, edge), Image.Resampling.HAMMING)
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        picture = Image.new("RGB", picture.size, "white")
        picture.paste(with_alpha, mask=with_alpha)
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def data_uri(kind: str, content: bytes) -> str:
    """The picture in text, of the kind "jpeg" or "png"."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
