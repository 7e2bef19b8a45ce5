"""On a Space the log names at the start which settings have to be secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.apps import served
from wavespeed.studio.settings import warning_of_a_space

SPACE = {"SPACE_ID": "someone/image-edit"}


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, []),
        ({"WAVESPEED_API_KEY": "k1"}, ["WAVESPEED_API_KEY has to be a secret"]),
        ({"WAVESPEED_AUTH": "u:p1"}, ["WAVESPEED_AUTH has to be a secret"]),
        ({"WAVESPEED_AUTH": "u:p1", "WAVESPEED_API_KEY": " "}, ["WAVESPEED_AUTH has to be"]),
        (
            {"WAVESPEED_AUTH": "u:p1", "WAVESPEED_API_KEY": "k1"},
            ["WAVESPEED_API_KEY and WAVESPEED_AUTH have to be secrets"],
        ),
        ({"WAVESPEED_BUDGET_USD": "5"}, []),
    ],
)
def test_what_has_to_be_a_secret_is_named_and_not_repeated(
    environment: dict[str, str], named: list[str]
) -> None:
    assert warning_of_a_space(environment) == ""  # At home there is nobody else.
    said = warning_of_a_space(environment | SPACE)
    assert bool(said) == bool(named)
    assert all(words in said for words in named)
    assert "k1" not in said
    assert "p1" not in said


def test_it_stands_in_the_log_once_the_space_is_up(tmp_path: Path) -> None:
    settings = {"WAVESPEED_AUTH": "u5er:pa55word", "GRADIO_SERVER_NAME": "127.0.0.1", **SPACE}
    with served(tmp_path, **settings) as app:
        log = app.log()
    assert log.count("WAVESPEED_AUTH has to be a secret of this Space") == 1
    assert "pa55word" not in log
