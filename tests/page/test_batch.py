"""One prompt, many pictures: an edit each, so many at once, and none lost or paid twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, free_port, served
from tests.support.service import Service
from tests.support.visits import drop, visit, wait_for_pictures
from wavespeed import Edit
from wavespeed.studio.export.archive import archive
from wavespeed.studio.runs.batch import latest_attempts, progress
from wavespeed.studio.runs.run import OutputFile, Run, State
from wavespeed.studio.text import status


@pytest.fixture
def app(app_with: AppWith, service: Service) -> App:
    """With its owner's key, over the strict service."""
    return app_with(service)


def pictures(folder: Path, count: int) -> list[Path]:
    """Small ones, each of its own colour."""
    files = []
    for number in range(count):
        files.append(folder / f"shoe {number + 1}.png")
        Image.new("RGB", (60, 40), (number * 255 // count, 90, 160)).save(files[-1])
    return files


def ask_each(page: Page, prompt: str, *files: Path) -> None:
    drop(page, *files)
    page.get_by_label("Each picture on its own").check()
    page.locator("#prompt textarea").fill(prompt)
    expect(page.locator("#edit")).to_have_text(
        f"Edit {len(files)} pictures  ${len(files) / 50:.2f}"
    )
    page.locator("#edit").click()


def is_done(page: Page, count: int) -> None:
    expect(page.locator("#status")).to_contain_text(f"{count} of {count} done.")
    expect(page.locator("#results [data-testid=tile-done] img")).to_have_count(count)


def test_each_picture_becomes_an_edit_of_its_own(
    service: Service, page: Page, tmp_path: Path
) -> None:
    service.may_end = 0
    ask_each(page, "grey", *pictures(tmp_path, 4))
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuemax", "4")
    expect(page.locator("#status")).to_contain_text("2 running, 2 waiting")
    service.may_end = 1  # Results come one by one.
    expect(page.locator("#results [data-testid=tile-done]")).to_have_count(1)
    expect(page.locator("#results [data-testid=tile-running]")).to_have_count(3)
    expect(page.locator("#status")).to_contain_text("2 running, 1 waiting")
    expect(page.locator("#status")).to_contain_text("left")
    service.may_end = 4
    is_done(page, 4)

    sent = service.submissions
    assert len(sent) == 4
    assert all(len(edit["images"]) == 1 and edit["prompt"] == "grey" for edit in sent)
    assert len({edit["images"][0] for edit in sent}) == 4
    assert service.under_way == 2

    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    download.value.save_as(file := tmp_path / "all.zip")
    with ZipFile(file) as pack:
        names = {f"shoe-{number}.png" for number in range(1, 5)}
        assert set(pack.namelist()) == names | {"manifest.json"}
        told = json.loads(pack.read("manifest.json"))["edits"]
        by_name = {edit["inputs"][0]: edit["results"][0]["file"] for edit in told}
    assert by_name["shoe 3.png"] == "shoe-3.png"

    page.locator("#results").get_by_role("button", name="Open: shoe 3.png").click()
    expect(page.locator("#results [data-testid=before]")).to_have_count(1)
    page.get_by_role("button", name="All 4 of these").click()
    is_done(page, 4)


@pytest.mark.slow
def test_that_it_began_is_seen_at_once_however_long_its_pictures_take_to_draw(
    service: Service, page: Page, tmp_path: Path
) -> None:
    large = [tmp_path / f"large {number}.heic" for number in range(4)]
    for number, file in enumerate(large):
        noise = Image.effect_noise((1600, 1200), 90 + number).convert("RGB")
        noise.save(file, quality=60)
    service.may_end = 0
    ask_each(page, "grey", *large)
    page.evaluate(
        """() => new Promise((drawn) => {
            const look = () => {
                const said = document.querySelector("#status").innerText;
                if (said.includes("0 of 4 done"))
                    drawn(window.early = document.querySelectorAll("#results [data-testid^=tile-] img").length);
                else requestAnimationFrame(look);
            };
            look();
        })"""  # noqa: E501 - JavaScript
    )
    assert page.evaluate("window.early") < 4
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#results [data-testid^=tile-] img")).to_have_count(4)
    expect(page.locator("#status")).to_contain_text("0 of 4 done, 2 running, 2 waiting.")
    page.get_by_role("button", name="Pause").click()  # Nothing of it goes on beside other tests.
    expect(page.locator("#status")).to_contain_text("2 paused.")


@pytest.mark.slow
def test_a_batch_is_paused_and_goes_on(service: Service, page: Page, tmp_path: Path) -> None:
    service.may_end = 0
    ask_each(page, "calm", *pictures(tmp_path, 4))
    expect(page.locator("#status")).to_contain_text("2 running, 2 waiting")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#results [data-testid=tile-stopped] img")).to_have_count(2)
    service.may_end = 4
    expect(page.locator("#status")).to_contain_text("2 of 4 done, 2 paused.")
    assert len(service.submissions) == 2

    page.reload()  # Neither coming back nor time goes on with it: a person does.
    expect(page.locator("#status")).to_contain_text("2 of 4 done, 2 paused.")
    page.get_by_role("button", name="Go on with the other 2  $0.04").dblclick()
    is_done(page, 4)
    assert len(service.submissions) == 4


@pytest.mark.slow
def test_what_failed_is_tried_again_with_one_click(
    service: Service, page: Page, tmp_path: Path
) -> None:
    service.fails = 2
    (tmp_path / "broken.png").write_bytes(b"no picture")
    ask_each(page, "night", *pictures(tmp_path, 3), tmp_path / "broken.png")
    expect(page.locator("#status")).to_contain_text("1 of 4 done, 3 failed.")
    told = page.locator("#results")
    expect(told).to_contain_text("2 × The edit failed. WaveSpeed says: the picture is too dark")
    expect(told).to_contain_text("WaveSpeed refunds failed runs within 3 hours")
    expect(told).to_contain_text("“broken.png” is no JPEG")
    expect(told).to_contain_text("Nothing was spent.")
    expect(page.locator("#status")).to_contain_text("$0.02 was spent.")

    page.get_by_role("button", name="Try the 2 that failed again  $0.04").dblclick()
    expect(page.locator("#status")).to_contain_text("3 of 4 done, 1 failed.")
    assert len(service.submissions) == 5
    # What can't be sent as it is has to be changed first.
    expect(page.get_by_role("button", name="Try")).to_have_count(0)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_batch_loses_nothing_and_sends_nothing_twice(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    port, service.may_end = free_port(), 1
    with (
        served(tmp_path, port=port, **service.settings()) as app,
        visit(browser, app.url) as page,
    ):
        ask_each(page, "grey", *pictures(tmp_path, 4))
        expect(page.locator("#results [data-testid=tile-done]")).to_have_count(1)
        expect(page.locator("#status")).to_contain_text("2 running, 1 waiting")
        app.kill()
        service.may_end = 4
        with served(tmp_path, port=port, **service.settings()):
            # Gradio loads the page again as soon as it reaches the server.
            is_done(page, 4)
    assert len(service.submissions) == 4
    assert service.under_way <= 2  # The restart, too, knows what is there already.


@pytest.mark.slow
def test_fifty_pictures_are_the_most(page: Page, tmp_path: Path) -> None:
    drop(page, *pictures(tmp_path, 51))
    expect(page.locator("#edit")).to_have_text("4 pictures at most")
    expect(page.locator("#strip")).to_contain_text("or edit each on its own")
    page.get_by_label("Each picture on its own").check()
    expect(page.locator("#edit")).to_have_text("50 pictures at most")
    page.get_by_role("button", name="Take picture 51 away").click()
    page.locator("#prompt textarea").fill("grey")
    expect(page.locator("#edit")).to_have_text("Edit 50 pictures  $1.00")


def test_what_was_flagged_stays_covered_in_a_batch(
    service: Service, page: Page, tmp_path: Path
) -> None:
    service.nsfw = True
    files: list[str] = []
    page.on("response", lambda response: files.append(response.url))
    ask_each(page, "grey", *pictures(tmp_path, 2))
    expect(page.locator("#results [data-testid=tile-covered]")).to_have_count(2)
    page.get_by_role("button", name="Download all").click()
    expect(page.locator("#results a[download]")).to_be_visible()
    wait_for_pictures(page)
    assert not [url for url in files if "grey" in url.rsplit("/", 1)[1]]


def run(number: int, state: State = "running", **known: object) -> Run:
    edit = Edit("grey", (PHOTOS / "coffee.jpg",))
    made = Run(id=f"{number}", visitor_id="v", edit=edit, started_at=datetime.now(UTC), batch=True)
    return replace(made, position=number, state=state, **known)  # type: ignore[arg-type]


def test_files_of_one_name_are_told_apart_by_their_place(tmp_path: Path) -> None:
    result = OutputFile(PHOTOS / "coffee.jpg", "JPEG", 600, 400, 9, "data:,", nsfw=False)
    runs = [run(number, "done", results=(result,)) for number in range(3)]
    # As a second try has it: begun last, and first in its place.
    runs[0] = replace(runs[0], started_at=datetime.now(UTC) + timedelta(seconds=60))
    no = lambda _: False  # noqa: E731
    file = tmp_path / "all.zip"
    file.write_bytes(b"".join(archive(runs, covered=no, hidden=no, by_input=True)))
    with ZipFile(file) as pack:
        told = json.loads(pack.read("manifest.json"))["edits"]
    named = [(edit["number"], edit["results"][0]["file"]) for edit in told]
    assert named == [(1, "coffee.jpg"), (2, "coffee-2.jpg"), (3, "coffee-3.jpg")]


@pytest.mark.parametrize(
    ("runs", "usual", "parallel", "said"),
    [
        ([run(0), run(1, awaiting_slot=True)], None, 1, "0 of 2 done, 1 running, 1 waiting."),
        ([run(0), run(1, awaiting_slot=True)], 20.0, 1, "1 running, 1 waiting. About 30 s left."),
        ([run(0, "done", elapsed=8.0), run(1)], 20.0, 2, "1 of 2 done, 1 running. About 4 s left."),
        (
            [run(n, awaiting_slot=n > 1) for n in range(50)],
            12.0,
            2,
            "2 running, 48 waiting. About 5 min",
        ),
        ([run(0, "done"), run(1, "stopped")], 12.0, 2, "1 of 2 done, 1 paused."),
        ([run(0, "failed"), run(1, "unknown")], 12.0, 2, "0 of 2 done, 2 failed."),
    ],
)
def test_the_time_left_comes_from_what_edits_took(
    runs: list[Run], usual: float | None, parallel: int, said: str
) -> None:
    assert said in status.batch_status(progress(runs, usual, parallel))


def test_an_edit_tried_again_stands_in_the_place_of_the_failed_one() -> None:
    first, other = run(0, "failed"), run(1, "done")
    again = replace(first, id="again", state="running", attempt=1)
    assert (
        latest_attempts([again, other, first])
        == latest_attempts([first, other, again])
        == [again, other]
    )
