"""What a browser kept of fields that were not sent: taken for what it is, words from outside."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wavespeed import MAX_PROMPT
from wavespeed.studio.runs.store import Store
from wavespeed.studio.security.uploads import Uploads
from wavespeed.studio.ui.form import parse_draft, parse_query
from wavespeed.studio.ui.page_update import UNCHANGED, PageUpdate


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
        {"text": "", "paths": ["{cache}/not-uploaded.png"]},
        {"text": "", "paths": ["{cache}/anothers.png"]},
        {"text": "", "paths": ["{cache}/kept.png", "/etc/hostname"]},
        {"text": "", "paths": ["{cache}/kept.png", None]},
        {"text": "", "paths": ["{cache}/kept.png"] * 51},
        {"text": "", "paths": ["{cache}/gone.png"]},
    ],
)
async def test_a_draft_brings_back_what_its_visitor_may_name_and_nothing_else(
    draft: object, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("../secret.png", "kept.png", "not-uploaded.png", "anothers.png"):
        (cache / name).write_bytes(b"picture")
    with closing(Store(tmp_path / "studio.db")) as store:
        uploads = Uploads(store)
        await uploads.record([f"{cache}/kept.png", f"{cache}/gone.png"])
        store.allow_paths([f"{cache}/anothers.png"], "another", datetime.now(UTC))

        brought = await parse_draft(filled(draft, cache), "me", uploads, nowhere)
        assert brought == PageUpdate()
        kept = {"text": "a bowl", "paths": [str(cache / "kept.png")], "each": True}
        expected = PageUpdate(files=[cache / "kept.png"], prompt="a bowl", one_edit_per_image=True)
        assert await parse_draft(kept, "me", uploads, nowhere) == expected
        assert (await parse_draft(kept, "me", uploads, everywhere)).files is UNCHANGED
        theirs = {"text": "a bowl", "paths": [str(cache / "anothers.png")]}
        brought = await parse_draft(theirs, "another", uploads, nowhere)
        assert brought.files == [cache / "anothers.png"]


def nowhere(path: Path) -> bool:
    """No picture is withheld from this page."""
    return False


def everywhere(path: Path) -> bool:
    """Each picture is withheld from this page."""
    return True


def filled(draft: object, cache: Path) -> object:
    if not isinstance(draft, dict) or "paths" not in draft:
        return draft
    return draft | {
        "paths": [path and path.replace("{cache}", str(cache)) for path in draft["paths"]]
    }


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
    assert parse_query(draft) == asked
