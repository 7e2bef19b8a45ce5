"""What is taken away: whole, honest about what is missing, and fit to be mailed to anyone."""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.conftest import PHOTOS
from wavespeed import Edit, Output, Prediction
from wavespeed.errors import EditFailed
from wavespeed.events import (
    Completed,
    Downloaded,
    Finished,
    Preparing,
    Submitted,
    Submitting,
    Uploading,
)
from wavespeed.studio.export.archive import archive as archive_of
from wavespeed.studio.export.archive import contact_sheet as contact_sheet_of
from wavespeed.studio.runs.files import RunFiles
from wavespeed.studio.runs.metadata import read
from wavespeed.studio.runs.run import Failed, OutputFile, Run, Saved

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
HOSTILE = [
    '<script>document.title = "taken"</script><img src=x onerror="document.title=1">',
    "</style></title>\"'><svg onload=alert(1)> {{ words }} {% raw %} ${1} &amp; \u202e",
    "../../../etc/passwd\\..\\..\\windows\0\r\n",
    "🦊" * 300,
    "CON: \"ä\" 'ö' 漢字 " + "x" * 300,
]


def flagged(result: OutputFile) -> bool:
    return bool(result.nsfw)


def hidden(path: Path) -> bool:
    recipe = read(path)
    return recipe is not None and bool(recipe.nsfw)


def painted(colour: str, *, size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    out = BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def noise(size: tuple[int, int]) -> bytes:
    out = BytesIO()
    Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)).save(out, "PNG")
    return out.getvalue()


def sent(
    prompt: str, *inputs: Path | str, minute: int = 0, outputs: tuple[Output, ...] = ()
) -> Run:
    """An edit that the service has finished, with nothing saved so far."""
    queued = Prediction(f"p{minute}", "created")
    done = Prediction(f"p{minute}", "completed", outputs=outputs, inference=3.0)
    run = Run(
        id=f"run{minute}",
        visitor_id="me",
        edit=Edit(prompt, inputs),
        started_at=NOON + timedelta(minutes=minute),
    )
    for event in (
        Preparing(0.0),
        Uploading(0.1, ()),
        Submitting(0.5),
        Submitted(0.75, queued),
        Completed(4.0, done),
    ):
        run = run.apply(event)
    return run


def finished(
    folder: Path,
    prompt: str,
    *inputs: Path | str,
    minute: int = 0,
    outputs: tuple[bytes, ...] = (painted("navy"),),
    nsfw: tuple[bool | None, ...] = (False,),
) -> Run:
    told = tuple(Output(url="https://files.example/1.png", nsfw=flag) for flag in nsfw)
    run = sent(prompt, *inputs, minute=minute, outputs=told)
    files = RunFiles(folder)
    for index, content in enumerate(outputs):
        run = run.apply(Saved(4.25, files.save(run, Downloaded(4.25, index, content))))
    assert run.prediction is not None
    return run.apply(Finished(4.5, run.prediction))


def packed(file: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The manifest's edits, and the other files by name."""
    with ZipFile(file) as pack:
        assert pack.testzip() is None
        assert all(entry.compress_type == ZIP_STORED for entry in pack.infolist())
        assert len(pack.namelist()) == len({name.lower() for name in pack.namelist()})
        files = {name: pack.read(name) for name in pack.namelist()}
    return json.loads(files.pop("manifest.json"))["edits"], files


def pictures(sheet: str) -> list[Image.Image]:
    """The pictures on a sheet, decoded."""
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', sheet)
    return [Image.open(BytesIO(b64decode(source))) for source in sources]


def archive(runs: list[Run], file: Path, **how: Any) -> None:
    """The archive, in a file."""
    file.write_bytes(b"".join(archive_of(runs, **how)))


def contact_sheet(runs: list[Run], file: Path, **how: Any) -> None:
    file.write_bytes(b"".join(contact_sheet_of(runs, **how)))


# --- The archive


def test_an_archive_holds_the_original_files_and_says_how_each_came_to_be(
    photo: Path, tmp_path: Path
) -> None:
    later = finished(
        tmp_path, "Then für 漢字", photo, PHOTOS / "coffee.jpg", minute=9, nsfw=(None,)
    )
    first = finished(tmp_path, "make it black and white", photo)

    archive([later, first], tmp_path / "edits.zip", covered=flagged, hidden=hidden)

    edits, files = packed(tmp_path / "edits.zip")
    assert [edit["prompt"] for edit in edits] == ["make it black and white", "Then für 漢字"]
    result = first.results[0]
    assert edits[0] == {
        "prompt": "make it black and white",
        "model": "openai/gpt-image-1-mini/edit",
        "prediction_id": "p0",
        "started_at": "2026-01-14T12:00:00+00:00",
        "state": "done",
        "error": "",
        "timings_ms": {
            "prepare": 100,
            "upload": 400,
            "queue": 500,
            "inference": 3000,
            "download": 500,
            "total": 4500,
        },
        "cost_usd": 0.02,
        "inputs": [
            {
                "file": "inputs/2026-01-14/120000-make-it-black-and-white/1-cup.png",
                "sha256": sha256(photo.read_bytes()).hexdigest(),
            }
        ],
        "results": [
            {
                "file": "results/2026-01-14/120000-make-it-black-and-white-1.png",
                "sha256": sha256(result.path.read_bytes()).hexdigest(),
                "width": 60,
                "height": 40,
                "format": "PNG",
                "size_bytes": result.path.stat().st_size,
                "nsfw": False,
            }
        ],
    }
    assert edits[1]["results"][0]["nsfw"] is None
    for edit in edits:
        for told in edit["inputs"] + edit["results"]:
            assert sha256(files.pop(told["file"])).hexdigest() == told["sha256"]
    assert not files


def test_a_flagged_result_is_not_in_the_archive_and_the_manifest_says_why(
    photo: Path, tmp_path: Path
) -> None:
    contents = painted("red"), painted("green")
    run = finished(tmp_path, "two of them", photo, outputs=contents, nsfw=(True, False))

    archive([run], tmp_path / "edits.zip", covered=flagged, hidden=hidden)

    [edit], files = packed(tmp_path / "edits.zip")
    assert [told.get("left_out") for told in edit["results"]] == ["flagged", None]
    assert edit["results"][0]["nsfw"] is True
    assert edit["results"][0]["file"] not in files
    assert run.results[0].path.read_bytes() not in files.values()
    assert run.results[1].path.read_bytes() in files.values()


def test_a_flagged_result_that_was_edited_further_is_left_out_as_an_input_too(
    photo: Path, tmp_path: Path
) -> None:
    bad = finished(tmp_path, "bad", photo, nsfw=(True,))
    again = tmp_path / "again.png"
    again.write_bytes(bad.results[0].path.read_bytes())
    better = finished(tmp_path, "better", again, minute=1, outputs=(painted("green"),))

    # Its own run may be of another session, or deleted: the file itself says what it is.
    archive([better], tmp_path / "edits.zip", covered=flagged, hidden=hidden)
    contact_sheet([better], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    (told,), files = packed(tmp_path / "edits.zip")
    assert told["inputs"][0]["left_out"] == "flagged"
    assert again.read_bytes() not in files.values()
    sheet = (tmp_path / "sheet.html").read_text()
    assert len(pictures(sheet)) == 1
    assert "Flagged, left out" in sheet


def test_files_that_are_gone_are_told_and_stop_nothing(photo: Path, tmp_path: Path) -> None:
    run = finished(tmp_path, "gone", photo)
    kept = finished(tmp_path, "kept", PHOTOS / "coffee.jpg", minute=1)
    photo.unlink()
    run.results[0].path.unlink()

    archive([run, kept], tmp_path / "edits.zip", covered=flagged, hidden=hidden)
    contact_sheet([run, kept], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    (told, _), files = packed(tmp_path / "edits.zip")
    assert [file["left_out"] for file in told["inputs"] + told["results"]] == ["gone", "gone"]
    assert len(files) == 2
    sheet = (tmp_path / "sheet.html").read_text()
    assert "1 result is no longer on the disk" in sheet
    assert len(pictures(sheet)) == 2


def test_runs_that_failed_or_are_under_way_are_told_in_the_manifest_only(
    photo: Path, tmp_path: Path
) -> None:
    running = sent("under way", photo)
    failed = sent("refused", photo, minute=1).apply(
        Failed(5.0, EditFailed("No luck.", service_code=None, prediction_id="p1"))
    )

    archive([running, failed], tmp_path / "edits.zip", covered=flagged, hidden=hidden)
    contact_sheet([running, failed], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    edits, files = packed(tmp_path / "edits.zip")
    assert [edit["state"] for edit in edits] == ["running", "failed"]
    assert edits[0]["inputs"][0]["left_out"] == "running"
    assert list(files) == [edits[1]["inputs"][0]["file"]]
    assert "No luck." in edits[1]["error"]
    sheet = (tmp_path / "sheet.html").read_text()
    assert "There is no finished edit to show." in sheet
    assert not pictures(sheet)


def test_a_result_made_elsewhere_has_no_original_and_no_price(tmp_path: Path) -> None:
    made = finished(tmp_path, "unknown", "https://files.example/in.png")
    fetched = replace(made, edit=None)

    archive([fetched], tmp_path / "edits.zip", covered=flagged, hidden=hidden)
    contact_sheet([fetched], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    [edit], _ = packed(tmp_path / "edits.zip")
    assert (edit["prompt"], edit["inputs"], edit["cost_usd"]) == ("", [], 0.0)
    assert "The original is not here" in (tmp_path / "sheet.html").read_text()


def test_an_address_is_told_without_what_opens_it(tmp_path: Path) -> None:
    run = finished(tmp_path, "x", "https://me:pass@files.example/in.png?signature=secret")

    archive([run], tmp_path / "edits.zip", covered=flagged, hidden=hidden)

    [edit], _ = packed(tmp_path / "edits.zip")
    assert edit["inputs"] == [{"url": "https://files.example/in.png"}]


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
def test_names_in_an_archive_are_safe_unique_and_short_whatever_they_were(
    prompt: str, tmp_path: Path
) -> None:
    names = ["..\\..\\evil.png", "a\"<b>'🦊.png", "é" * 120 + ".png", "-rf.PNG", "...p/Cup.png"]
    inputs = [tmp_path / "up" / name for name in names]
    for path in inputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(painted("teal"))
    runs = [
        finished(tmp_path, prompt, *inputs[:4], minute=0),
        finished(tmp_path, prompt, inputs[4]),
    ]

    archive(runs, tmp_path / "edits.zip", covered=flagged, hidden=hidden)

    edits, files = packed(tmp_path / "edits.zip")
    assert edits[0]["prompt"] == prompt
    assert len(files) == 7
    for name in files:
        assert re.fullmatch(r"(inputs|results)/2026-01-14/[\w.-]+(/[\w.-]+)?", name), name
        assert all(part[0] not in ".-" and len(part) <= 80 for part in name.split("/")), name
    assert str(tmp_path) not in json.dumps(edits)
    folders = {name.rsplit("/", 1)[0] for name in files if name.startswith("inputs")}
    assert len(folders) == 2


# --- The sheet


def test_a_sheet_shows_before_and_after_upright_and_on_white(tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200), "teal").save(turned, exif=exif, comment=b"private")
    clear = painted("#00000000", size=(2000, 1000), mode="RGBA")
    run = finished(tmp_path, "cut it out", turned, outputs=(clear,))

    contact_sheet([run], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    before, after = pictures((tmp_path / "sheet.html").read_text())
    assert before.size == (200, 300)
    assert not before.getexif()
    assert "comment" not in before.info
    assert after.size == (1024, 512)
    assert after.convert("RGB").getpixel((9, 9)) == (255, 255, 255)


def test_a_sheet_leaves_flagged_results_out_and_says_how_many(photo: Path, tmp_path: Path) -> None:
    runs = [finished(tmp_path, f"bad {n}", photo, minute=n, nsfw=(True,)) for n in range(2)]
    runs.append(finished(tmp_path, "good", photo, minute=5))

    contact_sheet(runs, tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    sheet = (tmp_path / "sheet.html").read_text()
    assert "2 flagged results are left out" in sheet
    assert "good" in sheet
    assert "bad 0" not in sheet
    assert len(pictures(sheet)) == 2

    contact_sheet(runs, tmp_path / "sheet.html", covered=lambda _: False, hidden=hidden)

    assert "left out" not in (tmp_path / "sheet.html").read_text()


def test_a_sheet_tells_prompt_time_cost_and_date(photo: Path, tmp_path: Path) -> None:
    runs = [finished(tmp_path, f"edit {n}", photo, minute=n * 1440) for n in range(3)]

    contact_sheet(runs[::-1], tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    text = " ".join(re.sub(r"(?s)<style.*</style>|<[^>]*>", " ", sheet_of(tmp_path)).split())
    assert "3 edits $0.06 14 Jan 2026 – 16 Jan 2026" in text
    assert "Edit 1 edit 0" in text
    assert "Made 14 Jan 2026, 12:00 UTC Time 4.5 s Cost $0.02" in text


def sheet_of(folder: Path) -> str:
    return (folder / "sheet.html").read_text()


def test_a_sheet_loads_nothing(photo: Path, tmp_path: Path) -> None:
    contact_sheet(
        [finished(tmp_path, "x", photo)], tmp_path / "sheet.html", covered=flagged, hidden=hidden
    )

    sheet = sheet_of(tmp_path)
    assert "http://" not in sheet
    assert "https://" not in sheet
    assert not re.search(r"<script|@import|url\(|<iframe", sheet)
    loads = re.findall(r'(?:src|href)="([^"]*)"', sheet)
    assert len(loads) == 3
    assert all(load.startswith("data:") for load in loads)
    assert "default-src 'none'" in sheet


@pytest.mark.slow
def test_thirty_edits_of_the_worst_pictures_fit_into_a_mail(tmp_path: Path) -> None:
    worst = tmp_path / "noise.png"
    worst.write_bytes(noise((640, 640)))
    run = finished(tmp_path, "noise", worst, outputs=(worst.read_bytes(),))
    runs = [replace(run, id=f"run{number}") for number in range(30)]

    contact_sheet(runs, tmp_path / "sheet.html", covered=flagged, hidden=hidden)

    assert len(pictures(sheet_of(tmp_path))) == 60
    assert (tmp_path / "sheet.html").stat().st_size < 12_000_000


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser without a network. Any script error fails the test."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert not errors
    context.close()


@pytest.mark.slow
def test_a_sheet_opens_from_the_disk_offline_and_prints(page: Page, tmp_path: Path) -> None:
    runs = [
        finished(tmp_path, prompt, PHOTOS / "coffee.jpg", minute=number)
        for number, prompt in enumerate(HOSTILE)
    ]
    contact_sheet(runs, tmp_path / "sheet.html", covered=flagged, hidden=hidden)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url[:60]))

    page.goto((tmp_path / "sheet.html").as_uri())

    images = page.locator("img")
    assert images.count() == 2 * len(HOSTILE)
    widths = images.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert widths == [600, 60] * len(HOSTILE)
    assert all(images.evaluate_all("images => images.map(image => image.alt)"))
    assert page.title() == "Image edits, 14 Jan 2026"
    assert page.locator("html").get_attribute("lang") == "en"
    for number, prompt in enumerate(HOSTILE):
        told = page.locator(".told p").nth(number)
        assert told.locator("*").count() == 0
        assert told.text_content() == " ".join(prompt.replace("\0", "").split())
    assert page.locator("script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390

    content = page.pdf(format="A4", prefer_css_page_size=True)

    assert content.startswith(b"%PDF")
    assert content.count(b"/Subtype /Image") >= 2
    assert all(url.startswith(("file://", "data:")) for url in requests), requests
    assert sum(url.startswith("file://") for url in requests) == 1


@pytest.mark.slow
def test_a_sheet_in_print_is_dark_on_white_even_where_the_screen_is_dark(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    contact_sheet(
        [finished(tmp_path, "x", photo)], tmp_path / "sheet.html", covered=flagged, hidden=hidden
    )
    page.emulate_media(color_scheme="dark")
    page.goto((tmp_path / "sheet.html").as_uri())
    colours = (
        "(({backgroundColor, color}) => [backgroundColor, color])(getComputedStyle(document.body))"
    )
    assert page.evaluate(colours) == ["rgb(18, 18, 18)", "rgb(240, 240, 240)"]

    page.emulate_media(media="print", color_scheme="dark")

    assert page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(23, 23, 23)"]
