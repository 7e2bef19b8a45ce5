"""What the client may repeat, row by row: everything but a submission that may have been taken."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, QUICK, patient, story
from wavespeed import AsyncClient, Edit, prepare
from wavespeed.errors import AmbiguousSubmit, ApiError, RateLimited, ServerError
from wavespeed.events import Finished, Submitted, Submitting, Waiting
from wavespeed.sandbox import Sandbox, serve

pytestmark = pytest.mark.anyio


async def test_a_lost_answer_to_submit_is_never_sent_twice(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("submit", drop=True)

    with pytest.raises(AmbiguousSubmit) as caught:
        await story(client, edit)

    assert caught.value.spent == "unknown"
    assert len(sandbox.calls("submit")) == 1


SILENCE: dict[str, Any] = {"delay": 4.0}


def hasty(base_url: str) -> AsyncClient:
    """A client that is tired of a silence soon. The others have the patience that a busy machine
    takes."""
    return AsyncClient(KEY, base_url=base_url, policies=patient(answer=1.5))


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
        SILENCE,
        {"cut": 10},
    ],
    ids=str,
)
async def test_no_unclear_answer_to_a_submission_makes_a_second_one(
    sandbox: Sandbox, base_url: str, client: AsyncClient, edit: Edit, fault: dict[str, Any]
) -> None:
    sandbox.fail("submit", **fault)

    async with hasty(base_url) as soon_tired:
        with pytest.raises(AmbiguousSubmit):
            await story(soon_tired if fault == SILENCE else client, edit)

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

    async with AsyncClient(KEY, base_url=base_url, policies=patient(deadline=0.5)) as client:
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
    slow = patient(first_delay=0.3, longest_delay=0.3)
    async with AsyncClient(KEY, base_url=url, policies=slow) as client:
        events = client._submit_with_retries(edit, ["https://example.com/a.png"], lambda: 0.0)
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
    "recent": lambda client, _: client.list_predictions(created_after=datetime.now(UTC)),
}
UNCLEAR: list[dict[str, Any]] = [
    {"drop": True},
    {"status": 500},
    {"status": 503},
    {"status": 429},
    {"cut": 5},
    SILENCE,
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
    sandbox: Sandbox,
    base_url: str,
    client: AsyncClient,
    edit: Edit,
    operation: str,
    fault: dict[str, Any],
) -> None:
    sandbox.fail(operation, **fault)

    async with hasty(base_url) as soon_tired:
        await REPEATABLE[operation](soon_tired if fault == SILENCE else client, edit)

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

    with pytest.raises(ApiError):
        await REPEATABLE[operation](client, edit)

    assert len(sandbox.calls(operation)) == 1


async def test_a_paid_edit_is_asked_for_through_an_outage_longer_than_the_tries(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("result", status=503, times=3 * QUICK.retry.tries)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Waiting) for event in events) == 3 * QUICK.retry.tries


async def test_a_paid_picture_is_fetched_through_an_outage_longer_than_the_tries(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("download", drop=True, times=3 * QUICK.retry.tries)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("download")) == 3 * QUICK.retry.tries + 1


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
    recent = await client.list_predictions(created_after=datetime.now(UTC))
    assert [task.id for task in recent] == ["a", "c"]


async def test_what_gives_up_gives_up_after_its_tries(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    sandbox.fail("balance", status=503, times=QUICK.retry.tries)

    with pytest.raises(ServerError):
        await client.balance()

    assert len(sandbox.calls("balance")) == QUICK.retry.tries
