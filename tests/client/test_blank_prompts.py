"""A prompt that shows nothing is no prompt: it is refused before anything is sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavespeed import Edit
from wavespeed.errors import InvalidEdit
from wavespeed.studio.templating import STATIC
from wavespeed.types import is_blank

BLANK = [
    "\u200b",
    "\ufeff",
    "\u200d\u200c\u2060",
    " \u00a0\u3000\n",
    "\u00ad\u034f\ufe0f",
    "\u3164\uffa0\u115f",
    "\u2800\u2800",
    "\U000e0061\U000e007f",
    "\x00\x07",
]
SAYS = ["red", "\u200bred\u200b", "赤", "🍎", "👩\u200d🎨", "?", "‮red", "é"]


@pytest.mark.parametrize("prompt", BLANK)
def test_a_prompt_without_a_visible_character_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidEdit, match="Say what should change") as refused:
        Edit(prompt, (Path("cup.png"),))
    assert refused.value.field == "prompt"


@pytest.mark.parametrize("prompt", SAYS)
def test_what_can_be_read_is_sent_as_it_is(prompt: str) -> None:
    assert Edit(prompt, (Path("cup.png"),)).prompt == prompt


@given(st.text())
def test_a_letter_among_whatever_else_is_a_prompt(text: str) -> None:
    assert not is_blank(text + "a" + text)


def test_the_button_says_the_same_of_every_character() -> None:
    """The page decides by a pattern of its own, in another language."""
    node = shutil.which("node", path=Path(sys.executable).parent) or shutil.which("node")
    if node is None:
        pytest.skip("no Node.js")
    module = (STATIC / "js" / "edit-button.js").as_uri()
    script = f"""
    globalThis.document = {{ querySelector: () => null }};
    globalThis.location = {{ search: "" }};
    const {{ update }} = await import({json.dumps(module)});
    const words = {{ edit: "Edit", say: "Say what should change", most: 4, mostEach: 50 }};
    const blank = [];
    for (let code = 0; code < 0x110000; code++)
      if (code < 0xd800 || code > 0xdfff)
        if (!update(words, ["a picture"], String.fromCodePoint(code), "1", false).interactive)
          blank.push(code);
    console.log(JSON.stringify(blank));
    """
    said = subprocess.run(
        [node, "--input-type=module", "-e", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    codes = (code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)
    assert json.loads(said.stdout) == [code for code in codes if is_blank(chr(code))]
