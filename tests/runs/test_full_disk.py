"""A disk that is full while an input is copied."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.runs.test_inputs_kept import run_of
from wavespeed.studio.runs.inputs import Inputs
from wavespeed.studio.runs.store import Store

resource = pytest.importorskip("resource")


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file may become larger; the system says so in the middle of a copy."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_input_that_finds_no_room_leaves_no_half_of_it(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_disk(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", another_disk)
    data = tmp_path / "data"
    with closing(Store(data / "studio.db")) as store:
        inputs = Inputs(data, store)
        with room_for(photo.stat().st_size - 1):
            run = inputs.copy_inputs(run_of(photo), checked=True)
        assert run.pictures == (photo,)  # It can be sent all the same.
        assert list((data / "inputs").rglob("*")) == []

        kept = inputs.copy_inputs(run_of(photo), checked=True)
        assert kept.pictures[0].read_bytes() == photo.read_bytes()
