"""The folder of Gradio's cache, before anything lies in it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

CACHE_LIFETIME = 86_400.0
"""Seconds. Gradio deletes what is older itself, but not what a process that was killed left."""


def prepare(folder: Path, *, is_own: bool) -> None:
    """Makes the folder, and makes sure that it can be written; the page's own is freed of what
    is old. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder):
        pass
    if is_own:
        _delete_old(folder, time.time() - CACHE_LIFETIME)


def _delete_old(folder: Path, before: float) -> None:
    """Deepest first, so that folders are empty by their turn."""
    for path in sorted(folder.rglob("*"), reverse=True):
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.lstat().st_mtime < before:
                path.unlink()
        except OSError:
            continue  # Not empty, or gone by itself.
