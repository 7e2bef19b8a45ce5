"""Odd answers that the service, its file host and what lies between give: the picture that was
paid for arrives all the same, or the words say what happened and name the prediction."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.test_models import JSON, with_data
from tests.conftest import KEY, patient, story
from tests.support import service as strict
from tests.support.service import Service
from wavespeed import AsyncClient, Edit, Output, Prediction, WaveSpeedError, prepare
from wavespeed._error_text import error_text
from wavespeed._responses import ApiResponse, price, task_error
from wavespeed._retry_policy import RetryPolicy, clock_offset
from wavespeed.errors import (
    ApiError,
    ConnectionFailed,
    EditTimeout,
    FileUnavailable,
    InsufficientCredit,
    InvalidApiKey,
    InvalidResponse,
    MissingOutputs,
    PermissionDenied,
    PredictionNotFound,
    RateLimited,
    ServerError,
    error_from_response,
)
from wavespeed.events import Completed, Downloaded, Finished, Submitted, Waiting
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.run import Failed, Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.text import errors, formatting

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\nand so on"
PNG_BASE64 = base64.b64encode(PNG).decode()


async def accepted(client: AsyncClient, edit: Edit) -> Prediction:
    """An edit at the service, which nobody watches yet."""
    return await client.submit(edit, [await client.upload(prepare(Path(edit.images[0])))])


# --- A paid picture must arrive -------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_picture_that_its_host_does_not_have_yet_is_asked_for_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, status: int
) -> None:
    sandbox.fail("download", status=status, times=3)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("download")) == 4
    assert len(sandbox.calls("submit")) == 1
    assert [type(event.error) for event in events if isinstance(event, Waiting)] == [
        FileUnavailable,
        FileUnavailable,
        FileUnavailable,
    ]


async def test_a_picture_that_stays_away_is_looked_for_at_a_fresh_address(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    first = await accepted(client, edit)
    gone = f"{sandbox.file_host}/outputs/nowhere.png"
    sandbox.fail("result", data={"status": "completed", "outputs": [gone]})

    events = [event async for event in client.watch(first.id)]

    assert isinstance(events[-1], Finished)
    addresses = [
        event.prediction.outputs[0].url for event in events if isinstance(event, Completed)
    ]
    assert addresses[0] == gone
    assert addresses[1] != gone
    assert events[-1].prediction.outputs[0].url == addresses[1]
    assert any(isinstance(event, Downloaded) for event in events)


async def test_a_picture_that_is_nowhere_ends_with_the_predictions_id(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, tmp_path: Path
) -> None:
    sandbox.fail("download", status=404, times=40)
    with closing(Store(tmp_path / "studio.db")) as store:
        runner = Runner(client, store, tmp_path)
        end = await runner.wait_until_finished(runner.start(edit, "me").id)
        await runner.close()

    sandbox.faults("download").clear()
    assert end.state == "failed"
    assert end.prediction
    said = errors.error_message(end)
    assert end.prediction.id in said.advice
    assert said.money == "The edit was accepted and costs $0.02."
    assert [action for action, _ in errors.error_actions(end)] == ["again"]


async def test_a_task_that_was_just_accepted_and_is_not_known_yet_is_asked_for_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("result", status=404, times=2)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("submit")) == 1


async def test_so_is_one_whose_watching_begins_anew_soon_after(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    first = await accepted(client, edit)
    sandbox.fail("result", status=200, body={"code": 404, "message": "task not found"})

    events = [event async for event in client.watch(first.id, age=0.1)]

    assert isinstance(events[-1], Finished)


async def test_a_task_that_was_accepted_long_ago_and_is_unknown_is_told_at_once(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    first = await accepted(client, edit)
    for age in (None, 3600.0):
        sandbox.fail("result", status=404)
        with pytest.raises(PredictionNotFound) as caught:
            [event async for event in client.watch(first.id, age=age)]
        assert (caught.value.spent, caught.value.prediction_id) == ("unknown", first.id)
    assert len(sandbox.calls("result")) == 2


@pytest.mark.parametrize("outputs", [None, [], "", ["/outputs/abc"], [{}], [7]])
async def test_a_task_that_is_done_without_a_picture_is_looked_at_again(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, outputs: object
) -> None:
    sandbox.fail("result", data={"status": "completed", "outputs": outputs}, times=3)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)


async def test_other_troubles_before_that_take_none_of_its_looks(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    sandbox.fail("result", status=503, times=4)
    sandbox.fail("result", data={"status": "completed", "outputs": []}, times=3)

    events = await story(client, edit)

    assert isinstance(events[-1], Finished)


async def test_and_if_it_stays_so_that_is_said_with_its_id(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    first = await accepted(client, edit)
    tries = RetryPolicy().missing_outputs_tries
    sandbox.fail("result", data={"status": "completed", "outputs": []}, times=tries)

    with pytest.raises(MissingOutputs) as caught:
        [event async for event in client.watch(first.id)]

    assert (caught.value.spent, caught.value.prediction_id) == ("yes", first.id)
    assert "no picture" in str(caught.value)


async def test_so_it_is_for_an_answer_in_sync_mode(
    sandbox: Sandbox, client: AsyncClient, photo: Path
) -> None:
    sandbox.fail("submit", data={"outputs": None})

    events = await story(client, Edit("sepia", (photo,), sync_mode=True))

    assert isinstance(events[-1], Finished)
    assert len(sandbox.calls("submit")) == 1


@pytest.mark.parametrize(
    "flags", [True, 1, "true", [True], [1], ["True"], {"0": True}, "maybe", [0.97], [{}], 2]
)
async def test_a_flag_in_another_form_covers_the_picture_and_withholds_nothing(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, flags: object
) -> None:
    first = await accepted(client, edit)
    url = f"{sandbox.file_host}/outputs/{first.id}.png"
    done = {"status": "completed", "outputs": [url], "has_nsfw_contents": flags}
    sandbox.fail("result", data=done)

    events = [event async for event in client.watch(first.id)]

    assert isinstance(events[-1], Finished)
    assert [output.nsfw for output in events[-1].prediction.outputs] == [True]


@pytest.mark.parametrize(
    ("flags", "expected", "unclear"),
    [
        (True, [True, True], False),
        (1, [True, True], False),
        (" TRUE ", [True, True], False),
        (False, [False, False], False),
        ("false", [False, False], False),
        (0, [False, False], False),
        (None, [None, None], False),
        ([], [None, None], False),
        ({}, [True, True], True),
        ("unsafe", [True, True], True),
        ({"nsfw": False}, [True, True], True),
    ],
)
def test_a_bare_flag_counts_for_all_and_one_that_can_not_be_read_covers(
    flags: object, expected: list[bool | None], unclear: bool
) -> None:
    outputs = Prediction.from_json(with_data(has_nsfw_contents=flags)).outputs
    assert [output.nsfw for output in outputs] == expected
    assert {output.nsfw_unclear for output in outputs} == {unclear}
    assert formatting.flag(True, unclear=True) == "Flag not readable"


def test_without_the_field_nothing_was_checked() -> None:
    body = with_data()
    del body["data"]["has_nsfw_contents"]
    assert [output.nsfw for output in Prediction.from_json(body).outputs] == [None, None]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (
            [{"url": "https://cdn.example/1.png"}],
            [Output(url="https://cdn.example/1.png", nsfw=True)],
        ),
        ("https://cdn.example/1.png", [Output(url="https://cdn.example/1.png", nsfw=True)]),
        (
            {"url": "https://cdn.example/1.png"},
            [Output(url="https://cdn.example/1.png", nsfw=True)],
        ),
        ([{"url": PNG_BASE64}], [Output(content=PNG, nsfw=True)]),
        ([PNG_BASE64.rstrip("=")], [Output(content=PNG, nsfw=True)]),
        (
            ["/outputs/abc", "https://cdn.example/2.png"],
            [Output(url="https://cdn.example/2.png", nsfw=False)],
        ),
        (["/outputs/abc"], []),
        ([base64.b64encode(b"no picture").decode()], []),
        (["http://[oops"], []),
        ([{"href": "https://cdn.example/1.png"}], []),
        ([None, 7, [], ""], []),
    ],
)
def test_what_is_no_picture_is_left_out_and_hides_no_other(
    outputs: object, expected: list[Output]
) -> None:
    assert list(Prediction.from_json(with_data(outputs=outputs)).outputs) == expected


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("succeeded", "completed"),
        ("Completed", "completed"),
        (" COMPLETED ", "completed"),
        ("canceled", "cancelled"),
        ("Cancelled", "cancelled"),
        ("Failed", "failed"),
        ("Processing", "processing"),
        ("starting", "starting"),
    ],
)
def test_a_status_in_another_spelling_ends_what_it_ends(said: str, status: str) -> None:
    prediction = Prediction.from_json(with_data(status=said))
    assert prediction.status == status
    assert prediction.is_terminal is (status in ("completed", "cancelled", "failed"))


async def test_the_deadline_tells_the_last_cause_it_met(
    sandbox: Sandbox, base_url: str, photo: Path
) -> None:
    sandbox.fail("result", status=503, times=200)
    async with AsyncClient(KEY, base_url=base_url, policies=patient(deadline=0.3)) as client:
        with pytest.raises(EditTimeout, match="WaveSpeed has trouble at the moment") as caught:
            await story(client, Edit("warm [[stuck]]", (photo,)))
    sandbox.faults("result").clear()

    assert caught.value.last_error is not None
    assert caught.value.spent == "yes"


async def test_a_pause_of_a_minute_and_a_half_is_waited_out(
    sandbox: Sandbox, base_url: str, edit: Edit
) -> None:
    sandbox.fail("submit", status=429, headers={"Retry-After": "90"})
    async with AsyncClient(KEY, base_url=base_url, policies=patient(deadline=600)) as client:
        events = client.edit(edit)
        waits = [event.seconds async for event in _until(events, Waiting)]
        await events.aclose()
    assert waits == [90.0]


async def _until(events: Any, kind: type) -> Any:
    async for event in events:
        if isinstance(event, kind):
            yield event
            return


def test_a_service_in_trouble_is_left_alone_as_long_as_it_asks() -> None:
    busy = error_from_response(503, retry_after=40.0)
    assert RetryPolicy().delay(busy, 1) == 40.0
    assert (RetryPolicy().delay(error_from_response(503, retry_after=3600.0), 1) or 0) < 15


@pytest.mark.parametrize(
    ("error", "waited", "again"),
    [
        (FileUnavailable("", status=404), 0.0, True),
        (FileUnavailable("", status=403), 50.0, True),
        (FileUnavailable("", status=404), 61.0, False),
        (PredictionNotFound("", status=404), 20.0, True),
        (PredictionNotFound("", status=404), 29.0, True),
        (PredictionNotFound("", status=404), 31.0, False),
        (PredictionNotFound("", status=404), float("inf"), False),
    ],
)
def test_how_long_what_is_missing_is_asked_for(
    error: WaveSpeedError, waited: float, again: bool
) -> None:
    for attempt in (1, 3, 6, 20):  # However long the pauses have become.
        delay = RetryPolicy().delay(error, attempt, waited=waited, already_billed=True)
        assert (delay is not None) is again


# --- Money ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"price": 0.02, "discounted_price": 0.018}, 0.018),
        ({"price": 0.02, "discounted_price": 0}, 0.02),
        ({"price": 0.02, "discounted_price": None}, 0.02),
        ({"price": 0.02, "discounted_price": -1}, 0.02),
        ({"price": 0, "discounted_price": 0.018}, 0.018),
        ({"price": 0, "discounted_price": 0}, 0.0),
        ({"price": 0}, None),
        ({"discounted_price": 0}, None),
        ({"unit_price": 0.02}, 0.02),
        ({"unit_price": 0}, None),
        ({"price": float("nan"), "discounted_price": "0"}, None),
        ({}, None),
    ],
)
def test_an_edit_is_free_only_where_both_prices_say_so(
    data: dict[str, Any], expected: float | None
) -> None:
    if expected is None:
        with pytest.raises(InvalidResponse):
            price(data)
    else:
        assert price(data) == expected


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (403, "This model is not available with trial credit.", PermissionDenied),
        (403, "Not supported for trial credits; top up to use it", PermissionDenied),
        (400, "Free credits can only be used for other models", ApiError),
        (403, "Not available with trial credit. Please add credits", PermissionDenied),
        (400, "Please add more credits", InsufficientCredit),
        (403, "Insufficient credits", InsufficientCredit),
        (400, "You do not have enough credit", InsufficientCredit),
        (403, "Your trial credit is used up", InsufficientCredit),
        (400, "Your balance is 0.00", InsufficientCredit),
        (400, "Please top up your account", InsufficientCredit),
        (400, "the white balance is too low", ApiError),
        (402, "pay", InsufficientCredit),
    ],
)
def test_only_an_empty_account_is_out_of_credit(status: int, text: str, kind: type) -> None:
    assert type(error_from_response(status, text=text)) is kind


# --- The service's own words ----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"code": 400, "message": {"message": "images is missing"}},
        {"code": 400, "message": {"text": 1, "detail": "images is missing"}},
        {"code": 400, "message": ["images is missing"]},
        {"detail": "images is missing"},
        {"detail": [{"loc": ["body"], "msg": "images is missing", "type": "x"}]},
        {"code": 400, "message": "success", "data": {"error": {"message": "images is missing"}}},
        {"code": 400, "data": {"error": "images is missing"}},
        {"errors": [{"message": "images is missing"}]},
        {"error": {"code": 1, "message": "images is missing"}},
        "images is missing",
        ["images is missing"],
        b"images is missing",
    ],
    ids=str,
)
async def test_the_words_of_a_refusal_are_found_in_any_shape(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, body: object
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sandbox.fail("submit", status=400, body=content)

    with pytest.raises(ApiError, match="images is missing"):
        await story(client, edit)


def test_the_page_of_a_gateway_is_not_quoted() -> None:
    answer = ApiResponse(403, None, b"<html><title>Forbidden</title></html>")
    with pytest.raises(PermissionDenied) as caught:
        answer.data()
    assert "WaveSpeed says" not in str(caught.value)


def test_the_error_of_a_task_may_be_an_object() -> None:
    task = Prediction.from_json(with_data(status="failed", error={"message": "too dark"}))
    assert "too dark" in str(task_error(task))


@given(JSON)
def test_no_json_is_too_odd_to_look_for_words_in(value: object) -> None:
    assert isinstance(error_text(value), str)


@given(JSON, st.integers(200, 599))
def test_no_json_makes_an_answer_raise_what_is_not_ours(body: object, status: int) -> None:
    answer = ApiResponse(status, None, json.dumps(body).encode())
    for read in (answer.data, answer.prediction, answer.accepted_prediction):
        with suppress(WaveSpeedError):
            read()


@given(st.dictionaries(st.sampled_from(["outputs", "has_nsfw_contents", "status", "error"]), JSON))
def test_a_picture_is_only_uncovered_where_the_service_said_so(changes: dict[str, Any]) -> None:
    if not str(changes.get("status", "completed")).strip():
        changes["status"] = "completed"
    if not isinstance(changes.get("status", ""), str):
        del changes["status"]
    prediction = Prediction.from_json(with_data(**changes))
    said = changes.get("has_nsfw_contents", [True, False])
    for output in prediction.outputs:
        if said not in (None, []) and not isinstance(said, list):
            clearly = said in (False, 0) or str(said).strip().lower() in ("false", "0", "no")
            assert output.nsfw is (not clearly)
        assert bool(output.url) != bool(output.content)


# --- A key in an answer ---------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a", "e", "1", "upload", "http"])
async def test_a_key_that_stands_in_every_answer_breaks_none(
    base_url: str, sandbox: Sandbox, edit: Edit, key: str
) -> None:
    async with AsyncClient(key, base_url=base_url, policies=patient()) as client:
        events = await story(client, Edit(edit.prompt, edit.images, base64_output=True))
        assert isinstance(events[-1], Finished)
        sandbox.fail("balance", status=401, body={"message": f"bad key {key}, sorry"})
        with pytest.raises(InvalidApiKey, match=r"bad key \[key\], sorry"):
            await client.balance()


# --- A clock that is off --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 0.5),
        ("Thu, 01 Jan 1970 00:00:40 GMT", -59.5),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_the_services_clock_is_read_from_the_date_of_an_answer(
    header: str | None, expected: float | None
) -> None:
    assert clock_offset(header, lambda: 100.0) == expected


@given(st.text())
def test_no_date_breaks_the_reader(header: str) -> None:
    assert isinstance(clock_offset(header, time.time), float | None)


@pytest.fixture(params=[-60.0, 300.0])
def off(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service, whose clock is not this machine's."""
    service = Service(seconds=0.3)
    service.clock = request.param
    with strict.running(service):
        yield service


async def test_a_lost_submission_is_found_by_a_clock_that_is_off(
    off: Service, edit: Edit, tmp_path: Path
) -> None:
    slow = iter([0.6])

    def hook(moment: str) -> None:
        if moment == "submitted":
            time.sleep(next(slow, 0.0))

    off.hook = hook
    policies = patient(answer=0.3)
    async with AsyncClient(strict.KEY, base_url=off.api_url, policies=policies) as client:
        with closing(Store(tmp_path / "studio.db")) as store:
            runner = Runner(client, store, tmp_path)
            end = await runner.wait_until_finished(runner.start(edit, "me").id)
            await runner.close()
        assert abs(client.clock_offset.total_seconds() - off.clock) < 5

    assert end.state == "done"
    assert len(off.submissions) == 1


# --- The words for all of it ----------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        FileUnavailable("x", status=404),
        MissingOutputs(prediction_id="p9"),
        EditTimeout("No result.", prediction_id="p9", last_error=ConnectionFailed("x", sent=True)),
        RateLimited("x", status=429),
        ServerError("x", status=503),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_paid_for_names_its_id_in_the_words_and_never_sells_it_again(
    error: WaveSpeedError,
) -> None:
    error.prediction_id, error.spent = "p9", "yes"
    task = Prediction.from_json(with_data(id="p9"))
    run = Run(
        id="r1",
        visitor_id="me",
        edit=Edit("x", ("https://x.example/a.png",)),
        started_at=datetime.now(UTC),
    ).apply(Submitted(1.0, task))

    said = errors.error_message(run.apply(Failed(2.0, error)))

    assert "p9" in said.advice
    assert said.money.startswith("The edit was accepted")
    assert [action for action, _ in errors.error_actions(run.apply(Failed(2.0, error)))] == [
        "again"
    ]
