"""The pictures and the words before an edit: in order, told about, and never spent by accident."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.support.visits import drop
from wavespeed.studio.text import images


def names(page: Page) -> list[str]:
    """The files in the field, in order."""
    sources = [image.get_attribute("src") or "" for image in page.locator("#inputs img").all()]
    return [source.rsplit("/", 1)[1] for source in sources]


def photo_of_a_phone(folder: Path) -> Path:
    """Turned by EXIF, and it knows where it was taken."""
    picture = Image.new("RGB", (600, 400), "teal")
    exif = picture.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 0.0)
    file = folder / "phone.heic"
    picture.save(file, format="HEIF", exif=exif)
    return file


def test_each_picture_has_a_number_a_part_and_what_will_be_sent(
    blank_page: Page, tmp_path: Path
) -> None:
    drop(blank_page, PHOTOS / "coffee.jpg", photo_of_a_phone(tmp_path))
    slots = blank_page.locator("#strip [data-testid=strip-slot]")
    expect(slots.nth(0)).to_contain_text("1 Edited")
    expect(slots.nth(1)).to_contain_text("2 Reference")
    told = blank_page.locator("#strip [data-testid=sent]")
    expect(told.nth(0)).to_have_text("600×400, 105 kB")
    expect(told.nth(1)).to_contain_text("HEIC to JPEG")
    expect(told.nth(1)).to_contain_text("location removed")
    # A browser can't draw HEIC: the thumbnail is the server's.
    assert slots.nth(1).locator("img").evaluate("image => image.naturalWidth") > 0


def test_pictures_are_added_put_in_order_and_taken_away_one_by_one(blank_page: Page) -> None:
    drop(blank_page, PHOTOS / "coffee.jpg")
    with blank_page.expect_file_chooser() as chooser:
        blank_page.get_by_role("button", name="Add a picture", exact=True).click()
    chooser.value.set_files([str(PHOTOS / "rocket.jpg"), str(PHOTOS / "chelsea.jpg")])
    expect(blank_page.locator("#strip [data-testid=strip-picture]")).to_have_count(3)

    blank_page.locator("#strip [data-testid=strip-slot]").nth(2).hover()
    blank_page.get_by_role("button", name="Move picture 3 forward").click()
    expect(blank_page.locator("#inputs img").nth(1)).to_have_attribute("src", _ends("chelsea.jpg"))
    assert names(blank_page) == ["coffee.jpg", "chelsea.jpg", "rocket.jpg"]
    blank_page.locator("#strip [data-testid=strip-slot]").nth(0).hover()
    blank_page.get_by_role("button", name="Take picture 1 away").click()
    expect(blank_page.locator("#strip [data-testid=strip-picture]")).to_have_count(2)
    assert names(blank_page) == ["chelsea.jpg", "rocket.jpg"]
    # By keyboard, too: the focus is where it was, on what came up in its place.
    blank_page.get_by_role("button", name="Take picture 1 away").press("Enter")
    expect(blank_page.locator("#strip [data-testid=strip-picture]")).to_have_count(1)
    expect(blank_page.locator("#strip :focus")).to_have_count(1)


def _ends(name: str) -> re.Pattern[str]:
    return re.compile(f"{name}$")


def test_a_fifth_picture_is_refused_with_a_word(blank_page: Page) -> None:
    drop(blank_page, *[PHOTOS / "coffee.jpg"] * 5)
    expect(blank_page.locator("#strip")).to_contain_text("Not sent: 4 pictures go together.")
    expect(blank_page.locator("#edit")).to_be_disabled()
    blank_page.locator("#strip [data-testid=strip-slot]").nth(4).hover()
    blank_page.get_by_role("button", name="Take picture 5 away").click()
    expect(blank_page.locator("#edit")).to_have_text("Say what should change")


def test_pictures_are_dropped_and_pasted_anywhere_on_the_page(blank_page: Page) -> None:
    bring = """([kind, name]) => {
        const transfer = new DataTransfer();
        const png = Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0));
        transfer.items.add(new File([png], name, { type: "image/png" }));
        const event = kind === "paste"
            ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
            : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.querySelector("#answer").dispatchEvent(event);
    }"""  # noqa: E501 - a whole picture
    blank_page.evaluate(bring, ["drop", "dropped.png"])
    expect(blank_page.locator("#strip [data-testid=strip-picture]")).to_have_count(1)
    blank_page.evaluate(bring, ["paste", "pasted.png"])
    expect(blank_page.locator("#strip [data-testid=strip-picture]")).to_have_count(2)


def test_a_click_on_a_picture_puts_its_number_into_the_prompt(blank_page: Page) -> None:
    drop(blank_page, PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
    blank_page.locator("#prompt textarea").fill("take the light of")
    blank_page.get_by_role("button", name="Put “image 2” into the prompt").click()
    expect(blank_page.locator("#prompt textarea")).to_have_value("take the light of image 2")
    expect(blank_page.locator("#edit")).to_have_text("Edit  $0.02")


def test_a_picture_that_the_prompt_names_and_that_is_not_there_is_told(blank_page: Page) -> None:
    drop(blank_page, PHOTOS / "coffee.jpg")
    blank_page.locator("#prompt textarea").fill("take the light of image 2")
    expect(blank_page.locator("#prompt-hint")).to_have_text(
        "The prompt names image 2; there is only one."
    )
    drop_more = blank_page.locator("#inputs input[type=file]").first
    drop_more.set_input_files(str(PHOTOS / "rocket.jpg"))
    expect(blank_page.locator("#prompt-hint")).not_to_contain_text("names")


@pytest.mark.slow
def test_examples_and_chips_fill_in_and_spend_nothing(page: Page) -> None:
    examples = page.locator("[data-testid=examples] button")
    expect(examples).to_have_count(4)
    for part in ("Product and fashion", "UI and brand", "Creative direction", "Photography"):
        expect(page.locator("[data-testid=examples]")).to_contain_text(part)
    for picture in examples.locator("img").all():
        assert picture.evaluate("image => image.naturalWidth") > 0
    examples.nth(1).click()
    expect(page.locator("#strip [data-testid=strip-picture]")).to_have_count(1)
    expect(page.locator("#prompt textarea")).to_have_value(
        'Launch poster in pastel colours with a white border and the caption "Lift off"'
    )
    page.get_by_role("button", name="Neon night").click()
    expect(page.locator("#prompt textarea")).to_have_value(
        "Turn it into a neon night scene, cinematic"
    )
    expect(page.locator("#edit")).to_be_enabled()
    page.reload()
    expect(page.locator("#edit")).to_be_enabled()
    expect(page.locator("#history [data-testid=history-card]")).to_have_count(0)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("images 2 and 3 beside it", "image 2, 3;"),
        ("the light of picture #2, 4", "image 2, 4;"),
        ("like the 3rd photo", "image 3;"),
        ("like the second image", "image 2;"),
        ("like image 1", ""),
        ("a photo of 2020, with 3 images on the wall", ""),
    ],
)
def test_pictures_are_named_in_several_ways(prompt: str, told: str) -> None:
    said = images.missing_image_hint(prompt, 1)
    assert told in said
    assert bool(said) == bool(told)


def test_what_is_refused_before_it_is_sent_is_not_drawn_in_the_history_either(
    page: Page, tmp_path: Path
) -> None:
    """Pillow would open it: PostScript, under the name of a picture."""
    hostile = tmp_path / "poster.png"
    hostile.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    )
    page.locator("#inputs input[type=file]").first.set_input_files(str(hostile))
    expect(page.locator("#strip")).to_contain_text("“poster.png” is no JPEG")
    page.locator("#prompt textarea").fill("sepia")
    page.locator("#edit").click()
    expect(page.locator("#history [data-testid=history-card]")).to_contain_text(
        "Failed, nothing spent"
    )
    expect(page.locator("#history [data-testid=history-card] img")).to_have_count(0)
