"""In an archive a run has one name, for what went in and for what came out; and any date fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.runs.test_export import NOON, finished, flagged, hidden, packed, painted
from wavespeed.studio.export.archive import archive
from wavespeed.studio.runs.run import Run


def named(edit: dict[str, list[dict[str, str]]]) -> tuple[set[str], set[str]]:
    """The name of a run by its inputs' folder, and by its results."""
    folders = {told["file"].split("/")[2] for told in edit["inputs"]}
    results = {told["file"].split("/")[2].rsplit("-", 1)[0] for told in edit["results"]}
    return folders, results


def taken_away(runs: list[Run], tmp_path: Path) -> tuple[list[dict], dict[str, bytes]]:
    content = b"".join(archive(runs, covered=flagged, hidden=hidden))
    (tmp_path / "edits.zip").write_bytes(content)
    return packed(tmp_path / "edits.zip")


def twins(tmp_path: Path, photo: Path, count: int, prompt: str = "sketch") -> list[Run]:
    """Runs of one second and one prompt."""
    colours = ("red", "green", "blue", "teal")[:count]
    return [finished(tmp_path, prompt, photo, outputs=(painted(colour),)) for colour in colours]


def test_runs_of_one_second_and_one_prompt_are_not_crossed(photo: Path, tmp_path: Path) -> None:
    runs = twins(tmp_path, photo, 3)
    # In whatever order they are packed: the names on the disk were given in another one.
    for order in (runs, runs[::-1]):
        edits, files = taken_away(order, tmp_path)
        names = [named(edit) for edit in edits]
        assert all(folders == results and len(folders) == 1 for folders, results in names)
        assert len({name for folders, _ in names for name in folders}) == 3
        for run, edit in zip(order, edits, strict=True):
            assert files[edit["results"][0]["file"]] == run.results[0].path.read_bytes()


def test_a_prompt_that_looks_like_a_second_runs_name_is_not_taken_for_one(
    photo: Path, tmp_path: Path
) -> None:
    runs = [*twins(tmp_path, photo, 2), finished(tmp_path, "sketch 2", photo)]
    runs.append(
        finished(
            tmp_path, "sketch", photo, outputs=(painted("red"), painted("navy")), nsfw=(None,) * 2
        )
    )
    edits, files = taken_away(runs, tmp_path)
    names = [named(edit) for edit in edits]
    assert all(folders == results for folders, results in names)
    assert len({name for folders, _ in names for name in folders}) == 4
    assert len(files) == 4 + 5


def test_a_batchs_runs_are_named_after_their_pictures(tmp_path: Path) -> None:
    runs = []
    for number, name in enumerate(("cup.png", "Tür 2.png", "cup.png")):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(painted("teal"))
        run = finished(tmp_path, "sketch", path)
        runs.append(replace(run, group_id="g", position=number, batch=True))
    edits, _ = taken_away(runs, tmp_path)
    assert [named(edit)[0] for edit in edits] == [
        {"120000-cup"},
        {"120000-Tür-2"},
        {"120000-cup-2"},
    ]
    assert all(folders == results for folders, results in map(named, edits))


@pytest.mark.parametrize(
    ("year", "kept"),
    [(1970, 1980), (1979, 1980), (1980, 1980), (2107, 2107), (2108, 2107), (9999, 2107)],
)
def test_an_edit_of_any_year_can_be_taken_away(
    photo: Path, tmp_path: Path, year: int, kept: int
) -> None:
    run = finished(tmp_path, "x", photo)
    dated = replace(run, started_at=datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))
    edits, _ = taken_away([dated], tmp_path)
    assert edits[0]["started_at"].startswith(str(year))
    with ZipFile(tmp_path / "edits.zip") as pack:
        times = {entry.date_time for entry in pack.infolist() if entry.filename != "manifest.json"}
    assert {time[0] for time in times} == {kept}


@hypothesis_settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_no_date_breaks_an_archive(photo: Path, tmp_path: Path, moment: datetime) -> None:
    run = Run(id="r", visitor_id="me", edit=None, started_at=moment.replace(tzinfo=UTC))
    run = replace(finished(tmp_path, "x", photo), started_at=run.started_at)
    _, files = taken_away([run], tmp_path)
    assert len(files) == 2


def test_the_order_of_time_is_kept(photo: Path, tmp_path: Path) -> None:
    runs = [finished(tmp_path, "x", photo, minute=minute) for minute in (3, 1, 2)]
    edits, _ = taken_away(runs, tmp_path)
    started = [(NOON + timedelta(minutes=minute)).isoformat() for minute in (1, 2, 3)]
    assert [edit["started_at"] for edit in edits] == started
