"""Two presses of one visitor, as a double click sends them."""

from __future__ import annotations

import time
import uuid
from typing import Any

from tests.conftest import PHOTOS
from tests.support.apps import App
from tests.support.visitor import Visitor, gallery


def fields(path: str, prompt: str, press_id: str | None = None) -> dict[str, Any]:
    return {
        "inputs": gallery(path, meta=True),
        "prompt": prompt,
        "variants": "1",
        "wavespeed-press": press_id or uuid.uuid4().hex,
    }


def press(visitor: Visitor, path: str, prompt: str, press_id: str | None = None) -> None:
    visitor.send("edit", "click", fields(path, prompt, press_id))


def test_unchanged_fields_within_a_second_are_one_press(app: App) -> None:
    visitor = Visitor(app)
    path = visitor.upload(PHOTOS / "coffee.jpg")
    for _ in range(3):
        visitor.join("edit", "click", fields(path, "sepia"))
    visitor.read(ends=3)
    assert len(visitor.runs()) == 1


def test_other_fields_or_a_later_press_are_another_edit(app: App) -> None:
    visitor = Visitor(app)
    path = visitor.upload(PHOTOS / "coffee.jpg")
    press(visitor, path, "sepia")
    press(visitor, path, "warm")
    assert len(visitor.runs()) == 2
    time.sleep(1)
    press(visitor, path, "warm")
    assert len(visitor.runs()) == 3


def test_the_same_press_begins_one_edit_however_late_it_comes_again(app: App) -> None:
    visitor, press_id = Visitor(app), uuid.uuid4().hex
    path = visitor.upload(PHOTOS / "coffee.jpg")
    press(visitor, path, "sepia", press_id)
    time.sleep(1)
    press(visitor, path, "warm", press_id)
    assert len(visitor.runs()) == 1


def test_two_pages_of_one_visitor_are_no_double_click(app: App) -> None:
    one = Visitor(app)
    other = Visitor(app, one.id)
    path = one.upload(PHOTOS / "coffee.jpg")
    press(one, path, "sepia")
    press(other, path, "sepia")
    assert len(one.runs()) == 2
