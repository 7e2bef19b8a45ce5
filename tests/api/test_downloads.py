"""What is taken away is written while it is sent, for whoever was given the link, and never lies on
the disk a second time."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from starlette.applications import Starlette

from tests.runs.test_export import finished, flagged, hidden, noise
from wavespeed import AsyncClient
from wavespeed.studio.export.archive import archive
from wavespeed.studio.export.downloads import MAX_LINKS, Downloads
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import labels

pytestmark = pytest.mark.anyio
make = partial(archive, covered=flagged, hidden=hidden)


@pytest.fixture
async def runner(client: AsyncClient, tmp_path: Path) -> AsyncIterator[Runner]:
    with closing(Store(tmp_path / "data" / "studio.db")) as store:
        yield Runner(client, store, tmp_path / "data")


@pytest.fixture
def run(runner: Runner, photo: Path, tmp_path: Path) -> Run:
    run = finished(tmp_path / "data", "sepia", photo)
    runner._store.save(run)
    return run


@pytest.fixture
def downloads(runner: Runner) -> Downloads:
    return Downloads(runner)


@pytest.fixture
async def http(downloads: Downloads) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=[downloads.route()]), root_path="/demo")
    async with httpx.AsyncClient(transport=transport, base_url="http://page/demo/") as http:
        yield http


async def test_a_link_is_an_archive_that_no_browser_shows_or_keeps(
    downloads: Downloads, http: httpx.AsyncClient, run: Run
) -> None:
    link = downloads.offer([run], run.visitor_id, "edits.zip", make)
    assert not link.address.startswith("/")
    answer = await http.get(link.address)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''edits.zip"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with ZipFile(BytesIO(answer.content)) as pack:
        assert pack.testzip() is None
        assert run.results[0].path.read_bytes() in [pack.read(name) for name in pack.namelist()]
    assert (await http.get(link.address)).status_code == 200  # A double click has both.


async def test_what_was_deleted_meanwhile_is_not_in_it(
    downloads: Downloads, http: httpx.AsyncClient, runner: Runner, run: Run
) -> None:
    link = downloads.offer([run], run.visitor_id, "edits.zip", make)
    await runner.delete(run.id, run.visitor_id)
    with ZipFile(BytesIO((await http.get(link.address)).content)) as pack:
        assert pack.namelist() == ["manifest.json"]


async def test_a_link_is_of_its_visitors_runs_alone(
    downloads: Downloads, http: httpx.AsyncClient, run: Run
) -> None:
    link = downloads.offer([run], "a stranger", "edits.zip", make)
    with ZipFile(BytesIO((await http.get(link.address)).content)) as pack:
        assert pack.namelist() == ["manifest.json"]


async def test_a_link_that_ended_says_what_to_do(
    downloads: Downloads, http: httpx.AsyncClient, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = downloads.offer([run], run.visitor_id, "edits.zip", make)
    for _ in range(MAX_LINKS):
        last = downloads.offer([run], run.visitor_id, "edits.zip", make)
    monkeypatch.setattr("wavespeed.studio.export.downloads.LINK_LIFETIME", -1.0)
    late = downloads.offer([run], run.visitor_id, "edits.zip", make)
    for address in (first.address, late.address, "studio/downloads/guessed/edits.zip"):
        answer = await http.get(address)
        assert (answer.status_code, answer.text) == (404, labels.LINK_ENDED)
    assert (await http.get(last.address)).status_code == 200


def test_an_archive_takes_no_disk_and_little_memory(tmp_path: Path) -> None:
    large = tmp_path / "noise.png"
    large.write_bytes(noise((1500, 1500)))  # 6.7 MB
    runs = [finished(tmp_path, f"edit {number}", large, minute=number) for number in range(6)]
    before = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())

    def parts() -> Iterator[bytes]:
        yield from make(runs)

    tracemalloc.start()
    size_bytes = sum(len(part) for part in parts())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert size_bytes > 40_000_000
    assert peak < 8_000_000
    assert before == sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
