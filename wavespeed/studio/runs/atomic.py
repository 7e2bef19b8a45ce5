"""Files that are there whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".*.part"
"""The names of what a process that was killed left half written, as a pattern."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, whose file takes its place if all goes well: no reader finds
    half of it, also where the disk is full. Raises `OSError`."""
    temporary = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        temporary.touch(0o600)
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
