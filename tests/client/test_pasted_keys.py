"""A key as people paste it: cleaned, or refused with what is wrong with it."""

from __future__ import annotations

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed import AsyncClient, keys
from wavespeed.errors import InvalidApiKey
from wavespeed.studio.logs import Redact

KEY = "ws-secret-key-0123456789"


@pytest.mark.parametrize(
    "pasted",
    [
        f"\ufeff{KEY}",
        f"{KEY}\ufeff\n",
        f"\u200b{KEY}\u200b",
        f"{KEY[:5]}\u200b{KEY[5:]}",
        f"{KEY[:5]}\u00ad{KEY[5:]}",
        f"\u2060{KEY}\u200e",
        f"\u00a0{KEY}\u202f",
        f"“{KEY}”",
        f"„{KEY}“",
        f"‘{KEY}’",
        f"«{KEY}»",
        f"`{KEY}`",
        f"Authorization: Bearer {KEY}",
        f"authorization:{KEY}",
        f'"Authorization": "Bearer {KEY}"'.removeprefix('"').replace('": "', ": "),
        f"X-API-Key: {KEY}",
        f"“Bearer {KEY}”",
        f"Bearer “{KEY}”",
        f"\ufeff Authorization:\u00a0Bearer\u00a0{KEY}\r\n",
        f"\ufeff{KEY}".encode().decode("latin-1"),
        f"“{KEY}”".encode().decode("latin-1"),
    ],
    ids=ascii,
)
def test_what_comes_along_with_a_key_is_taken_off(pasted: str) -> None:
    assert keys.clean(pasted) == KEY
    AsyncClient(pasted)


@pytest.mark.parametrize(
    "key",
    [
        "ws\u3164secret",
        "ws\u2800secret",
        "ws\u00a0secret",
        "ws\u2003secret",
        "ws\tsecret",
        "ws\x00secret",
        "ws\ufe0fsecret",
    ],
    ids=ascii,
)
def test_what_can_not_be_taken_off_is_refused_with_the_hint(key: str) -> None:
    with pytest.raises(InvalidApiKey, match="There is an invisible character in it") as caught:
        AsyncClient(key)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["two words", "schlüssel", "\u200b", "", "Bearer", "Authorization:"]
)
def test_what_is_visibly_no_key_is_refused_without_the_hint(key: str) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        AsyncClient(key)
    assert "invisible" not in str(caught.value)


@given(st.text())
def test_no_text_makes_the_constructor_raise_anything_but_bad_key(text: str) -> None:
    if keys.problem(keys.clean(text)):
        with pytest.raises(InvalidApiKey):
            AsyncClient(text)
    else:
        assert re.fullmatch(r"[\x21-\x7e]+", keys.clean(text))


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert keys.clean(keys.clean(text)) == keys.clean(text)


@given(st.text(), st.text(alphabet="abcdefgh0123-", min_size=8), st.text())
def test_a_key_of_some_length_is_hidden_wherever_it_stands(
    before: str, key: str, after: str
) -> None:
    assert key not in keys.redact(f"{before}{key}{after}", key) or key in "[key]"


def test_one_of_a_few_letters_leaves_the_words_around_it_whole() -> None:
    assert keys.redact("a key e, three letters", "e") == "a key [key], three letters"
    assert keys.redact("nothing to hide", "") == "nothing to hide"


def test_the_log_hides_a_key_as_it_is_sent_however_it_was_pasted() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, f"is {KEY} bad?", None, None)
    assert KEY not in Redact(f"\ufeffAuthorization: Bearer “{KEY}”").format(record)
