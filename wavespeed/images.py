"""Any picture file -> the bytes the API takes: an upright JPEG or PNG of moderate size that tells
nobody where it was taken. One that is so already goes out byte for byte; all else is decoded,
turned, converted to sRGB, reduced and encoded again, and then carries no metadata at all."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError

from . import types
from ._image_metadata import PNG_SIGNATURE, check_pieces, png_chunks, tells_place, webp_size
from ._image_raw import is_raw
from ._image_repair import mended
from .errors import InvalidEdit

MAX_EDGE = 2048
NEARLY = 0.97
"""Of that edge is enough where a decoder gives it for a third of the time: half of what most phones
take is 2000 to 2040 pixels."""
MAX_BYTES = 8_000_000
"""Of a file that goes out as it is. What is encoded here can't pass the API's 20 MB: the worst,
2048 × 2048 of noise with alpha, is a PNG of 16.8 MB."""
MAX_FILE_BYTES = 50_000_000
MAX_PIXELS = 100_000_000
"""400 MB decoded. Checked here, since Pillow's MAX_IMAGE_PIXELS belongs to the whole process."""

# Pillow knows forty more (EPS, PSD, …): parsers that hostile bytes shall never reach.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
NAMES = {"WEBP": "WebP", "HEIF": "HEIC", "MPO": "JPEG"}  # MPO: a JPEG with a second one behind.
# EXIF's orientations that are not upright, and what makes them so.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

pillow_heif.register_heif_opener()
# Pillow remarks on odd metadata by warnings, which nobody could act on. `catch_warnings` swaps a
# list that all threads share, and this runs in threads: so once, and only for remarks from
# Pillow's own lines. Deprecations point at the caller's.
warnings.filterwarnings("ignore", module=r"PIL\.")

REASONS: dict[type[Exception], str] = {
    Image.DecompressionBombError: f"has more than {MAX_PIXELS // 1_000_000} megapixels",
    UnidentifiedImageError: "is no JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, or is damaged",
    MemoryError: "needs more memory than there is",
    TimeoutError: "takes too long to read",
}
BYTES_PER_PIXEL = dict.fromkeys(("JPEG", "MPO", "PNG", "GIF", "BMP"), 9)
"""The most that is taken at once while a picture of this format is prepared (measured: RGBA, and a
second one to resize)."""
COPIED_BYTES_PER_PIXEL = 16
"""The same of the other formats, whose decoders make a copy of their own first."""


class _Unfit(Exception):
    """What is wrong with a file: the rest of the sentence that begins with its name."""


def prepare(path: Path, name: str | None = None) -> types.Image:
    """The picture in a file, ready to send, and what was done to it.

    Blocking, a third of a second for a photo of 12 megapixels: call it in a thread. `name` is what
    people call the file, if `path` is a temporary one. `preprocessing.size_before` is the upright
    size.

    Raises `InvalidEdit` and nothing else, whatever the file is or holds.
    """
    with naming(name or path.name) as shown:
        return convert(read(path), shown)


@contextmanager
def naming(name: str) -> Iterator[str]:
    """Around `read` and `convert`, yields the name to show: whatever they raise becomes an
    `InvalidEdit` that says it."""
    shown = _shown(name)
    try:
        yield shown
    except Exception as error:  # Pillow names no closed set of what its decoders raise.
        raise InvalidEdit(f"“{shown}” {_reason(error)}.", field="images") from error


def _reason(error: Exception) -> str:
    if isinstance(error, _Unfit):
        return str(error)
    for kind in type(error).__mro__:
        if kind in REASONS:
            return REASONS[kind]
    return "is damaged or incomplete"


def read(path: Path) -> bytes:
    """A file's bytes. Blocking; raises what `naming` puts into words."""
    with _opened(path) as file:
        content = file.read(MAX_FILE_BYTES + 1)
    _check_file_size(len(content))
    return content


def sha256(path: Path) -> bytes:
    """Of a file's bytes, which are never all in memory. Blocking; raises as `read` does."""
    with _opened(path) as file:
        _check_file_size(os.fstat(file.fileno()).st_size)
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        if not path.is_file():  # Opening a pipe would wait for someone to write to it.
            raise _Unfit("is no file, or no longer there")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise _Unfit("can't be read") from error


def _check_file_size(size_bytes: int) -> None:
    if not size_bytes:
        raise _Unfit("is empty")
    if size_bytes > MAX_FILE_BYTES:
        raise _Unfit(f"is larger than {MAX_FILE_BYTES // 1_000_000} MB")


def convert_file(path: Path, name: str) -> types.Image:
    """`convert` of a file's bytes, for `AsyncClient`'s `prepare`. Blocking."""
    return convert(read(path), name)


def memory_needed(content: bytes) -> int:
    """The most bytes, in memory, that it takes to prepare the picture; roughly. Opens it without
    decoding it. Raises what `naming` puts into words."""
    if content.startswith(PNG_SIGNATURE):  # Also one that is too damaged to be opened.
        size = _check_png(content)
        format = "PNG"
    elif webp := webp_size(content):
        size = webp
        format = "WEBP"
    else:
        check_pieces(content)
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            size = picture.size
            format = str(picture.format)
    _check_size(size)
    bytes_per_pixel = BYTES_PER_PIXEL.get(format, COPIED_BYTES_PER_PIXEL)
    return size[0] * size[1] * bytes_per_pixel + len(content)


def convert(content: bytes, name: str) -> types.Image:
    """The picture in a file's bytes, as `prepare`; raises what `naming` puts into words."""
    if is_raw(content):
        raise _Unfit("is a RAW photo: export it as JPEG first")
    _check_png(content)
    check_pieces(content)
    try:
        lacks_end = content.startswith(PNG_SIGNATURE) and b"IEND" not in content
        return _converted(content, name, repaired=lacks_end)
    except (_Unfit, Image.DecompressionBombError, MemoryError):
        raise
    except Exception:  # Pillow names no closed set of what its decoders raise.
        whole = mended(content)
        if whole is None:
            raise
        return _converted(whole, name, repaired=True)


def _converted(content: bytes, name: str, *, repaired: bool) -> types.Image:
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        _check_size(picture.size)
        size = picture.size
        target = _reduced(size)
        # The decoders of HEIC and TIFF turn the pixels themselves, and then forget it.
        was_turned = picture.info.get("original_orientation") in TURNS
        was_turned |= getattr(picture, "tag_v2", {}).get(ExifTags.Base.Orientation) in TURNS
        if picture.format in ("JPEG", "MPO"):
            target = _drafted(picture, target)
        picture.load()
        orientation = _orientation(picture)
        has_location = tells_place(picture, content)
        is_ready = size == target and orientation == 1 and not has_location and not repaired
        if is_ready and _is_plain(picture, content):
            reduced = None
        else:
            reduced = _upright_srgb(picture, target, orientation)
        format_before = NAMES.get(picture.format or "", picture.format or "")
    size_before = size[::-1] if orientation >= 5 else size
    format_sent = format_before
    size_sent = size_before
    if reduced is not None:
        format_sent, content = _encoded(reduced)
        size_sent = reduced.size
    preprocessing = types.Preprocessing(
        format_before=format_before,
        format=format_sent,
        size_before=size_before,
        size=size_sent,
        size_bytes=len(content),
        turned=was_turned or orientation != 1,
        location_removed=has_location,
        repaired=repaired,
    )
    ending = "jpg" if format_sent == "JPEG" else "png"
    return types.Image(f"{_stem(name)}.{ending}", content, preprocessing)


def _drafted(picture: ImageFile.ImageFile, target: tuple[int, int]) -> tuple[int, int]:
    """Has a JPEG decoded at 1/2, 1/4 or 1/8 where that will do; the size to send."""
    size = picture.size
    picture.draft(None, (math.ceil(target[0] * NEARLY), math.ceil(target[1] * NEARLY)))
    if picture.size != size and max(picture.size) <= MAX_EDGE:
        return picture.size
    return target


def _check_png(content: bytes) -> tuple[int, int]:
    """Its size. Pillow fills a canvas for an animated PNG while it opens it, before its size can be
    looked at: 14 GB for a few hundred bytes. A hostile file can have a second header."""
    size = (1, 1)
    if content.startswith(PNG_SIGNATURE):
        for kind, begin, end in png_chunks(content):
            if kind == b"IHDR" and end - begin >= 8:
                header: tuple[int, int] = struct.unpack_from(">LL", content, begin)
                _check_size(header)
                size = max(size, header, key=math.prod)
    return size


def _check_size(size: tuple[int, ...]) -> None:
    if min(size) < 1:
        raise _Unfit("has a side of zero pixels")
    if size[0] * size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError  # As Pillow does, at 179 million.


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, MAX_EDGE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(picture: ImageFile.ImageFile) -> int:
    """EXIF's number, 1 where it says nothing sensible. After `load`: a PNG can say it last."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
        return int(orientation) if orientation in TURNS else 1
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and is no reason to refuse
        return 1


def _is_plain(picture: ImageFile.ImageFile, content: bytes) -> bool:
    """A light JPEG or PNG, still and complete, with nothing in it that can't be looked through.

    Not CMYK or 16-bit grey: naive readers, maybe the service's, show one inverted, the other
    white. Not MPO: some refuse it.
    """
    if len(content) > MAX_BYTES:
        return False
    if picture.format == "JPEG":
        # Behind the end of a phone's JPEG there can be a film that knows the place.
        return picture.mode in ("L", "RGB") and content.rstrip(b"\0").endswith(b"\xff\xd9")
    if picture.format != "PNG" or picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        return False
    # ImageMagick's "raw profiles" are EXIF and IPTC in hexadecimal digits.
    hidden = b"Raw profile type" in content or not content.endswith(b"IEND\xae\x42\x60\x82")
    if hidden or getattr(picture, "is_animated", False):
        return False
    with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
        again.verify()  # The checksums, which decoding skips and other readers insist on.
    return True


def _upright_srgb(picture: Image.Image, size: tuple[int, int], orientation: int) -> Image.Image:
    """As RGB, or RGBA if any of it is transparent."""
    profile = picture.info.get("icc_profile")
    # HAMMING takes less than half the time of LANCZOS and is hard to tell from it.
    if picture.mode.startswith(("I", "F")):
        eight_bit = _from_deep_grey(picture, size)
    else:
        eight_bit = _eight_bit(picture).resize(size, Image.Resampling.HAMMING)
    picture = _srgb(eight_bit, profile)
    return picture.transpose(TURNS[orientation]) if orientation != 1 else picture


def _eight_bit(picture: Image.Image) -> Image.Image:
    """As L, RGB, RGBA or CMYK: what can be resized, and what colour profiles are made for."""
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        if picture.mode != "RGBA":  # Else it would be a copy of 400 MB for nothing.
            picture = picture.convert("RGBA")
        opaque = picture.getchannel("A").getextrema() == (255, 255)
        return picture.convert("RGB") if opaque else picture
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB")


def _from_deep_grey(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Reduced, as L. Of 16 or 32 bits or real numbers, which Pillow's own `convert` clips to white.
    Only 16 bits agree on what white is; otherwise it is the next usual number from the brightest
    pixel on."""
    real = picture.convert("F")
    real.info.pop("transparency", None)  # A grey that means transparent, in 16 bits.
    brightest: float = real.getextrema()[1]  # type: ignore[assignment]
    usual = (65535,) if picture.mode.startswith("I;16") else (1, 255, 65535)
    white = next((value for value in usual if brightest <= value), brightest)
    real = real.resize(size, Image.Resampling.HAMMING)
    return real.point(lambda value: value * (255 / white) + 0.5).convert("L")


def _srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    if not profile:
        return picture.convert(mode)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, srgb, picture.mode, mode).apply(picture)
    except (ImageCms.PyCMSError, OSError):
        return picture.convert(mode)  # Broken, or made for other colours: as if there were none.


def _encoded(picture: Image.Image) -> tuple[str, bytes]:
    """Format and bytes. No metadata: Pillow would write a comment that it finds in `info`."""
    picture.info = {}
    out = io.BytesIO()
    format = "PNG" if picture.mode == "RGBA" else "JPEG"
    # PNG's level 1 takes a third of the time of the default, and a tenth more bytes.
    picture.save(out, format, quality=95, subsampling="4:4:4", compress_level=1)
    return format, out.getvalue()


def _shown(name: str) -> str:
    """A file's name for people: no folder, no control characters, 60 letters at most."""
    last = re.split(r"[/\\]", name)[-1]
    text = "".join(letter for letter in last if letter.isprintable()).strip()
    return (text if len(text) <= 60 else f"{text[:44]}…{text[-15:]}") or "The picture"


def _stem(shown: str) -> str:
    """A file's name for machines, less its ending: ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", Path(shown).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-") or "picture"
