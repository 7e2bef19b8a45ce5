"""What a file is, its content says and not its name: what is none of ours is named in a sentence,
and the good pictures beside it stay, after a reload, too."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.support.visits import wait_until_kept

DROP = """([where, files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    const event = (kind) =>
        new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    const target = document.querySelector(where);
    for (const kind of ["dragenter", "dragover", "drop"]) target.dispatchEvent(event(kind));
}"""
IN_THE_FIELD = "#inputs button[aria-dropeffect], #inputs .upload-container"
BESIDE_IT = "#answer"


def raw_photo(folder: Path, name: str = "garden.dng") -> Path:
    """As cameras write them: a TIFF whose first picture is a thumbnail, with the DNG's version."""
    file = folder / name
    picture = Image.new("RGB", (160, 120), "green")
    picture.save(file, format="TIFF", tiffinfo={50706: b"\1\4\0\0", 254: 1})
    return file


def named(folder: Path, name: str) -> Path:
    return Path(shutil.copy(PHOTOS / "coffee.jpg", folder / name))


def pdf(folder: Path) -> Path:
    file = folder / "offer.pdf"
    file.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")
    return file


def svg(folder: Path) -> Path:
    file = folder / "logo.svg"
    file.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    return file


def video(folder: Path) -> Path:
    file = folder / "clip.mp4"
    file.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(200))
    return file


def drop_on(page: Page, where: str, *files: Path) -> None:
    """As a hand with a mouse does; a browser knows no type of what its system does not know."""
    known = {".jpg": "image/jpeg", ".pdf": "application/pdf", ".mp4": "video/mp4"}
    sent = [
        [file.name, known.get(file.suffix, ""), base64.b64encode(file.read_bytes()).decode()]
        for file in files
    ]
    page.evaluate(DROP, [where, sent])


def expect_slots(page: Page, total: int, *, good: int) -> None:
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(total)
    expect(page.locator("#strip [data-testid=strip-picture] img")).to_have_count(good)
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)


def test_a_raw_photo_beside_a_good_picture_is_named_and_the_other_stays(
    page: Page, tmp_path: Path
) -> None:
    drop_on(page, IN_THE_FIELD, named(tmp_path, "coffee.jpg"), raw_photo(tmp_path))
    expect_slots(page, 2, good=1)
    note = page.locator("#strip [data-testid=note]")
    expect(note).to_contain_text("garden.dng")
    expect(note).to_contain_text("RAW photo")

    page.reload()
    expect_slots(page, 2, good=1)
    expect(note).to_contain_text("garden.dng")

    page.locator("#strip [data-testid=strip-slot]").nth(1).hover()
    page.get_by_role("button", name="Take picture 2 away").click()
    expect_slots(page, 1, good=1)
    expect(note).to_have_count(0)
    page.locator("#prompt textarea").fill("make it red")
    page.locator("#edit").click()
    expect(page.locator("#status [data-state=done]")).to_be_visible()


def test_a_good_picture_is_taken_whatever_it_is_called(page: Page, tmp_path: Path) -> None:
    names = ["cup.pjp", "cup.jfif", "cup.arw", "cup", "cup.txt", "coffee.jpg"]
    drop_on(page, IN_THE_FIELD, *[named(tmp_path, name) for name in names])
    expect_slots(page, 6, good=6)
    wait_until_kept(page)
    page.reload()
    expect_slots(page, 6, good=6)


@pytest.mark.slow
def test_the_picker_refuses_nothing_by_name(page: Page, tmp_path: Path) -> None:
    files = [named(tmp_path, "cup.pjp"), raw_photo(tmp_path, "garden.arw"), pdf(tmp_path)]
    with page.expect_file_chooser() as chooser:
        page.locator(IN_THE_FIELD).first.click()
    assert chooser.value.is_multiple()
    chooser.value.set_files(files)
    expect_slots(page, 3, good=1)
    notes = page.locator("#strip [data-testid=note]")
    expect(notes).to_have_count(2)
    expect(notes.nth(0)).to_contain_text("garden.arw")
    expect(notes.nth(1)).to_contain_text("offer.pdf")


@pytest.mark.parametrize("where", [IN_THE_FIELD, pytest.param(BESIDE_IT, marks=pytest.mark.slow)])
def test_what_is_no_picture_is_answered_wherever_it_is_dropped(
    page: Page, tmp_path: Path, where: str
) -> None:
    others = [pdf(tmp_path), svg(tmp_path), video(tmp_path)]
    drop_on(page, where, *others, named(tmp_path, "coffee.jpg"))
    expect_all_told(page, others)

    # The good one goes to the front, which hands all of them through the server.
    for place in (4, 3, 2):
        page.locator("#strip [data-testid=strip-slot]").nth(place - 1).hover()
        page.get_by_role("button", name=f"Move picture {place} forward").click()
        moved = page.locator("#strip [data-testid=strip-slot]").nth(place - 2)
        expect(moved.locator("img")).to_be_visible()
    expect_all_told(page, others)
    page.reload()
    expect_all_told(page, others)


def expect_all_told(page: Page, others: list[Path]) -> None:
    expect_slots(page, 1 + len(others), good=1)
    notes = page.locator("#strip [data-testid=note]")
    expect(notes).to_have_count(len(others))
    for number, file in enumerate(others):
        expect(notes.nth(number)).to_contain_text(file.name)
