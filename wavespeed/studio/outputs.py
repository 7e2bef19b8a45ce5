"""The files of a run: its pictures kept, its results checked and written whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from base64 import b64encode
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image as Pictures
from PIL.ImageFile import ImageFile

from .errors import Unsaved
from .run import Result

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
"""The formats an output may have."""
MAX_PIXELS = 100_000_000
COVER_PIXELS = 12
"""On the long edge: blurred by the browser, it shows no shape at all."""


def save(
    content: bytes, folder: Path, *, prompt: str, moment: datetime, number: int, nsfw: bool | None
) -> Result:
    """Writes `<folder>/<date>/<time>-<words of the prompt>-<number>.<ext>`; blocking.

    Raises `Unsaved`; then there is no file, not even half of one.
    """
    picture, cover = _checked(content)
    kind = str(picture.format)
    day = folder / moment.strftime("%Y-%m-%d")
    stem = f"{moment:%H%M%S}-{_words(prompt)}-{number}"
    try:
        day.mkdir(parents=True, exist_ok=True)
        path = _write(content, day, stem, EXTENSIONS[kind])
    except OSError as error:
        raise Unsaved("The result could not be written to the disk.") from error
    return Result(path, kind, picture.width, picture.height, len(content), cover, nsfw)


def keep(path: Path, folder: Path) -> Path:
    """The same picture under its own name in `folder`, where it stays; blocking.

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
        raise Unsaved("What the service sent is no picture.") from error


def _write(content: bytes, folder: Path, stem: str, extension: str) -> Path:
    """Under a name of its own, by way of a temporary file, so that no reader finds half of it."""
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        for again in range(1, 1000):
            path = folder / f"{stem}{'' if again == 1 else f'-{again}'}.{extension}"
            try:
                # Takes the name, which fails where there is one: nothing is overwritten.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            os.replace(temporary, path)
            return path
        raise FileExistsError("a thousand results of one second")
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _words(prompt: str) -> str:
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    return "-".join(words)[:40].strip("-") or "edit"
