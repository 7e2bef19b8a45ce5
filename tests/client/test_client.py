"""The client against the sandbox, over real HTTP: what is sent, what is repeated, what is told."""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import KEY, QUICK, patient, story
from wavespeed import (
    AmbiguousSubmit,
    AsyncClient,
    BadKey,
    Completed,
    Downloaded,
    Edit,
    EditFailed,
    EditOverdue,
    Finished,
    InvalidEdit,
    ModelNotFound,
    Moderated,
    NoCredit,
    NotAllowed,
    NotUnderstood,
    Output,
    Polled,
    Preparing,
    RateLimited,
    Refused,
    ServiceDown,
    Submitted,
    Submitting,
    Unreachable,
    Uploaded,
    Uploading,
    Waiting,
    WaveSpeedError,
    prepare,
)
from wavespeed.sandbox import Sandbox, serve

pytestmark = pytest.mark.anyio


# --- The whole way --------------------------------------------------------------------------


async def test_an_edit_is_a_story_from_the_file_to_the_result(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    events = await story(client, edit)

    names = [type(event) for event in events if not isinstance(event, Polled)]
    assert names == [
        Preparing,
        Uploading,
        Uploaded,
        Submitting,
        Submitted,
        Completed,
        Downloaded,
        Finished,
    ]
    assert sorted(event.at for event in events) == [event.at for event in events]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.prediction.status == "completed"
    assert finished.prediction.inference is not None
    assert 0 < finished.prediction.inference < 1
    assert [output.nsfw for output in finished.prediction.outputs] == [False]
    picture = next(event for event in events if isinstance(event, Downloaded))
    assert Image.open(BytesIO(picture.content)).size == (256, 256)


async def test_the_service_gets_the_file_and_exactly_the_four_documented_fields(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    await story(client, edit)

    [submission] = sandbox.calls("submit")
    body = submission.body
    assert isinstance(body, dict)
    assert body == {
        "prompt": "make it black and white",
        "images": body["images"],
        "enable_sync_mode": False,
        "enable_base64_output": False,
    }
    assert len(body["images"]) == 1
    assert len(sandbox.calls("put")) == 1


@pytest.mark.parametrize("sync_mode", [False, True])
@pytest.mark.parametrize("base64_output", [False, True])
async def test_all_four_ways_to_ask_end_in_the_same_picture(
    client: AsyncClient, photo: Path, sync_mode: bool, base64_output: bool
) -> None:
    edit = Edit("invert", (photo,), sync_mode=sync_mode, base64_output=base64_output)

    events = await story(client, edit)

    [picture] = [event.content for event in events if isinstance(event, Downloaded)]
    assert Image.open(BytesIO(picture)).format == "PNG"


async def test_a_picture_with_an_address_is_not_uploaded(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    sandbox.fail("submit", status=400)

    with pytest.raises(Refused):
        await story(client, Edit("x", ("https://example.com/a.png",)))

    [submission] = sandbox.calls("submit")
    assert isinstance(submission.body, dict)
    assert submission.body["images"] == ["https://example.com/a.png"]
    assert not sandbox.calls("ticket")


async def test_watching_takes_up_an_edit_from_its_id(client: AsyncClient, edit: Edit) -> None:
    url = await client.upload(prepare(Path(edit.images[0])))
    prediction = await client.submit(edit, [url])

    events = [event async for event in client.watch(prediction.id)]

    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Downloaded) for event in events)


async def test_nothing_is_sent_before_the_event_that_announces_it_was_taken(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    events = client.edit(edit)
    async for event in events:
        if isinstance(event, Submitting):
            break

    assert not sandbox.calls("submit")
    await events.aclose()
    assert not sandbox.calls("submit")


async def test_the_other_calls_answer_in_values(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    await story(client, edit)

    [recent] = await client.recent(created_after=before)
    assert await client.price() == 0.02
    assert 0 < await client.balance() < 1000
    assert (await client.result(recent.id)).id == recent.id
    assert await client.delete([recent.id]) == 1
    assert await client.recent(created_after=before) == []
    with pytest.raises(Refused) as caught:
        await client.result(recent.id)
    assert caught.value.status == 404


# --- What may be repeated, row by row -------------------------------------------------------


async def test_a_lost_answer_to_submit_is_never_sent_twice(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)

    with pytest.raises(AmbiguousSubmit) as caught:
        await story(client, edit)

    assert caught.value.spent == "unknown"
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 502, "body": b"<html>Bad gateway</html>"},
        {"status": 503},
        {"status": 504, "body": b""},
        {"body": b"<html>oops", "status": 200},
        {"body": b"", "status": 200},
        {"body": {"code": 200, "data": None}},
        {"body": {"code": 200, "data": {"status": "created"}}},
        {"body": {"code": 500, "message": "internal"}},
        {"body": {"code": 5000, "message": "internal"}},
        {"body": {"code": 0, "message": ""}},
        {"body": {"code": 9999, "message": "?"}},
        {"status": 500, "body": {"code": 429, "message": "busy"}},
        {"status": 503, "body": {"code": 1200, "message": "?"}},
        {"status": 302, "headers": {"Location": "/elsewhere"}, "body": b""},
        {"delay": 3.0},
        {"cut": 10},
    ],
    ids=str,
)
async def test_no_unclear_answer_to_a_submission_makes_a_second_one(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, fault: dict[str, Any]
) -> None:
    sandbox.fail("submit", **fault)

    with pytest.raises(AmbiguousSubmit):
        await story(client, edit)

    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize("status", [200, 502])
async def test_an_answer_with_an_id_is_never_lost_whatever_else_it_says(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, status: int
) -> None:
    first = await client.submit(edit, [await client.upload(prepare(Path(edit.images[0])))])
    sandbox.fail(
        "submit",
        status=status,
        body={"code": 5004, "message": "timeout", "data": {"id": first.id, "status": "processing"}},
    )

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert events[-1].prediction.id == first.id


async def test_a_rate_limit_on_a_submission_is_waited_out_and_told(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("submit", status=429, headers={"Retry-After": "2"})

    events = await story(client, edit)

    [waiting] = [event for event in events if isinstance(event, Waiting)]
    assert isinstance(waiting.error, RateLimited)
    assert waiting.seconds == 2
    first, second = sandbox.calls("submit")
    assert second.at - first.at >= 2
    assert [type(event) for event in events].count(Submitting) == 2


async def test_a_service_that_asks_for_more_than_a_minute_is_told_instead(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("submit", status=429, headers={"Retry-After": "61"})

    with pytest.raises(RateLimited) as caught:
        await story(client, edit)

    assert caught.value.spent == "no"
    assert len(sandbox.calls("submit")) == 1


async def test_a_rate_limit_without_a_pause_ends_with_the_deadline(
    sandbox: Sandbox, base_url: str, edit: Edit
) -> None:
    sandbox.fail("submit", status=429, times=50)

    async with AsyncClient(KEY, base_url=base_url, pace=patient(deadline=0.5)) as client:
        with pytest.raises(RateLimited):
            await story(client, edit)

    tried = len(sandbox.calls("submit"))
    assert 3 < tried < 50
    for _ in range(50 - tried):  # Meet the rest, so that none is left over.
        sandbox.faults("submit").popleft()


async def test_a_submission_that_never_left_is_sent_when_the_door_opens(edit: Edit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    sandbox = Sandbox(seed=1, seconds=(0.05, 0.1))
    slow = patient(first_retry=0.3, longest_retry=0.3)
    async with AsyncClient(KEY, base_url=url, pace=slow) as client:
        events = client._submission(edit, ["https://example.com/a.png"], lambda: 0.0)
        seen = [type(await anext(events)), type(await anext(events))]
        assert seen == [Submitting, Waiting]
        with serve(sandbox, port=port):
            rest = [event async for event in events]

    assert isinstance(rest[-1], Submitted)
    assert len(sandbox.calls("submit")) == 1


REPEATABLE: dict[str, Callable[[AsyncClient, Edit], Awaitable[object]]] = {
    "ticket": lambda client, edit: client.upload(prepare(Path(edit.images[0]))),
    "put": lambda client, edit: client.upload(prepare(Path(edit.images[0]))),
    "result": story,
    "download": story,
    "balance": lambda client, _: client.balance(),
    "price": lambda client, _: client.price(),
    "recent": lambda client, _: client.recent(created_after=datetime.now(UTC)),
}


UNCLEAR: list[dict[str, Any]] = [
    {"drop": True},
    {"status": 500},
    {"status": 503},
    {"status": 429},
    {"cut": 5},
    {"delay": 3.0},
]


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(operation, fault, id=f"{operation} {fault}")
        for operation in REPEATABLE
        for fault in UNCLEAR
        if (operation, fault) != ("put", {"cut": 5})  # Its answer has no body to cut.
    ],
)
async def test_everything_but_a_submission_is_asked_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, operation: str, fault: dict[str, Any]
) -> None:
    sandbox.fail(operation, **fault)

    await REPEATABLE[operation](client, edit)

    assert len(sandbox.calls(operation)) >= 2
    assert len(sandbox.calls("submit")) <= 1


@pytest.mark.parametrize(
    "operation", [name for name in REPEATABLE if name not in ("put", "download")]
)
@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, {"code": 200, "data": None}])
async def test_garbage_is_asked_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, operation: str, body: Any
) -> None:
    sandbox.fail(operation, status=200, body=body)

    await REPEATABLE[operation](client, edit)

    assert len(sandbox.calls(operation)) >= 2


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (operation, status)
        for operation in REPEATABLE
        for status in (400, 403, 413, 422)
        if (operation, status) != ("download", 403)  # A picture that is not there yet.
    ],
)
async def test_another_4xx_is_raised_at_once(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, operation: str, status: int
) -> None:
    sandbox.fail(operation, status=status)

    with pytest.raises(Refused):
        await REPEATABLE[operation](client, edit)

    assert len(sandbox.calls(operation)) == 1


async def test_a_paid_edit_is_asked_for_through_an_outage_longer_than_the_tries(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("result", status=503, times=3 * QUICK.tries)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Waiting) for event in events) == 3 * QUICK.tries


async def test_a_paid_picture_is_fetched_through_an_outage_longer_than_the_tries(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("download", drop=True, times=3 * QUICK.tries)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("download")) == 3 * QUICK.tries + 1


@pytest.mark.parametrize("data", [{}, {"status": "completed", "outputs": [7]}])
async def test_an_id_in_an_answer_that_is_odd_otherwise_is_not_thrown_away(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, data: dict[str, Any]
) -> None:
    first = await client.submit(edit, [await client.upload(prepare(Path(edit.images[0])))])
    sandbox.fail("submit", body={"code": 200, "data": {"id": first.id, **data}})

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert events[-1].prediction.id == first.id


async def test_one_odd_item_does_not_hide_the_others_in_the_list(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    items = [{"id": "a", "status": "completed"}, {"id": "b"}, None, {"id": "c", "status": "failed"}]
    sandbox.fail("recent", body={"code": 200, "data": {"page": 1, "items": items}})
    recent = await client.recent(created_after=datetime.now(UTC))
    assert [task.id for task in recent] == ["a", "c"]


async def test_a_service_that_repeats_the_key_is_not_quoted_with_it(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    message = f"bad key {KEY}, see https://wavespeed.ai/keys?key={KEY}"
    sandbox.fail("balance", status=401, body={"code": 401, "message": message})
    with pytest.raises(BadKey) as caught:
        await client.balance()
    assert KEY not in str(caught.value)
    assert "https://" not in str(caught.value)


def test_not_even_the_traceback_of_a_bad_key_knows_it() -> None:
    key = "almost a key"
    with pytest.raises(BadKey) as caught:
        AsyncClient(key)
    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    below = [frame for frame in error.stack if "test_client.py" not in frame.filename]
    assert below
    assert key not in str([frame.locals for frame in below])


async def test_what_gives_up_gives_up_after_its_tries(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    sandbox.fail("balance", status=503, times=QUICK.tries)

    with pytest.raises(ServiceDown):
        await client.balance()

    assert len(sandbox.calls("balance")) == QUICK.tries


# --- Uploads --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 405])
async def test_where_tickets_are_unknown_the_older_upload_is_used(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, status: int
) -> None:
    sandbox.fail("ticket", status=status)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("upload")) == 1
    assert not sandbox.calls("put")


async def test_an_object_that_was_written_already_takes_a_new_ticket(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("put", status=412)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("ticket")) == 2


async def test_a_retry_during_the_upload_is_told(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("ticket", status=503)

    events = await story(client, edit)

    kinds = [type(event) for event in events]
    assert kinds.index(Uploading) < kinds.index(Waiting) < kinds.index(Uploaded)


# --- The key --------------------------------------------------------------------------------


async def test_the_key_goes_to_the_api_and_never_to_a_file_host(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    await story(client, edit)
    await client.balance()

    for operation in ("ticket", "submit", "result", "balance"):
        for call in sandbox.calls(operation):
            assert call.headers["authorization"] == f"Bearer {KEY}"
    for operation in ("put", "download"):
        assert sandbox.calls(operation)
        for call in sandbox.calls(operation):
            assert KEY not in str(call.headers)


@pytest.mark.parametrize(
    "pasted",
    [f" {KEY}\n", f'"{KEY}"', f"'{KEY}'", f"Bearer {KEY}", f" bearer  {KEY} ", f'Bearer "{KEY}"'],
)
async def test_what_is_pasted_along_with_a_key_is_taken_off(
    sandbox: Sandbox, base_url: str, pasted: str
) -> None:
    async with AsyncClient(pasted, base_url=base_url, pace=QUICK) as client:
        await client.balance()

    assert sandbox.calls("balance")[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["", "  ", "Bearer ", "two words", "schlüssel", "a\nb", "a\x00b"])
def test_what_can_not_be_a_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(BadKey) as caught:
        AsyncClient(key)
    assert not key.strip() or key not in str(caught.value)


async def test_the_key_shows_in_no_error_log_repr_or_traceback(
    sandbox: Sandbox,
    base_url: str,
    edit: Edit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clients = [AsyncClient(KEY, base_url=base_url, pace=QUICK)]
    clients.append(AsyncClient(KEY, base_url="http://127.0.0.1:9", pace=QUICK))
    sandbox.fail("submit", drop=True)
    sandbox.fail("balance", status=401)
    shown = [repr(client) + str(vars(client)) for client in clients]
    for call in (
        lambda: story(clients[0], edit),
        clients[0].balance,
        clients[1].balance,
        lambda: clients[0].result("no such id"),
    ):
        with pytest.raises(WaveSpeedError) as caught:
            await call()
        error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        # This test's own frames know the key; what happened below them must not.
        ours = [line for line in error.format() if "test_client.py" not in line]
        shown += [*ours, repr(caught.value), str(caught.value)]
    for client in clients:
        await client.__aexit__(None, None, None)

    assert KEY not in "".join(shown)
    assert KEY not in caplog.text


# --- Refusals and endings -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "spent"),
    [
        (400, {"code": 400, "message": "bad"}, Refused, "no"),
        (400, {"error": "invalid"}, Refused, "no"),
        (400, {"code": 1200, "message": "moderated"}, Moderated, "no"),
        (400, {"code": 1407, "message": "x"}, NoCredit, "no"),
        (400, {"code": 400, "message": "Insufficient credits"}, NoCredit, "no"),
        (401, {"code": 401, "message": "unauthorized"}, BadKey, "no"),
        (401, b"", BadKey, "no"),
        (402, {"code": 402, "message": "pay"}, NoCredit, "no"),
        (403, {"code": 403, "message": "suspended", "error_code": "X"}, NotAllowed, "no"),
        (403, b"<html>forbidden</html>", NotAllowed, "no"),
        (404, {"error": "not found"}, ModelNotFound, "no"),
        (413, b"", Refused, "no"),
        (422, {"code": 422, "message": "images"}, Refused, "no"),
        (200, {"code": 401, "message": "unauthorized"}, BadKey, "no"),
        (200, {"code": 1200, "message": "moderated"}, Moderated, "no"),
        (200, {"code": 1401, "message": "images"}, Refused, "no"),
        (200, {"code": 1407, "message": "x"}, NoCredit, "no"),
    ],
)
async def test_a_refused_submission_is_one_type_for_each_thing_to_do(
    sandbox: Sandbox,
    client: AsyncClient,
    edit: Edit,
    status: int,
    body: Any,
    kind: type[Refused],
    spent: str,
) -> None:
    sandbox.fail("submit", status=status, body=body)

    with pytest.raises(Refused) as caught:
        await story(client, edit)

    assert type(caught.value) is kind
    assert caught.value.spent == spent
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize(
    ("data", "kind", "spent"),
    [
        ({"status": "failed", "error": "boom", "code": 1405}, EditFailed, "unknown"),
        ({"status": "failed", "error": "", "code": None}, EditFailed, "unknown"),
        ({"status": "failed", "error": "refused", "code": 1200}, Moderated, "unknown"),
        ({"status": "failed", "error": "x", "code": 1407}, NoCredit, "unknown"),
        ({"status": "failed", "error": "x", "code": 5003}, ServiceDown, "unknown"),
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
    assert caught.value.code == 1405
    assert str(caught.value)


async def test_the_deadline_ends_the_waiting_and_keeps_the_id(
    sandbox: Sandbox, base_url: str, photo: Path
) -> None:
    async with AsyncClient(KEY, base_url=base_url, pace=patient(deadline=0.3)) as client:
        with pytest.raises(EditOverdue) as caught:
            await story(client, Edit("warm [[stuck]]", (photo,)))

    assert caught.value.spent == "yes"
    assert caught.value.prediction_id
    assert isinstance(caught.value, TimeoutError)


async def test_a_sync_submission_that_is_cut_off_goes_on_by_asking(
    sandbox: Sandbox, base_url: str, photo: Path
) -> None:
    slow = Sandbox(seed=3, seconds=(0.8, 0.9), sync_limit=0.1)
    with serve(slow) as url:
        async with AsyncClient(KEY, base_url=url, pace=QUICK) as client:
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
    sandbox.fail("download", status=410)

    with pytest.raises(Refused) as caught:
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
        async with AsyncClient(KEY, base_url=url, pace=QUICK) as client:
            with pytest.raises(Unreachable) as caught:
                await client.balance()
    assert caught.value.sent


async def test_an_output_with_an_address_that_is_none_is_an_error_of_ours(
    client: AsyncClient,
) -> None:
    with pytest.raises(NotUnderstood):
        await client.download(Output(url="http://[oops"))
    with pytest.raises(Unreachable):
        await client.download(Output(url="http://127.0.0.1:9/x.png"))


# --- Addresses from outside -----------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9/x.png",
        "https://127.0.0.1:9/x.png",
        "https://localhost:9/x.png",
        "https://[::1]:9/x.png",
        "https://10.0.0.1/x.png",
        "https://192.168.1.1/x.png",
        "http://93.184.215.14/x.png",
    ],
)
async def test_an_output_on_a_private_address_or_in_the_clear_is_not_fetched(url: str) -> None:
    async with AsyncClient(KEY, base_url="https://api.wavespeed.ai", pace=QUICK) as client:
        with pytest.raises(NotUnderstood):
            await client.download(Output(url=url))


@pytest.mark.parametrize("location", ["http://10.1.2.3/x.png", "https://10.1.2.3/", "file:///etc"])
async def test_nor_is_it_after_a_redirect(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, location: str
) -> None:
    sandbox.fail("download", status=302, headers={"Location": location}, body=b"")

    with pytest.raises(NotUnderstood):
        await story(client, edit)


async def test_a_redirect_to_where_files_may_be_is_followed(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    prediction = (await story(client, edit))[-1]
    assert isinstance(prediction, Finished)
    url = prediction.prediction.outputs[0].url
    assert url
    sandbox.fail("download", status=302, headers={"Location": url}, body=b"")

    assert await client.download(Output(url=url))


async def test_an_api_that_redirects_does_not_get_the_key_carried_along(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    sandbox.fail("balance", status=307, headers={"Location": "/elsewhere"}, body=b"", times=3)

    with pytest.raises(NotUnderstood):
        await client.balance()

    assert len(sandbox.calls("balance")) == 3
