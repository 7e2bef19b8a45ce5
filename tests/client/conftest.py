"""What the tests of the client share beside what all share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pictures import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
