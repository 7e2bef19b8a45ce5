"""The same bytes go to the service once, whoever sends them; over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import QUICK, story
from wavespeed import AsyncClient, Edit, Preprocessing, _uploads, images
from wavespeed._uploads import LIFETIME
from wavespeed.errors import ApiError, EditFailed, InvalidEdit, ServerError
from wavespeed.events import Event, Finished, Submitting, Uploaded, Uploading, Waiting
from wavespeed.sandbox import Sandbox

pytestmark = pytest.mark.anyio
TURNS_OF_THE_LOOP = 10


class Clock:
    """Real seconds, and those that a test lets pass."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_uploads, "monotonic", clock)
    return clock


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were really prepared."""
    names: list[str] = []
    convert = images.convert

    def counted(content: bytes, name: str) -> images.types.Image:
        names.append(name)
        return convert(content, name)

    monkeypatch.setattr(images, "convert", counted)
    return names


@pytest.fixture(autouse=True)
async def _no_task_is_left_behind() -> AsyncIterator[None]:
    """Nor an error that nobody took: asyncio tells of those when it forgets them."""
    errors: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    before = asyncio.all_tasks()
    yield
    for _ in range(TURNS_OF_THE_LOOP):
        await asyncio.sleep(0)
    gc.collect()
    ours = [task for task in asyncio.all_tasks() - before if "uploads" in repr(task)]
    loop.set_exception_handler(None)
    assert not errors
    assert not ours


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "sky.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


def changes(events: list[Event]) -> tuple[Preprocessing | None, ...]:
    return next(event.preprocessing for event in events if isinstance(event, Uploading))


def urls(events: list[Event]) -> tuple[str, ...]:
    return next(event.urls for event in events if isinstance(event, Uploaded))


async def until_uploading(client: AsyncClient, edit: Edit, began: asyncio.Event) -> list[Event]:
    """The story of an edit that says when its pictures are ready."""
    events: list[Event] = []
    async for event in client.edit(edit):
        events.append(event)
        if isinstance(event, Uploading):
            began.set()
    return events


def puts(sandbox: Sandbox) -> tuple[int, int]:
    return len(sandbox.calls("ticket")), len(sandbox.calls("put"))


# --- Once -----------------------------------------------------------------------------------


async def test_the_same_file_twice_is_one_preparation_and_one_upload(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, prepared: list[str]
) -> None:
    first, second = await story(client, edit), await story(client, edit)

    assert puts(sandbox) == (1, 1)
    assert prepared == ["cup.png"]
    assert changes(first) == changes(second) != (None,)
    assert urls(first) == urls(second)
    assert isinstance(second[-1], Finished)


async def test_the_same_bytes_under_another_name_are_the_same_file(
    sandbox: Sandbox, client: AsyncClient, photo: Path
) -> None:
    twin = Path(shutil.copy(photo, photo.with_name("twin.png")))

    await story(client, Edit("invert", (photo, twin, photo)))
    await story(client, Edit("invert", (twin,)))

    assert puts(sandbox) == (1, 1)


async def test_two_edits_at_once_share_what_is_under_way(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, prepared: list[str]
) -> None:
    sandbox.fail("put", delay=0.2)

    stories = await asyncio.gather(story(client, edit), story(client, edit))

    assert puts(sandbox) == (1, 1)
    assert prepared == ["cup.png"]
    assert all(isinstance(events[-1], Finished) for events in stories)
    assert urls(stories[0]) == urls(stories[1])


async def test_different_files_are_different_uploads_side_by_side(
    sandbox: Sandbox, client: AsyncClient, photo: Path, other: Path
) -> None:
    sandbox.fail("put", delay=0.5, times=2)

    events = await story(client, Edit("invert", (photo, other)))

    assert puts(sandbox) == (2, 2)
    assert len(set(urls(events))) == 2
    first, second = sandbox.calls("put")
    assert second.at - first.at < 0.5


async def test_a_file_that_changed_under_its_name_is_another_file(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, photo: Path, other: Path
) -> None:
    await story(client, edit)
    shutil.copy(other, photo)
    await story(client, edit)

    assert puts(sandbox) == (2, 2)


async def test_an_address_among_files_stays_as_it_is(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, photo: Path
) -> None:
    await story(client, edit)
    events: list[Event] = []
    async for event in client.edit(Edit("invert", ("https://example.com/a.png", photo))):
        events.append(event)
        if isinstance(event, Uploaded):
            break

    assert changes(events)[0] is None
    assert changes(events)[1] is not None
    assert urls(events)[0] == "https://example.com/a.png"
    assert puts(sandbox) == (1, 1)


# --- How long, and how many -----------------------------------------------------------------


async def test_after_an_hour_it_is_uploaded_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, clock: Clock
) -> None:
    await story(client, edit)
    clock.passed += LIFETIME - 60
    await story(client, edit)
    assert puts(sandbox) == (1, 1)

    clock.passed += 60
    await story(client, edit)
    assert puts(sandbox) == (2, 2)

    await story(client, edit)
    assert puts(sandbox) == (2, 2)


async def test_the_oldest_uploads_give_way_to_new_ones(
    sandbox: Sandbox,
    client: AsyncClient,
    photo: Path,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_uploads, "MAX_CACHED", 1)

    for path in (photo, other, other, photo):
        await story(client, Edit("invert", (path,)))

    assert puts(sandbox) == (3, 3)


async def test_no_picture_is_kept_once_it_is_uploaded(client: AsyncClient, edit: Edit) -> None:
    async with aclosing(client.edit(edit)) as events:
        async for event in events:
            if isinstance(event, Submitting):
                break

        gc.collect()
        assert not [found for found in gc.get_objects() if isinstance(found, images.types.Image)]


# --- What goes wrong ------------------------------------------------------------------------


async def test_a_failed_upload_is_seen_by_all_who_wait_and_not_remembered(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("put", delay=0.2, status=503, times=QUICK.retry.tries)

    both = await asyncio.gather(story(client, edit), story(client, edit), return_exceptions=True)

    assert [type(error) for error in both] == [ServerError, ServerError]
    assert len(sandbox.calls("put")) == QUICK.retry.tries
    assert isinstance((await story(client, edit))[-1], Finished)
    assert len(sandbox.calls("put")) == QUICK.retry.tries + 1


async def test_an_edit_that_is_ready_when_the_upload_of_another_fails_uploads_on_its_own(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, prepared: list[str]
) -> None:
    ready = client.edit(edit)
    async for event in ready:
        if isinstance(event, Uploading):
            break
    sandbox.fail("put", status=400)
    with pytest.raises(ApiError):
        await story(client, edit)

    rest = [event async for event in ready]

    assert isinstance(rest[-1], Finished)
    assert prepared == ["cup.png"]
    assert puts(sandbox) == (2, 2)


async def test_a_failed_preparation_names_the_file_of_whoever_is_told(
    sandbox: Sandbox, client: AsyncClient, tmp_path: Path, prepared: list[str]
) -> None:
    for name in ("mine.jpg", "yours.jpg"):
        (tmp_path / name).write_bytes(b"not a picture")
    edits = [Edit("x", (tmp_path / name,)) for name in ("mine.jpg", "yours.jpg")]

    errors = await asyncio.gather(*(story(client, edit) for edit in edits), return_exceptions=True)

    assert [type(error) for error in errors] == [InvalidEdit, InvalidEdit]
    assert "mine.jpg" in str(errors[0])
    assert "yours.jpg" in str(errors[1])
    assert not sandbox.calls("ticket")


async def test_one_picture_that_fails_takes_none_of_the_others_with_it(
    sandbox: Sandbox, client: AsyncClient, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_bytes(b"not a picture")
    broken = Edit("invert", (photo, tmp_path / "notes.jpg"))

    spoilt, good = await asyncio.gather(
        story(client, broken), story(client, Edit("invert", (photo,))), return_exceptions=True
    )

    assert isinstance(spoilt, InvalidEdit)
    assert isinstance(good, list)
    assert isinstance(good[-1], Finished)
    assert puts(sandbox) == (1, 1)


async def test_everyone_who_waits_for_an_upload_hears_of_its_pauses(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("put", delay=0.2, status=503)

    stories = await asyncio.gather(story(client, edit), story(client, edit))

    for events in stories:
        kinds = [type(event) for event in events]
        assert kinds.index(Uploading) < kinds.index(Waiting) < kinds.index(Uploaded)
        assert sorted(event.elapsed for event in events) == [event.elapsed for event in events]
    assert puts(sandbox) == (2, 2)


async def test_a_cancelled_first_edit_does_not_break_the_second(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("put", delay=0.4)
    began = asyncio.Event()
    first = asyncio.create_task(until_uploading(client, edit, began))
    await began.wait()
    second = asyncio.create_task(story(client, edit))
    await asyncio.sleep(0.2)

    first.cancel()
    with suppress(asyncio.CancelledError):
        await first

    assert isinstance((await second)[-1], Finished)
    assert puts(sandbox) == (1, 1)


async def test_an_upload_that_nobody_waits_for_is_given_up_and_begun_afresh(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("put", delay=1.0)
    began = asyncio.Event()
    first = asyncio.create_task(until_uploading(client, edit, began))
    await began.wait()
    await asyncio.sleep(0.2)

    first.cancel()
    with suppress(asyncio.CancelledError):
        await first

    began_again = time.monotonic()
    events = await story(client, edit)
    assert isinstance(events[-1], Finished)
    assert time.monotonic() - began_again < 1.0
    assert puts(sandbox) == (2, 2)


async def test_an_upload_that_fails_just_as_it_is_given_up_leaves_no_error_behind(
    photo: Path,
) -> None:
    fails = asyncio.Event()

    async def send(image: images.types.Image, on_retry: _uploads.OnRetry) -> str:
        await fails.wait()
        raise ServerError("", status=503)

    uploads = _uploads.Uploads(send)
    ready = await uploads.prepare([photo])
    for turns in range(6):
        fails.clear()
        waiting = asyncio.create_task(uploads.upload(ready, lambda seconds, error: None))
        await asyncio.sleep(0.01)
        fails.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError, ServerError):
            await waiting


async def test_whoever_prepared_first_and_leaves_leaves_the_picture_to_the_other(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, prepared: list[str]
) -> None:
    first, second = client.edit(edit), client.edit(edit)
    for events in (first, second):
        async for event in events:
            if isinstance(event, Uploading):
                break
    await first.aclose()

    rest = [event async for event in second]

    assert isinstance(rest[-1], Finished)
    assert prepared == ["cup.png"]
    assert puts(sandbox) == (1, 1)


async def test_pictures_the_service_could_not_read_are_uploaded_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    await story(client, edit)
    sandbox.uploads.clear()  # The service has lost them.

    with pytest.raises(EditFailed) as caught:
        await story(client, edit)
    assert caught.value.service_code == 1402
    assert puts(sandbox) == (1, 1)

    assert isinstance((await story(client, edit))[-1], Finished)
    assert puts(sandbox) == (2, 2)


async def test_so_are_those_of_a_submission_refused_for_them(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("submit", status=400, body={"code": 1402, "message": "media access failed"})

    with pytest.raises(ApiError):
        await story(client, edit)

    await story(client, edit)
    assert puts(sandbox) == (2, 2)


async def test_another_failure_forgets_nothing(
    sandbox: Sandbox, client: AsyncClient, photo: Path, edit: Edit
) -> None:
    with pytest.raises(EditFailed):
        await story(client, Edit("warm [[fail]]", (photo,)))

    await story(client, edit)
    assert puts(sandbox) == (1, 1)
