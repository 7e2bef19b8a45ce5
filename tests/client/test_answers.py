"""Whatever an answer holds, it means a value or an error of ours."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.test_models import DOCUMENTED, FIELDS, JSON
from wavespeed import Prediction, WaveSpeedError
from wavespeed._responses import ApiResponse, address, number, task_error
from wavespeed.errors import ApiError, InvalidResponse, error_from_response

BODIES = st.binary() | JSON.map(json.dumps).map(str.encode)
ANSWERS = st.builds(
    ApiResponse,
    status=st.integers(200, 599),
    retry_after=st.none() | st.floats(0, 1e6),
    content=BODIES,
    is_keyed=st.booleans(),
    location=st.none() | st.text(),
)


@given(ANSWERS)
def test_no_answer_raises_anything_but_an_error_of_ours(answer: ApiResponse) -> None:
    for read in (
        answer.file,
        answer.data,
        answer.envelope,
        answer.prediction,
        answer.accepted_prediction,
    ):
        with suppress(WaveSpeedError):
            read()


@given(JSON)
def test_nor_does_any_value_in_the_place_of_a_number_or_an_address(value: object) -> None:
    for read in (lambda: number({"x": value}, "x"), lambda: address(value, "x")):
        with suppress(InvalidResponse):
            read()


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_a_finished_task_has_pictures_or_a_reason(changes: dict[str, object]) -> None:
    body = {**DOCUMENTED, "data": {**DOCUMENTED["data"], **changes}}
    try:
        prediction = Prediction.from_json(body)
    except InvalidResponse:
        return
    reason = task_error(prediction)
    if reason is None:
        assert prediction.outputs
    else:
        assert str(reason)


@given(st.integers(400, 599), st.integers() | st.none(), st.text(max_size=2000), st.booleans())
def test_every_refusal_is_a_sentence_of_bearable_length(
    status: int, code: int | None, text: str, is_keyed: bool
) -> None:
    error = error_from_response(status, code=code, text=text, is_keyed=is_keyed)
    assert isinstance(error, ApiError)
    assert len(str(error)) < 500
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_file_hosts_no_says_nothing_about_the_key(status: int) -> None:
    assert type(error_from_response(status, is_keyed=False)) is ApiError
