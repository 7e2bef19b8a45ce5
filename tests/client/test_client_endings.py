"""How an edit ends without a picture: one type of error for each thing to do."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, QUICK, patient, story
from wavespeed import AsyncClient, Edit, Output, WaveSpeedError, prepare
from wavespeed.errors import (
    ApiError,
    ConnectionFailed,
    ContentModerated,
    EditFailed,
    EditTimeout,
    InsufficientCredit,
    InvalidApiKey,
    InvalidEdit,
    InvalidResponse,
    ModelNotFound,
    PermissionDenied,
    ServerError,
)
from wavespeed.events import Finished, Polled
from wavespeed.sandbox import Sandbox, serve

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "body", "kind", "spent"),
    [
        (400, {"code": 400, "message": "bad"}, ApiError, "no"),
        (400, {"error": "invalid"}, ApiError, "no"),
        (400, {"code": 1200, "message": "moderated"}, ContentModerated, "no"),
        (400, {"code": 1407, "message": "x"}, InsufficientCredit, "no"),
        (400, {"code": 400, "message": "Insufficient credits"}, InsufficientCredit, "no"),
        (401, {"code": 401, "message": "unauthorized"}, InvalidApiKey, "no"),
        (401, b"", InvalidApiKey, "no"),
        (402, {"code": 402, "message": "pay"}, InsufficientCredit, "no"),
        (403, {"code": 403, "message": "suspended", "error_code": "X"}, PermissionDenied, "no"),
        (403, b"<html>forbidden</html>", PermissionDenied, "no"),
        (404, {"error": "not found"}, ModelNotFound, "no"),
        (413, b"", ApiError, "no"),
        (422, {"code": 422, "message": "images"}, ApiError, "no"),
        (200, {"code": 401, "message": "unauthorized"}, InvalidApiKey, "no"),
        (200, {"code": 1200, "message": "moderated"}, ContentModerated, "no"),
        (200, {"code": 1401, "message": "images"}, ApiError, "no"),
        (200, {"code": 1407, "message": "x"}, InsufficientCredit, "no"),
    ],
)
async def test_a_refused_submission_is_one_type_for_each_thing_to_do(
    sandbox: Sandbox,
    client: AsyncClient,
    edit: Edit,
    status: int,
    body: Any,
    kind: type[ApiError],
    spent: str,
) -> None:
    sandbox.fail("submit", status=status, body=body)

    with pytest.raises(ApiError) as caught:
        await story(client, edit)

    assert type(caught.value) is kind
    assert caught.value.spent == spent
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize(
    ("data", "kind", "spent"),
    [
        ({"status": "failed", "error": "boom", "code": 1405}, EditFailed, "unknown"),
        ({"status": "failed", "error": "", "code": None}, EditFailed, "unknown"),
        ({"status": "failed", "error": "refused", "code": 1200}, ContentModerated, "unknown"),
        ({"status": "failed", "error": "x", "code": 1407}, InsufficientCredit, "unknown"),
        ({"status": "failed", "error": "x", "code": 5003}, ServerError, "unknown"),
        ({"status": "cancelled"}, EditFailed, "unknown"),
        ({"status": "timeout"}, EditFailed, "unknown"),
        ({"status": "deleted"}, EditFailed, "unknown"),
    ],
)
async def test_a_task_that_ends_without_a_picture_says_why_and_keeps_its_id(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, data: dict[str, Any], kind: type, spent: str
) -> None:
    prediction = await client.submit(edit, [await client.upload(prepare(Path(edit.images[0])))])
    sandbox.fail("result", body={"code": 200, "data": {"id": prediction.id, **data}})

    with pytest.raises(WaveSpeedError) as caught:
        [event async for event in client.watch(prediction.id)]

    assert type(caught.value) is kind
    assert caught.value.prediction_id == prediction.id
    assert caught.value.spent == spent
    assert len(sandbox.calls("result")) == 1


async def test_the_words_of_a_failed_task_are_the_services(
    client: AsyncClient, photo: Path
) -> None:
    with pytest.raises(EditFailed) as caught:
        await story(client, Edit("warm [[fail]]", (photo,)))
    assert caught.value.service_code == 1405
    assert str(caught.value)


async def test_the_deadline_ends_the_waiting_and_keeps_the_id(
    sandbox: Sandbox, base_url: str, photo: Path
) -> None:
    async with AsyncClient(KEY, base_url=base_url, policies=patient(deadline=0.3)) as client:
        with pytest.raises(EditTimeout) as caught:
            await story(client, Edit("warm [[stuck]]", (photo,)))

    assert caught.value.spent == "yes"
    assert caught.value.prediction_id
    assert isinstance(caught.value, TimeoutError)


async def test_a_sync_submission_that_is_cut_off_goes_on_by_asking(
    sandbox: Sandbox, base_url: str, photo: Path
) -> None:
    slow = Sandbox(seed=3, seconds=(0.8, 0.9), sync_limit=0.1)
    with serve(slow) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            events = await story(client, Edit("sepia", (photo,), sync_mode=True))

    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Polled) for event in events)
    assert len(slow.calls("submit")) == 1


async def test_an_answer_about_another_edit_is_not_taken_for_ours(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    other = {"id": "other", "status": "completed", "outputs": ["https://x.example/a.png"]}
    sandbox.fail("result", body={"code": 200, "data": other})

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert events[-1].prediction.id != "other"


async def test_a_lost_download_keeps_the_id_and_says_that_money_was_spent(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("download", status=451)

    with pytest.raises(ApiError) as caught:
        await story(client, edit)

    assert caught.value.prediction_id
    assert caught.value.spent == "yes"


@pytest.mark.parametrize("identifier", ["", "../x", "a b", "x" * 201])
async def test_what_is_no_prediction_id_is_not_asked_for(
    sandbox: Sandbox, client: AsyncClient, identifier: str
) -> None:
    with pytest.raises(InvalidEdit):
        [event async for event in client.watch(identifier)]
    assert not sandbox.calls("result")


async def test_a_file_that_is_no_picture_is_refused_before_anything_is_sent(
    sandbox: Sandbox, client: AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture")

    with pytest.raises(InvalidEdit, match=r"notes\.jpg"):
        await story(client, Edit("x", (tmp_path / "notes.jpg",)))

    assert not sandbox.calls("ticket")


@pytest.mark.parametrize(
    "drip", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"]
)
async def test_no_foreign_error_escapes_whatever_answers(drip: bytes) -> None:
    """A raw socket that says anything but HTTP, then closes: the error tree holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            server.settimeout(5)
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(drip)
            except OSError:
                pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            with pytest.raises(ConnectionFailed) as caught:
                await client.balance()
    assert caught.value.sent


async def test_an_output_with_an_address_that_is_none_is_an_error_of_ours(
    client: AsyncClient,
) -> None:
    with pytest.raises(InvalidResponse):
        await client.download(Output(url="http://[oops"))
    with pytest.raises(ConnectionFailed):
        await client.download(Output(url="http://127.0.0.1:9/x.png"))
