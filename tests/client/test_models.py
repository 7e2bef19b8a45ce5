"""Values: what the wire says becomes one object, or InvalidResponse and nothing else."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed import Edit, Output, Prediction, Preprocessing
from wavespeed.errors import InvalidEdit, InvalidResponse
from wavespeed.types import byte_count

DOCUMENTED: dict[str, Any] = {
    "code": 200,
    "message": "success",
    "data": {
        "id": "c6f19e2a",
        "model": "openai/gpt-image-1-mini/edit",
        "status": "completed",
        "outputs": ["https://cdn.example/1.png", "https://cdn.example/2.png"],
        "urls": {"get": "https://api.wavespeed.ai/api/v3/predictions/c6f19e2a/result"},
        "has_nsfw_contents": [True, False],
        "created_at": "2025-05-19T06:09:15.948268264Z",
        "error": "",
        "executionTime": 12345,
        "timings": {"inference": 10300},
    },
}


def with_data(**changes: Any) -> dict[str, Any]:
    return {**DOCUMENTED, "data": {**DOCUMENTED["data"], **changes}}


def test_every_documented_field_is_typed() -> None:
    assert Prediction.from_json(DOCUMENTED) == Prediction(
        id="c6f19e2a",
        status="completed",
        model="openai/gpt-image-1-mini/edit",
        outputs=(
            Output(url="https://cdn.example/1.png", nsfw=True),
            Output(url="https://cdn.example/2.png", nsfw=False),
        ),
        result_url="https://api.wavespeed.ai/api/v3/predictions/c6f19e2a/result",
        created_at=datetime(2025, 5, 19, 6, 9, 15, 948268, tzinfo=UTC),
        error="",
        error_code=None,
        execution_time=12.345,
        inference=10.3,
        code=200,
        message="success",
    )


def test_a_bare_prediction_of_a_list_is_read_too() -> None:
    item = {"id": "a", "status": "failed", "execution_time": 1500, "outputs": None, "code": 1405}
    prediction = Prediction.from_json(item)
    assert (prediction.execution_time, prediction.outputs) == (1.5, ())
    assert (prediction.error_code, prediction.code) == (1405, None)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([True, False], [True, False]),
        ([False, True], [False, True]),
        ([True], [True, None]),
        ([], [None, None]),
        (None, [None, None]),
        ([None, "true"], [None, True]),
        ([0, 1], [False, True]),
        ([False, False, True], [False, False]),
    ],
)
def test_a_missing_flag_is_not_checked_which_is_not_safe(
    flags: object, expected: list[bool | None]
) -> None:
    prediction = Prediction.from_json(with_data(has_nsfw_contents=flags))
    assert [output.nsfw for output in prediction.outputs] == expected


@pytest.mark.parametrize("absent", [None, {}, [], "", 0])
def test_null_and_absent_details_are_no_error(absent: object) -> None:
    prediction = Prediction.from_json(
        {
            "code": 200,
            "data": {"id": "a", "status": "created", "timings": absent, "urls": absent}
            | dict.fromkeys(("created_at", "error", "executionTime", "model"), absent),
        }
    )
    assert (prediction.inference, prediction.created_at, prediction.error) == (None, None, "")


@pytest.mark.parametrize("milliseconds", [0, -5, True, "12", None, 10**30, float("nan")])
def test_a_duration_that_is_none_is_unknown(milliseconds: object) -> None:
    assert Prediction.from_json(with_data(timings={"inference": milliseconds})).inference is None


def test_base64_outputs_are_decoded_with_and_without_a_prefix() -> None:
    picture = b"\x89PNG\r\n\x1a\nand so on"
    text = base64.b64encode(picture).decode()
    prediction = Prediction.from_json(with_data(outputs=[text, f"data:image/png;base64,{text}"]))
    assert [output.content for output in prediction.outputs] == [picture, picture]


@pytest.mark.parametrize(
    ("status", "terminal"),
    [
        ("created", False),
        ("pending", False),
        ("processing", False),
        ("never heard of", False),
        ("completed", True),
        ("failed", True),
        ("cancelled", True),
        ("timeout", True),
        ("deleted", True),
    ],
)
def test_an_unknown_status_is_still_running(status: str, terminal: bool) -> None:
    assert Prediction.from_json(with_data(status=status)).is_terminal is terminal


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ([], "body"),
        ({"code": 200, "data": None}, "data"),
        ({"code": 200, "data": []}, "data"),
        (with_data(id=None), "id"),
        (with_data(id="../../secret"), "id"),
        (with_data(id=".."), "id"),
        (with_data(id="a?b"), "id"),
        (with_data(status=None), "status"),
    ],
)
def test_what_breaks_the_contract_is_named(body: object, field: str) -> None:
    with pytest.raises(InvalidResponse) as caught:
        Prediction.from_json(body)
    assert caught.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_it_raise_anything_but_not_understood(body: object) -> None:
    with contextlib.suppress(InvalidResponse):
        Prediction.from_json(body)


FIELDS = [*DOCUMENTED["data"], "code", "execution_time"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(st.text())), st.booleans())
def test_nor_does_a_documented_answer_with_any_fields_replaced(
    changes: dict[str, Any], bare: bool
) -> None:
    body = with_data(**changes)
    try:
        prediction = Prediction.from_json(body["data"] if bare else body)
    except InvalidResponse:
        return
    assert prediction.id
    assert prediction.created_at is None or prediction.created_at.tzinfo


@pytest.mark.parametrize(
    ("prompt", "images", "field"),
    [
        ("", 1, "prompt"),
        (" \n\t ", 1, "prompt"),
        ("x" * 32_001, 1, "prompt"),
        ("x", 0, "images"),
        ("x", 5, "images"),
        ("half an emoji \ud83d", 1, "prompt"),
        (None, 1, "prompt"),
    ],
)
def test_an_edit_that_can_never_work_is_refused_by_name(
    prompt: str, images: int, field: str
) -> None:
    with pytest.raises(InvalidEdit) as caught:
        Edit(prompt, tuple(Path(f"{n}.jpg") for n in range(images)))
    assert caught.value.field == field
    assert caught.value.spent == "no"


@pytest.mark.parametrize("address", ["http://example.com/a.png", "ftp://x/a.png", "file:///etc"])
def test_only_https_addresses_are_handed_on(address: str) -> None:
    with pytest.raises(InvalidEdit):
        Edit("x", (address,))


def test_the_longest_prompt_and_four_pictures_are_fine() -> None:
    edit = Edit("x" * 32_000, (*(Path("a.jpg") for _ in range(3)), "https://example.com/a.png"))
    assert len(edit.images) == 4


def test_what_was_done_to_a_picture_is_one_line() -> None:
    changes = Preprocessing("HEIC", "JPEG", (4032, 3024), (2048, 1536), 1_300_000, True, True)
    assert str(changes) == (
        "HEIC to JPEG, 4032×3024 to 2048×1536, turned upright, location removed, 1.3 MB"
    )
    assert str(Preprocessing("PNG", "PNG", (600, 400), (600, 400), 105_000)) == "600×400, 105 kB"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_499, "999 kB"), (999_500, "1.0 MB")],
)
def test_sizes_are_in_decimal_units(size: int, text: str) -> None:
    assert byte_count(size) == text
