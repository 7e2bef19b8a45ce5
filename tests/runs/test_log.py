"""The log never holds a key, whoever writes what."""

from __future__ import annotations

import logging

import pytest

from wavespeed.studio.logs import Redact

KEY = "ws-secret-key-0123456789"


@pytest.mark.parametrize(
    "message",
    [
        f"the key {KEY} in a sentence",
        f"Authorization: Bearer {KEY}",
        f"{{'X-WaveSpeed-Key': '{KEY}'}}",
    ],
)
def test_a_key_is_blacked_out_in_messages_and_tracebacks(message: str) -> None:
    try:
        raise ValueError(message)
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, message, None, trace)
    text = Redact(KEY).format(record)
    assert KEY not in text
    assert "[key]" in text
    assert "Traceback" in text


def test_a_strangers_key_is_blacked_out_by_its_looks() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "Bearer abc.def-1 end", None, None)
    assert Redact(None).format(record).endswith("Bearer [key] end")


@pytest.mark.parametrize("pasted", [f'"{KEY}"', f"Bearer {KEY}", f" '{KEY}' "])
def test_a_key_is_blacked_out_however_it_was_pasted(pasted: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, f"is {KEY} bad?", None, None)
    assert KEY not in Redact(pasted).format(record)
