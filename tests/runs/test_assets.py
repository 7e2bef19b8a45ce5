"""What the browser is handed: short files with short lines, all of them in use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wavespeed.studio.templating import STATIC, TEMPLATES
from wavespeed.studio.ui import scripts
from wavespeed.studio.ui.theme import STYLE_SHEETS

SCRIPTS = sorted((STATIC / "js").glob("*.js"))
SHEETS = sorted((STATIC / "css").glob("*.css"))
MARKUP = [
    file
    for folder in TEMPLATES
    for ending in ("html", "css")
    for file in sorted(folder.rglob(f"*.{ending}"))
]
LONGEST_LINE = 120


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("file", [*SCRIPTS, *SHEETS, *MARKUP], ids=lambda file: file.name)
def test_no_line_is_too_long_to_read(file: Path) -> None:
    assert [line for line in lines(file) if len(line) > LONGEST_LINE] == []


def test_no_file_is_too_long_to_read() -> None:
    assert [file.name for file in SCRIPTS if len(lines(file)) > 200] == []
    assert [file.name for file in [*SHEETS, *MARKUP] if len(lines(file)) > 300] == []


def test_every_style_sheet_is_handed_to_the_page() -> None:
    assert sorted(STYLE_SHEETS) == SHEETS


def test_every_module_is_served_and_found_by_those_that_import_it() -> None:
    imports = {
        name
        for module in scripts.MODULES.values()
        for name in re.findall(r'from "\./([\w-]+\.js)"', module.decode())
    }
    assert {"main.js", "dom.js", *imports} <= scripts.MODULES.keys()
    assert scripts.EARLY not in imports
