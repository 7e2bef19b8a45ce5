"""A data folder that was moved, a page that is started elsewhere, a database of an earlier version:
the pictures are still found, and deleted with their run."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runs.test_run import TO_THE_SERVICE, after
from wavespeed import AsyncClient, Edit
from wavespeed.studio.runs.run import Run, Stopped
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store

HERE = Path(__file__).parent / "data"
OLD_PICTURES = HERE / "studio-49e676d"
"""Two runs of a page of commit 49e676d, started beside its `data`: two pictures edited, and the
result edited again, which the service flagged."""
ME = "0123456789abcdef0123456789abcdef"


def runner_of(store: Store, folder: Path, client: AsyncClient) -> Runner:
    return Runner(client, store, folder, service="sandbox")


def files_of(run: Run) -> list[Path]:
    return [*run.pictures, *(result.path for result in run.results)]


def all_files(folder: Path) -> list[Path]:
    return sorted(path for kind in ("inputs", "outputs") for path in (folder / kind).rglob("*.*"))


def old_folder(to: Path) -> Path:
    shutil.copytree(OLD_PICTURES, to)
    shutil.copy(HERE / "studio-49e676d.db", to / "studio.db")
    return to


def paths_in(folder: Path) -> list[str]:
    """As they stand in the database."""
    with closing(sqlite3.connect(folder / "studio.db")) as database:
        rows = database.execute("SELECT run_json FROM runs").fetchall()
    runs = [json.loads(text) for (text,) in rows]
    images = [image for run in runs for image in run["edit"]["images"]]
    return sorted(images + [result["path"] for run in runs for result in run["results"]])


def rewrite(folder: Path, change: Callable[[str], str]) -> None:
    """As if the page had been started with another setting of its folder."""
    with closing(sqlite3.connect(folder / "studio.db")) as database:
        for run_id, body in database.execute("SELECT id, body FROM runs").fetchall():
            run = json.loads(body)
            run["edit"]["images"] = [change(image) for image in run["edit"]["images"]]
            for result in run["results"]:
                result["path"] = change(result["path"])
            database.execute("UPDATE runs SET body = ? WHERE id = ?", (json.dumps(run), run_id))
        database.commit()


async def edited(folder: Path, client: AsyncClient, photo: Path) -> Run:
    """A run to its end, of a page with this data folder."""
    with closing(Store(folder / "studio.db")) as store:
        runner = runner_of(store, folder, client)
        run = await runner.wait_until_finished(runner.start(Edit("make it red", (photo,)), ME).id)
        assert run.state == "done"
        return run


async def deleted(folder: Path, client: AsyncClient) -> None:
    """All of the visitor's runs are deleted."""
    with closing(Store(folder / "studio.db")) as store:
        runner = runner_of(store, folder, client)
        for run in await runner.runs.history(ME):
            await runner.delete(run.id, ME)


@pytest.mark.anyio
async def test_a_moved_folder_keeps_its_pictures_and_delete_deletes_them(
    tmp_path: Path, client: AsyncClient, photo: Path
) -> None:
    await edited(tmp_path / "before", client, photo)
    moved = (tmp_path / "before").rename(tmp_path / "after")
    assert not any(Path(path).is_absolute() for path in paths_in(moved))

    with closing(Store(moved / "studio.db")) as store:
        [run] = store.history(ME)
    assert files_of(run) == all_files(moved)

    await deleted(moved, client)
    assert all_files(moved) == []


@pytest.mark.anyio
async def test_a_page_that_is_started_elsewhere_finds_what_a_relative_folder_holds(
    tmp_path: Path, client: AsyncClient, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await edited(Path("data"), client, photo)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    folder = Path("../data")

    with closing(Store(folder / "studio.db")) as store:
        [run] = store.history(ME)
    assert all(file.is_file() for file in files_of(run))

    await deleted(folder, client)
    assert all_files(folder) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("began", "slash"), [("data", "/"), ("/srv/app/data", "/"), ("..", "/"), ("C:/app/data", "\\")]
)
async def test_a_database_of_49e676d_is_read_its_pictures_are_found_and_deleted(
    tmp_path: Path, client: AsyncClient, began: str, slash: str
) -> None:
    folder = old_folder(tmp_path / "now")
    rewrite(folder, lambda path: f"{began}/{path.removeprefix('data/')}".replace("/", slash))
    with closing(Store(folder / "studio.db")) as store:
        second, first = store.history(ME)
        assert sorted(files_of(first) + files_of(second)) == all_files(folder)
        assert second.parent_id == first.id
        assert (first.prompt, first.results[0].nsfw) == ("make it black and white", False)
        assert (second.prompt, second.results[0].nsfw) == ("make it red [[nsfw]]", True)
        assert store.used_bytes(ME) == sum(file.stat().st_size for file in all_files(folder))

    await deleted(folder, client)
    assert all_files(folder) == []


def test_a_database_is_brought_up_to_date_once(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "data")
    for _ in range(2):
        Store(folder / "studio.db").close()
        names = [file.relative_to(folder).as_posix() for file in all_files(folder)]
        assert paths_in(folder) == names


def test_a_crash_in_the_middle_of_bringing_it_up_to_date_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no run would seem to use its files, and the next start would delete them."""
    folder = old_folder(tmp_path / "data")

    def crash(self: Store) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_list_files_anew", crash)
        with pytest.raises(KeyboardInterrupt):
            Store(folder / "studio.db")
    with closing(Store(folder / "studio.db")) as store:
        runs = store.history(ME)
        assert len(runs) == 2
        assert all(store.is_used(file) for run in runs for file in files_of(run))


def test_what_lies_outside_is_named_by_its_whole_path(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "cup.jpg"
    run = after(TO_THE_SERVICE)
    run = replace(run, edit=Edit("make it red", (outside, "https://example.com/a.png")))
    with closing(Store(tmp_path / "data" / "studio.db")) as store:
        store.save(run)
    with closing(Store((tmp_path / "data").rename(tmp_path / "moved") / "studio.db")) as store:
        found = store.get(run.id, run.visitor_id)
    assert found is not None
    assert found.edit is not None
    assert found.edit.images == (outside, "https://example.com/a.png")


@pytest.mark.anyio
async def test_what_a_page_has_in_its_fields_outlives_the_run(
    tmp_path: Path, client: AsyncClient, photo: Path
) -> None:
    """Gradio's cache lies in the data folder; a run that failed early has its pictures there."""
    upload = tmp_path / "data" / "cache" / "hash" / "cup.png"
    upload.parent.mkdir(parents=True)
    shutil.copy(photo, upload)
    run = replace(after([]), edit=Edit("make it red", (upload,)), visitor_id=ME)
    with closing(Store(tmp_path / "data" / "studio.db")) as store:
        store.save(run.apply(Stopped(1.0)))
        assert store.used_bytes(ME) == 0
    await deleted(tmp_path / "data", client)
    assert upload.is_file()


def test_an_old_run_whose_prompt_shows_nothing_stays_in_the_history(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "data")
    with closing(sqlite3.connect(folder / "studio.db")) as database:
        database.execute("UPDATE runs SET body = json_set(body, '$.edit.prompt', char(8203))")
        database.commit()
    with closing(Store(folder / "studio.db")) as store:
        assert [run.prompt for run in store.history(ME)] == ["(nothing to read)"] * 2
