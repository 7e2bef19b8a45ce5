"""The client against the sandbox, over real HTTP: the whole way of an edit, and what is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import story
from wavespeed import AsyncClient, Edit, prepare
from wavespeed.errors import ApiError
from wavespeed.events import (
    Completed,
    Downloaded,
    Finished,
    Polled,
    Preparing,
    Submitted,
    Submitting,
    Uploaded,
    Uploading,
    Waiting,
)
from wavespeed.sandbox import Sandbox

pytestmark = pytest.mark.anyio


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
    assert sorted(event.elapsed for event in events) == [event.elapsed for event in events]
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

    with pytest.raises(ApiError):
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

    [recent] = await client.list_predictions(created_after=before)
    assert await client.price() == 0.02
    assert 0 < await client.balance() < 1000
    assert (await client.result(recent.id)).id == recent.id
    assert await client.delete([recent.id]) == 1
    assert await client.list_predictions(created_after=before) == []
    with pytest.raises(ApiError) as caught:
        await client.result(recent.id)
    assert caught.value.status == 404


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
