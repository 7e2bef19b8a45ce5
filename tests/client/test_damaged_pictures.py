"""RAW photos are named as such; what every browser shows is repaired, with a note; what lacks more
is refused."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageChops, PngImagePlugin

from tests.support import hostile
from wavespeed import Image as Prepared
from wavespeed import Preprocessing, prepare
from wavespeed.errors import InvalidEdit

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")
SIZE = (200, 1200)


def photo() -> Image.Image:
    """With grain, so that every row takes its bytes."""
    return Image.effect_noise(SIZE, 40).convert("RGB")


def encoded(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    photo_once().save(out, format, **options)
    return out.getvalue()


def photo_once(kept: list[Image.Image] = []) -> Image.Image:  # noqa: B006 - the same for all
    kept[:] = kept or [photo()]
    return kept[0]


def prepared(tmp_path: Path, content: bytes) -> Prepared:
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    return prepare(path)


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(InvalidEdit) as caught:
        prepared(tmp_path, content)
    return str(caught.value)


def looks_like_the_photo(content: bytes, rows: int = SIZE[1] * 98 // 100) -> bool:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == SIZE
        box = (0, 0, SIZE[0], rows)
        difference = ImageChops.difference(picture.convert("RGB"), photo_once()).crop(box)
        mean = sum(value * n for value, n in enumerate(difference.convert("L").histogram()))
        return mean / (SIZE[0] * rows) < 8


def with_chunk(png: bytes, kind: bytes, payload: bytes) -> bytes:
    return png[:33] + hostile.chunk(kind, payload) + png[33:]


def spoilt(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


LONG = zlib.compress(bytes(9_000_000))


def damaged() -> dict[str, bytes]:
    png, jpeg = encoded("PNG"), encoded("JPEG", quality=90)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "by hand")
    texts = encoded("PNG", pnginfo=info)
    return {
        "PNG with a long profile": with_chunk(png, b"iCCP", b"x\0\0" + LONG),
        "PNG with a long text": with_chunk(png, b"zTXt", b"x\0\0" + LONG),
        "PNG with a wrong checksum of its pixels": spoilt(png, len(png) - 14),
        "PNG with a wrong checksum of a text": spoilt(texts, texts.index(b"by hand") + 8),
        "PNG with a wrong checksum of its header": spoilt(png, 30),
        "PNG without its end": png[:-12],
        "PNG without its last bytes": png[:-20],
        "PNG without 1 % of its data": png[: len(png) * 99 // 100],
        "JPEG without its end": jpeg[:-2],
        "JPEG without its last bytes": jpeg[:-40],
        "progressive JPEG without its end": encoded("JPEG", quality=90, progressive=True)[:-2],
        "JPEG with half an end": jpeg[:-1],
    }


@pytest.mark.parametrize("kind", damaged())
def test_what_every_browser_shows_is_repaired_and_says_so(tmp_path: Path, kind: str) -> None:
    content = damaged()[kind]

    image = prepared(tmp_path, content)

    assert looks_like_the_photo(image.content)
    assert image.content != content
    assert image.preprocessing.repaired
    assert "damage repaired" in str(image.preprocessing)
    assert not image.preprocessing.is_unchanged


def interlaced_png(part: float) -> bytes:
    """Pillow writes none: two of seven passes are enough to know their sizes."""
    header = struct.pack(">LLBBBBB", 16, 16, 8, 0, 0, 0, 1)
    sizes = [(2, 2), (2, 2), (4, 2), (4, 4), (8, 4), (8, 8), (16, 8)]
    raw = b"".join((b"\0" + bytes([90] * columns)) * rows for columns, rows in sizes)
    data = zlib.compress(raw[: int(len(raw) * part)])
    return hostile.PNG + hostile.chunk(b"IHDR", header) + hostile.chunk(b"IDAT", data)


def test_an_interlaced_png_without_its_end_is_repaired(tmp_path: Path) -> None:
    with Image.open(io.BytesIO(prepared(tmp_path, interlaced_png(1)).content)) as picture:
        assert picture.convert("L").getextrema() == (90, 90)

    assert "damaged" in refusal(tmp_path, interlaced_png(0.9))


def lacking() -> dict[str, bytes]:
    png, jpeg = encoded("PNG"), encoded("JPEG", quality=90)
    late = encoded("JPEG", quality=90, progressive=True)
    second_last = [found.start() for found in re.finditer(b"\xff\xda", late)][-1]
    restarts = encoded("JPEG", quality=90, restart_marker_rows=1)
    return {
        "90 % of a PNG": png[: len(png) * 9 // 10],
        "95 % of a PNG": png[: len(png) * 95 // 100],
        "95 % of a JPEG": jpeg[: len(jpeg) * 95 // 100],
        "90 % of a JPEG": jpeg[: len(jpeg) * 9 // 10],
        "90 % of a JPEG with restarts": restarts[: len(restarts) * 9 // 10],
        "a progressive JPEG without its last scan": late[:second_last],
        "the first scan of a progressive JPEG": late[: len(late) // 5],
        "a PNG that is broken in the middle": png[: len(png) // 2]
        + bytes(99)
        + png[len(png) // 2 :],
        "a JPEG of headers alone": jpeg[: jpeg.index(b"\xff\xda") + 20],
    }


@pytest.mark.parametrize("kind", lacking())
def test_what_lacks_more_is_refused(tmp_path: Path, kind: str) -> None:
    assert refusal(tmp_path, lacking()[kind]) == "“cat.png” is damaged or incomplete."


def test_a_sound_picture_is_not_called_repaired(tmp_path: Path) -> None:
    content = encoded("PNG")

    image = prepared(tmp_path, content)

    assert image.content == content
    assert not image.preprocessing.repaired
    assert Preprocessing("PNG", "PNG", SIZE, SIZE, 9) == Preprocessing(
        "PNG", "PNG", SIZE, SIZE, 9, repaired=False
    )


# --- RAW ------------------------------------------------------------------------------------

RAW = "“cat.png” is a RAW photo: export it as JPEG first."


def tiff(order: str, entries: list[tuple[int, int, int]], beginning: bytes = b"") -> bytes:
    """A 160 × 120 thumbnail and tags (number, type, value), as cameras write them."""
    strip = 8 + len(beginning)
    at = strip + 160 * 120
    thumbnail = [(256, 3, 160), (257, 3, 120), (258, 3, 8), (262, 3, 1), (273, 4, strip)]
    thumbnail += [(277, 3, 1), (278, 3, 120), (279, 4, 160 * 120)]
    every = sorted(
        {tag: (tag, kind, value) for tag, kind, value in [*thumbnail, *entries]}.values()
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", at)
    directory = struct.pack(f"{order}H", len(every))
    for tag, kind, value in every:
        packed = struct.pack(f"{order}{'H2x' if kind == 3 else 'L'}", value)
        directory += struct.pack(f"{order}HHL", tag, kind, 1) + packed
    return head + beginning + bytes([99] * 160 * 120) + directory + bytes(4)


RAWS = {
    "NEF": tiff(">", [(254, 4, 1), (330, 4, 900)]),
    "ARW": tiff("<", [(254, 4, 1), (330, 4, 900)]),
    "DNG": tiff("<", [(254, 4, 1), (50706, 1, 0x0401)]),
    "DNG of the sensor's values": tiff("<", [(262, 3, 34892)]),
    "PEF": tiff(">", [(262, 3, 32803)]),
    "CR2": tiff("<", [], b"CR\x02\0"),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "RAF": b"FUJIFILMCCD-RAW 0201",
    "ORF": b"IIRO\x08\0\0\0",
    "RW2": b"IIU\0\x18\0\0\0",
}


@pytest.mark.parametrize("kind", RAWS)
def test_a_raw_photo_is_refused_before_its_thumbnail_is_paid_for(tmp_path: Path, kind: str) -> None:
    assert refusal(tmp_path, RAWS[kind]) == RAW


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_ordinary_tiff_is_none(tmp_path: Path, order: str) -> None:
    assert prepared(tmp_path, tiff(order, [(254, 4, 0)])).preprocessing.format_before == "TIFF"
    assert prepared(tmp_path, tiff(order, [(254, 4, 0), (330, 4, 900)])).preprocessing.size == (
        160,
        120,
    )
