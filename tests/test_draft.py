"""What a browser kept of fields that were not sent: taken for what it is, words from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from wavespeed import MAX_PROMPT
from wavespeed.studio.fields import drafted, linked


@pytest.mark.anyio
@pytest.mark.parametrize(
    "draft",
    [
        None,
        "a bowl",
        {"text": 7, "paths": []},
        {"text": "a bowl"},
        {"text": "", "paths": [str(Path(__file__))]},
        {"text": "", "paths": ["{cache}/../secret.png"]},
        {"text": "", "paths": ["{cache}/link.png"]},
        {"text": "", "paths": ["{cache}/kept.png", "/etc/hostname"]},
        {"text": "", "paths": ["{cache}/kept.png"] * 51},
        {"text": "", "paths": ["{cache}/gone.png"]},
    ],
)
async def test_a_draft_shows_no_file_that_its_browser_could_not_see_anyway(
    draft: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for file in (tmp_path / "secret.png", cache / "kept.png"):
        file.write_bytes(b"picture")
    (cache / "link.png").symlink_to(tmp_path / "secret.png")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))

    assert await drafted(filled(draft, cache), nowhere) == ([], "", False)
    kept = {"text": "a bowl", "paths": [str(cache / "kept.png")], "each": True}
    assert await drafted(kept, nowhere) == ([str(cache / "kept.png")], "a bowl", True)


def nowhere(path: Path) -> bool:
    """No picture is withheld from this page."""
    return False


def filled(draft: object, cache: Path) -> object:
    if not isinstance(draft, dict) or "paths" not in draft:
        return draft
    return draft | {"paths": [path.replace("{cache}", str(cache)) for path in draft["paths"]]}


@pytest.mark.parametrize(
    ("draft", "asked"),
    [
        (None, ("", None)),
        ("?run=7", ("", None)),
        ({"asked": "?run=7"}, ("", None)),
        ({"asked": {"prompt": 7, "run": ["7"]}}, ("", None)),
        ({"asked": {"prompt": "a bowl"}}, ("a bowl", None)),
        ({"asked": {"prompt": "x" * 100_000, "run": "7"}}, ("x" * MAX_PROMPT, "7")),
    ],
)
def test_an_address_asks_for_words_and_a_run_and_for_nothing_else(
    draft: object, asked: tuple[str, str | None]
) -> None:
    assert linked(draft) == asked
