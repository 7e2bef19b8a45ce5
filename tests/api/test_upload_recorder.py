"""What comes in through the upload route is written down before the browser hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from wavespeed.studio.runs.store import Store, StoreError
from wavespeed.studio.security.uploads import ROUTE, UploadRecorder, Uploads
from wavespeed.studio.text import labels

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "studio.db")) as store:
        yield store


class UploadRoute:
    """Stands for Gradio's upload route: answers what it is told, and counts."""

    def __init__(self) -> None:
        self.answer: Response = JSONResponse([])
        self.calls = 0

    async def __call__(self, request: Request) -> Response:
        self.calls += 1
        return self.answer


@pytest.fixture
def gradio() -> UploadRoute:
    return UploadRoute()


@pytest.fixture
async def http(gradio: UploadRoute, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async def answer(request: Request) -> Response:
        return await gradio(request)

    routes = [Route(path, answer, methods=["POST"]) for path in (ROUTE, "/other")]
    app = UploadRecorder(Starlette(routes=routes), Uploads(store, disk_bytes=1000))
    transport = httpx.ASGITransport(app, root_path="/demo")
    async with httpx.AsyncClient(transport=transport, base_url="http://page/demo") as http:
        yield http


async def test_an_upload_may_be_named_as_soon_as_it_is_answered(
    http: httpx.AsyncClient, gradio: UploadRoute, store: Store, tmp_path: Path
) -> None:
    gradio.answer = JSONResponse([f"{tmp_path}/a.png", f"{tmp_path}/b.png"])
    answer = await http.post(ROUTE)
    assert answer.json() == [f"{tmp_path}/a.png", f"{tmp_path}/b.png"]
    uploads = Uploads(store)
    paths: list[Any] = [
        f"{tmp_path}/a.png",
        f"{tmp_path}/x/../b.png",
        f"{tmp_path}/c.png",
        "",
        None,
        7,
    ]
    assert await uploads.allowed_paths(paths, "anyone") == [
        tmp_path / "a.png",
        tmp_path / "b.png",
        *[None] * 4,
    ]


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("too large", 413),
        JSONResponse({"path": "/etc/hostname"}),
        JSONResponse(["/etc/hostname"], 400),
        PlainTextResponse("[/etc/hostname"),
        JSONResponse([["/etc/hostname"]]),
    ],
)
async def test_nothing_else_is_written_down(
    http: httpx.AsyncClient, gradio: UploadRoute, store: Store, answer: Response
) -> None:
    gradio.answer = answer
    told = await http.post(ROUTE)
    assert (told.status_code, told.content) == (answer.status_code, answer.body)
    assert await Uploads(store).allowed_paths(["/etc/hostname"], "") == [None]


async def test_the_answer_of_another_route_is_no_upload(
    http: httpx.AsyncClient, gradio: UploadRoute, store: Store
) -> None:
    gradio.answer = JSONResponse(["/etc/hostname"])
    assert (await http.post("/other")).status_code == 200
    assert await Uploads(store).allowed_paths(["/etc/hostname"], "") == [None]


async def test_uploads_of_a_day_have_a_limit_and_the_rest_is_refused_unread(
    http: httpx.AsyncClient, gradio: UploadRoute, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"x" * 400)
        gradio.answer = JSONResponse([f"{tmp_path}/{number}.png"])
        assert (await http.post(ROUTE)).status_code == 200
    refused = await http.post(ROUTE)
    assert (refused.status_code, refused.text) == (507, labels.NO_ROOM_TODAY)
    assert gradio.calls == 3


async def test_an_upload_that_can_not_be_written_down_is_refused_in_words(
    http: httpx.AsyncClient, gradio: UploadRoute, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(store, "allow_paths", full)
    gradio.answer = JSONResponse(["/tmp/a.png"])
    refused = await http.post(ROUTE)
    assert (refused.status_code, refused.text) == (507, labels.NO_ROOM)


async def test_what_was_put_into_a_visitors_fields_is_that_visitors_alone(
    store: Store, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    uploads = Uploads(store)
    [copy] = await uploads.cached_copies([photo, tmp_path / "gone.png"], "me")
    assert Path(copy).name == photo.name
    assert await uploads.allowed_paths([copy], "me") == [Path(copy)]
    assert await uploads.allowed_paths([copy], "you") == [None]
    assert await uploads.allowed_paths([str(photo)], "me") == [None]
