"""The results of runs: checked, and written whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from pathlib import Path

from wavespeed.events import Downloaded
from wavespeed.studio.decoding import decoder, thumbnails
from wavespeed.studio.decoding.thumbnails import Checked

from .atomic import PARTIAL, replacing
from .credentials import has_credentials
from .errors import InvalidOutput, SaveFailed
from .metadata import EditMetadata, packet, sidecar, write
from .run import OutputFile, Run

log = logging.getLogger("wavespeed.studio")

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
"""The formats an output may have."""


class RunFiles:
    """The results of all runs, in one data folder. Every method blocks: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, run: Run, event: Downloaded) -> OutputFile:
        """Writes `outputs/<date>/<time>-<words of the prompt>-<number>-<random>.<ext>`, recipe
        included, or with Content Credentials as it came and the recipe beside it; nobody can guess
        the name.

        Raises `SaveFailed`; then there is no file, not even half of one.
        """
        assert run.prediction is not None
        output = run.prediction.outputs[event.index]
        nsfw, unclear = output.nsfw, output.nsfw_unclear
        recipe = _metadata_of(run, nsfw)
        is_signed = has_credentials(event.content)
        if is_signed:
            content, checked = event.content, _checked(event.content)
        else:
            content, checked = _with_metadata(event.content, recipe)
        kind = checked.format
        day = self._folder / "outputs" / run.started_at.strftime("%Y-%m-%d")
        number = f"{event.index + 1}-{secrets.token_hex(8)}"
        stem = f"{run.started_at:%H%M%S}-{_slug(run.prompt)}-{number}"
        try:
            day.mkdir(parents=True, exist_ok=True)
            path = day / f"{stem}.{EXTENSIONS[kind]}"
            _write(content, path)
        except OSError as error:
            raise SaveFailed("The result could not be written to the disk.") from error
        if is_signed:
            _write_sidecar(path, recipe)
        size = checked.width, checked.height, len(content)
        digest = hashlib.sha256(content).hexdigest()
        return OutputFile(
            path, kind, *size, checked.cover, nsfw, nsfw_unclear=unclear, sha256=digest
        )

    def remove_partial_files(self) -> None:
        """Deletes what a process that was killed left half written."""
        for part in self._folder.glob(f"outputs/**/{PARTIAL}"):
            part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits; empty where it can't be read. Blocking."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _metadata_of(run: Run, nsfw: bool | None) -> EditMetadata:
    assert run.prediction is not None
    task, inputs = run.prediction, tuple(sha256(path) for path in run.pictures)
    made_at = task.created_at or run.started_at
    return EditMetadata(run.prompt, run.model, task.id, made_at, inputs, nsfw=nsfw)


def _with_metadata(content: bytes, recipe: EditMetadata) -> tuple[bytes, Checked]:
    """The picture with the recipe in it, checked by decoding it; without the recipe where that is
    what is wrong with it. Raises `SaveFailed`."""
    written = write(content, recipe)
    try:
        return written, _checked(written)
    except SaveFailed:
        return content, _checked(content)


def _write_sidecar(picture: Path, recipe: EditMetadata) -> None:
    """The picture itself was paid for and is there: without the file beside it, it is as good."""
    try:
        _write(packet(recipe), sidecar(picture))
    except OSError:
        log.warning("the recipe of a result could not be written", exc_info=True)


def _checked(content: bytes) -> Checked:
    """What is known of the picture once it was wholly decoded."""
    try:
        return decoder.shared.run(thumbnails.check, content, urgent=True)
    except Exception as error:  # Pillow raises a dozen kinds
        raise InvalidOutput("What the service sent is no picture.") from error


def _write(content: bytes, path: Path) -> None:
    """On the disk when it returns, even if the power fails."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _slug(prompt: str) -> str:
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    return "-".join(words)[:40].strip("-") or "edit"
