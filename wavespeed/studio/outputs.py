"""The files of a run: its pictures kept, its results checked and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import uuid
from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image as Pictures
from PIL.ImageFile import ImageFile

from wavespeed import Downloaded

from .errors import NoPicture, Unsaved
from .recipe import Recipe, write
from .run import Result, Run

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
"""The formats an output may have."""
MAX_PIXELS = 100_000_000
COVER_PIXELS = 12
"""On the long edge: blurred by the browser, it shows no shape at all."""


class Files:
    """The files of all runs, in one data folder. Every method blocks: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, run: Run) -> Run:
        """The run with copies of its pictures that outlive the upload's."""
        if run.edit is None:
            return run
        images = tuple(
            _keep(image, self._inputs(run) / str(number)) if isinstance(image, Path) else image
            for number, image in enumerate(run.edit.images, 1)
        )
        return replace(run, edit=replace(run.edit, images=images))

    def save(self, run: Run, event: Downloaded) -> Result:
        """Writes `outputs/<date>/<time>-<words of the prompt>-<number>.<ext>`, recipe included.

        Raises `Unsaved`; then there is no file, not even half of one.
        """
        assert run.prediction is not None
        output = run.prediction.outputs[event.index]
        nsfw, unclear = output.nsfw, output.nsfw_unclear
        content, picture, cover = _with_recipe(event.content, run, nsfw)
        kind = str(picture.format)
        day = self._folder / "outputs" / run.started_at.strftime("%Y-%m-%d")
        stem = f"{run.started_at:%H%M%S}-{_words(run.prompt)}-{event.index + 1}"
        try:
            day.mkdir(parents=True, exist_ok=True)
            path = _write(content, day, stem, EXTENSIONS[kind])
        except OSError as error:
            raise Unsaved("The result could not be written to the disk.") from error
        size = picture.width, picture.height, len(content)
        return Result(path, kind, *size, cover, nsfw, nsfw_unclear=unclear)

    def tidy(self) -> None:
        """Deletes what a process that was killed left half written."""
        for part in self._folder.glob("*puts/**/.*.part"):
            part.unlink(missing_ok=True)

    def remove(self, run: Run) -> None:
        """Deletes the run's pictures and results."""
        shutil.rmtree(self._inputs(run), ignore_errors=True)
        for result in run.results:
            result.path.unlink(missing_ok=True)

    def _inputs(self, run: Run) -> Path:
        return self._folder / "inputs" / run.id


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits; empty where it can't be read. Blocking."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _keep(path: Path, folder: Path) -> Path:
    """The same picture under its own name in `folder`, where it stays.

    A second name for the same bytes where the file system can do that, else a copy. A file that
    can't be read is left to `prepare` to refuse.
    """
    home = folder / path.name
    if path == home or home.exists():
        return home
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            home.hardlink_to(path)
        except OSError:
            temporary = folder / f".{uuid.uuid4().hex}.part"
            shutil.copyfile(path, temporary)
            temporary.replace(home)
    except OSError:
        return path
    return home


def _with_recipe(content: bytes, run: Run, nsfw: bool | None) -> tuple[bytes, ImageFile, str]:
    """The picture with the recipe in it, checked by decoding it, and its cover; without the recipe
    where that is what is wrong with it. Raises `Unsaved`."""
    assert run.prediction is not None
    task, inputs = run.prediction, tuple(sha256(path) for path in run.pictures)
    made_at = task.created_at or run.started_at
    written = write(content, Recipe(run.prompt, task.model, task.id, made_at, inputs, nsfw=nsfw))
    try:
        return written, *_checked(written)
    except Unsaved:
        return content, *_checked(content)


def _checked(content: bytes) -> tuple[ImageFile, str]:
    """The picture, wholly decoded, and its cover."""
    try:
        with Pictures.open(BytesIO(content), formats=tuple(EXTENSIONS)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("too many pixels")
            small = picture.convert("RGB")
            small.thumbnail((COVER_PIXELS, COVER_PIXELS), Pictures.Resampling.BOX)
            buffer = BytesIO()
            small.save(buffer, "PNG")
            return picture, f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    except Exception as error:  # Pillow raises a dozen kinds
        raise NoPicture("What the service sent is no picture.") from error


def _write(content: bytes, folder: Path, stem: str, extension: str) -> Path:
    """Under a name of its own, by way of a temporary file, so that no reader finds half of it."""
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        for again in range(1, 1000):
            path = folder / f"{stem}{'' if again == 1 else f'-{again}'}.{extension}"
            try:
                _name(Path(temporary), path)
            except FileExistsError:
                continue
            return path
        raise FileExistsError("a thousand results of one second")
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _name(temporary: Path, path: Path) -> None:
    """Gives the file its name at one stroke. Raises `FileExistsError` where that is taken."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # A file system without second names: take the name first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        temporary.replace(path)
    else:
        temporary.unlink()


def _words(prompt: str) -> str:
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    return "-".join(words)[:40].strip("-") or "edit"
