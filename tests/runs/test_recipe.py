"""A result explains itself wherever it lies: the recipe is inside, and its pixels are untouched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from wavespeed.studio.runs.metadata import EditMetadata, read, write

RECIPE = EditMetadata(
    prompt='make it "warm" & <soft>, für 漢字 🦊',
    model="openai/gpt-image-1-mini/edit",
    prediction_id="p1",
    made_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    inputs=("ab" * 32, "cd" * 32),
)
CONTAINERS: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("JPEG", "RGB", {}),
    ("JPEG", "L", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
]


def encoded(kind: str, mode: str, options: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    picture = Image.radial_gradient("L").resize((65, 33)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(90)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(content: bytes) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(BytesIO(content)) as picture:
        return picture.mode, picture.size, picture.convert("RGBA").tobytes()


@pytest.mark.parametrize(("kind", "mode", "options"), CONTAINERS)
def test_a_recipe_comes_back_and_no_pixel_changes(
    kind: str, mode: str, options: dict[str, Any], tmp_path: Path
) -> None:
    content = encoded(kind, mode, options)
    written = write(content, RECIPE)
    file = tmp_path / "result"
    file.write_bytes(written)

    assert read(file) == RECIPE
    assert pixels(written) == pixels(content)


def test_any_picture_viewer_can_show_the_prompt(tmp_path: Path) -> None:
    file = tmp_path / "result.png"
    file.write_bytes(write(encoded("PNG", "RGB", {}), RECIPE))
    with Image.open(file) as picture:
        picture.load()
        assert picture.info["Description"] == RECIPE.prompt
        assert b"dc:description" in picture.info["xmp"]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=2000))
@example("]]>\x00\x0b\ufffe--><!--&quot;\"'\\")
def test_whatever_the_prompt_is_it_comes_back(prompt: str) -> None:
    recipe = EditMetadata(prompt, "m", "p1", RECIPE.made_at)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "result.jpg"
        file.write_bytes(write(encoded("JPEG", "RGB", {}), recipe))
        back = read(file)
    assert back is not None
    # XML has no place for a few code points that are no characters.
    expected = "".join(" " if letter in "\ufffe\uffff" else letter for letter in prompt)
    assert back.prompt == expected


def test_a_prompt_too_long_for_a_jpeg_is_cut_and_says_so(tmp_path: Path) -> None:
    long = EditMetadata("漢" * 32_000, "m", "p1", RECIPE.made_at)
    for kind, cut in (("JPEG", True), ("PNG", False)):
        file = tmp_path / kind
        file.write_bytes(write(encoded(kind, "RGB", {}), long))
        back = read(file)
        assert back is not None
        assert back.cut is cut
        assert long.prompt.startswith(back.prompt)
        assert (back.prompt == long.prompt) is not cut


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF"]))
def test_what_is_no_picture_is_left_as_it_is_or_at_least_never_raises(
    tail: bytes, head: bytes
) -> None:
    written = write(head + tail, RECIPE)
    assert written[:2] == (head + tail)[:2]


@pytest.mark.parametrize(
    "attribute",
    [
        "",
        "{}",
        "[1]",
        "{&quot;prompt&quot;: 7}",
        "&quot;" * 10_000,
        '<!DOCTYPE x [<!ENTITY a "b">]>',
    ],
)
def test_a_forged_recipe_is_none(attribute: str, tmp_path: Path) -> None:
    file = tmp_path / "forged.jpg"
    packet = f'<x:xmpmeta edit:recipe="{attribute}">'.encode()
    Image.new("RGB", (8, 8)).save(file, xmp=packet)
    assert read(file) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("packet", [b"<x:xmpmeta/>", b'<a edit:recipe="{}"/>'])
def test_what_others_wrote_into_a_picture_takes_no_cover_away(
    kind: str, packet: bytes, tmp_path: Path
) -> None:
    flagged = replace(RECIPE, nsfw=True)
    others = PngInfo()
    others.add_itxt("XML:com.adobe.xmp", packet.decode())
    of_others: dict[str, Any] = {"pnginfo": others} if kind == "PNG" else {"xmp": packet}
    file = tmp_path / "result"
    file.write_bytes(write(encoded(kind, "RGB", of_others), flagged))
    assert read(file) == flagged
    # And one that was made of it, with what the service left in it.
    newer = replace(RECIPE, prediction_id="p2", made_at=RECIPE.made_at + timedelta(seconds=9))
    file.write_bytes(write(write(encoded(kind, "RGB", {}), RECIPE), newer))
    assert read(file) == newer


def test_forged_recipes_neither_hide_a_flag_nor_take_long(tmp_path: Path) -> None:
    flagged = write(encoded("PNG", "RGB", {}), replace(RECIPE, nsfw=True))
    old = write(encoded("PNG", "RGB", {}), replace(RECIPE, made_at=datetime(1, 1, 1)))
    file = tmp_path / "forged.png"
    file.write_bytes(flagged + old + b'edit:recipe="{}"' * 1_000_000)
    found = read(file)
    assert found is not None
    assert found.nsfw


def test_a_file_that_is_no_picture_has_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    for name in ("note.txt", "missing.png", "."):
        assert read(tmp_path / name) is None
