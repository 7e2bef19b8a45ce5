"""Run: the reducer, as stories of events; and the words for every state it can be in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wavespeed import Edit, Output, Prediction, WaveSpeedError
from wavespeed.errors import (
    AmbiguousSubmit,
    ApiError,
    ConnectionFailed,
    ContentModerated,
    EditFailed,
    EditTimeout,
    InsufficientCredit,
    InvalidApiKey,
    InvalidEdit,
    InvalidResponse,
    PermissionDenied,
    RateLimited,
    ServerError,
)
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
from wavespeed.studio.runs.errors import SaveFailed
from wavespeed.studio.runs.run import (
    Failed,
    OutcomeUnknown,
    OutputFile,
    RecoveryStarted,
    Run,
    RunEvent,
    Saved,
    Stopped,
    output_details,
)
from wavespeed.studio.text import errors, formatting, labels, status

EDIT = Edit("make it black and white", (Path("cup.jpg").absolute(),))
NEW = Run(id="r1", visitor_id="v1", edit=EDIT, started_at=datetime(2026, 1, 1, tzinfo=UTC))
RESULT = OutputFile(
    Path("out.png").absolute(), "PNG", 1536, 1024, 1_900_000, "data:image/png;base64,", False
)


def task(status: str, **more: object) -> Prediction:
    return Prediction(id="p1", status=status, **more)  # type: ignore[arg-type]


DONE = task("completed", outputs=(Output(content=b"png", nsfw=False),), inference=2.0)
TO_THE_SERVICE: list[RunEvent] = [
    Preparing(0.0),
    Uploading(0.1, (None,)),
    Uploaded(0.7, ("https://x/a.png",)),
    Submitting(0.7),
    Submitted(0.9, task("created")),
]
WHOLE: list[RunEvent] = [
    *TO_THE_SERVICE,
    Polled(2.0, task("processing")),
    Completed(4.0, DONE),
    Downloaded(4.4, 0, b"png"),
    Saved(4.5, RESULT),
    Finished(4.5, DONE),
]


def after(events: Sequence[RunEvent]) -> Run:
    run = NEW
    for event in events:
        run = run.apply(event)
    return run


def test_a_whole_edit_ends_done_with_its_result() -> None:
    run = after(WHOLE)
    assert (run.state, run.is_finished, run.results) == ("done", True, (RESULT,))
    assert run.prediction is not None
    assert run.prediction.outputs[0].content is None, "the bytes are on the disk, not in memory"


@pytest.mark.parametrize(
    ("count", "step"),
    [
        (1, "prepare"),
        (2, "upload"),
        (3, "upload"),
        (4, "queue"),
        (5, "queue"),
        (6, "process"),
        (7, "save"),
    ],
)
def test_each_event_is_in_its_step(count: int, step: str) -> None:
    assert after(WHOLE[:count]).step == step


def test_the_timings_add_up_to_the_total() -> None:
    timings = after(WHOLE).timings
    parts = [timings.prepare, timings.upload, timings.queue, timings.inference, timings.download]
    assert parts == pytest.approx([0.1, 0.6, 1.3, 2.0, 0.5])
    assert timings.total == pytest.approx(sum(part or 0 for part in parts))


def test_an_inference_that_the_service_did_not_tell_is_not_known() -> None:
    quiet = task("completed", outputs=DONE.outputs)
    timings = after([*TO_THE_SERVICE, Completed(4.0, quiet), Finished(4.5, quiet)]).timings
    assert timings.inference is None
    assert timings.queue == pytest.approx(3.3)


def test_an_inference_longer_than_the_wait_is_cut_to_it() -> None:
    odd = task("completed", outputs=DONE.outputs, inference=99.0)
    timings = after([*TO_THE_SERVICE, Completed(4.0, odd), Finished(4.5, odd)]).timings
    assert (timings.inference, timings.queue) == (pytest.approx(3.3), pytest.approx(0.0))


LIMITED = Waiting(0.8, 12.0, RateLimited("", status=429, retry_after=12.0))


@pytest.mark.parametrize(
    ("events", "in_flight"),
    [
        (TO_THE_SERVICE[:3], False),
        (TO_THE_SERVICE[:4], True),
        ([*TO_THE_SERVICE[:4], LIMITED], False),
        ([*TO_THE_SERVICE[:4], LIMITED, Submitting(13.0)], True),
        (TO_THE_SERVICE, True),
        ([*TO_THE_SERVICE, LIMITED], True),
        (WHOLE[:7], True),
        ([*TO_THE_SERVICE[:4], RecoveryStarted(2.0, 2.0, AmbiguousSubmit("x"))], True),
        ([*TO_THE_SERVICE[:4], OutcomeUnknown(2.0, AmbiguousSubmit("x"))], True),
    ],
)
def test_a_run_can_be_taken_back_only_while_nothing_that_costs_money_is_under_way(
    events: list[RunEvent], in_flight: bool
) -> None:
    assert after(events).in_flight is in_flight


def test_a_submission_tried_again_does_not_begin_the_queue_again() -> None:
    run = after([*TO_THE_SERVICE[:4], LIMITED, Submitting(13.0), Submitted(13.2, task("created"))])
    assert dict(run.step_started)["queue"] == 0.7
    assert run.waiting is None


def test_a_stopped_run_is_over() -> None:
    run = after([*TO_THE_SERVICE[:2], Stopped(0.5)])
    assert (run.state, run.is_finished) == ("stopped", True)
    assert "Nothing was spent" in status.run_status(run)


def test_the_details_of_a_finished_run_are_json() -> None:
    assert output_details(after(WHOLE)) == {
        "id": "p1",
        "model": "openai/gpt-image-1-mini/edit",
        "status": "completed",
        "created_at": None,
        "error": "",
        "outputs": [{"nsfw": False, "width": 1536, "height": 1024, "size_bytes": 1_900_000}],
        "timings_ms": {
            "prepare": 100,
            "upload": 600,
            "queue": 1300,
            "inference": 2000,
            "download": 500,
            "total": 4500,
        },
        "cost_usd": 0.02,
    }


# --- Words ----------------------------------------------------------------------------------


def with_id(error: WaveSpeedError, spent: str) -> WaveSpeedError:
    error.prediction_id, error.spent = "p1", spent  # type: ignore[assignment]
    return error


ERRORS: list[tuple[WaveSpeedError, str]] = [
    (InvalidEdit("cup.jpg is empty."), "Nothing was spent."),
    (ConnectionFailed("x", sent=False), "Nothing was spent."),
    (with_id(ConnectionFailed("x", sent=True), "yes"), "The edit was accepted and costs $0.02."),
    (AmbiguousSubmit("x"), "It is not known whether this was billed."),
    (ApiError("It did not work.", status=400), "Nothing was spent."),
    (
        with_id(ApiError("Not known.", status=404), "unknown"),
        "It is not known whether this was billed.",
    ),
    (InvalidApiKey("x", status=401), "Nothing was spent."),
    (InsufficientCredit("x", status=402), "Nothing was spent."),
    (PermissionDenied("x", status=403), "Nothing was spent."),
    (RateLimited("x", status=429), "Nothing was spent."),
    (ContentModerated("x", status=400), "Nothing was spent."),
    (with_id(ContentModerated("x", status=200), "unknown"), labels.REFUND),
    (ServerError("x", status=503), "Nothing was spent."),
    (with_id(InvalidResponse("outputs"), "yes"), "The edit was accepted and costs $0.02."),
    (EditFailed("The task broke.", service_code=1405, prediction_id="p1"), labels.REFUND),
    (EditTimeout("It did not work.", prediction_id="p1"), "The edit was accepted and costs $0.02."),
    (SaveFailed("It did not work."), "The edit was accepted and costs $0.02."),
    (WaveSpeedError("The studio itself failed."), "Nothing was spent."),
]


@pytest.mark.parametrize(("error", "money"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_says_what_happened_the_money_and_what_to_do(
    error: WaveSpeedError, money: str
) -> None:
    problem = errors.error_message(NEW.apply(Failed(1.0, error)))
    assert problem.money == money
    for sentence in (problem.what, problem.advice):
        assert sentence.endswith(".")
        assert not {"!", "please", "Please"} & set(sentence.split())
    assert problem.details.startswith("run r1")
    assert error.prediction_id is None or error.prediction_id in problem.details


@pytest.mark.parametrize("count", range(len(WHOLE) + 1))
def test_at_every_moment_one_sentence_says_what_goes_on(count: int) -> None:
    assert status.run_status(after(WHOLE[:count])).endswith(".")
    assert status.run_status(None)


def test_a_wait_says_why_and_what_it_costs() -> None:
    sentence = status.run_status(after([*TO_THE_SERVICE[:4], LIMITED]))
    assert "pictures a minute" in sentence
    assert "Nothing was spent" in sentence


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (99.94, "99.9 s"),
        (99.96, "1 min 40 s"),
        (185, "3 min 05 s"),
    ],
)
def test_seconds_are_read_as_a_person_would_say_them(value: float, text: str) -> None:
    assert formatting.seconds(value) == text


@pytest.mark.parametrize(
    ("nsfw", "text"), [(True, "Flagged"), (False, "Not flagged"), (None, "Not checked")]
)
def test_a_flag_is_three_words_and_silence_is_not_safety(nsfw: bool | None, text: str) -> None:
    assert formatting.flag(nsfw) == text
