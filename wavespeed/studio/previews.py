"""What is shown of pictures: thumbnails, sizes that fit the screen, and the picture as it was sent.

Everything here blocks. What was worked out once is kept, by what the file system knows of a file:
so the picture of a run, a second name of what was dropped, is not worked out anew. The copies lie
in a folder of Gradio's cache, since it serves nothing else; they go with their run, with Gradio's
own cleaning of its cache, and at the latest when the server starts again.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from gradio.processing_utils import save_bytes_to_cache, save_file_to_cache
from gradio.utils import get_upload_folder
from PIL import Image, ImageOps

from wavespeed import InvalidEdit, prepare

from .outputs import COVER_PIXELS, MAX_PIXELS
from .recipe import Recipe, read

SCREEN = 1600
"""Pixels on the long edge: all that a screen shows of the stage."""
CARD = 448
"""The same of a card in the history, at twice its width for sharp screens."""
THUMB = 192
LIGHT = 300_000
"""Bytes; a smaller file is shown as it is."""
MOST_COPIED = 10_000
"""Pictures; past that the copies of the oldest go, and are made again where they are asked for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that someone dropped: what it looks like, what will be sent of it, or why not."""

    thumb: str = ""
    """A data URI; empty where there is nothing to see."""
    cover: str = ""
    """The same with nothing of it but its colours."""
    said: str = ""
    trouble: str = ""
    recipe: Recipe | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as the service got it."""

    file: Path
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _File:
    """The same bytes, under whatever name."""

    device: int
    inode: int
    size: int
    changed_ns: int
    path: Path = field(compare=False)

    @classmethod
    def at(cls, path: Path) -> _File:
        try:
            stat = path.stat()
        except OSError:
            return cls(0, 0, 0, 0, path)
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, path)


def look(path: Path) -> Seen:
    """All that is told of a picture before it is sent; raises nothing."""
    return _look(_File.at(path))


def sent(path: Path) -> Sent | None:
    """The picture upright, as it was sent; None where the file is gone."""
    found = _sent(_File.at(path))
    if found is None:
        return None
    name, content, width, height = found
    file = _kept(path, "sent", lambda: save_bytes_to_cache(content, name, _folder()))
    return Sent(file, width, height) if file else None


def recipe(path: Path) -> Recipe | None:
    """What a result says of itself; None of any other picture."""
    return _recipe(_File.at(path))


@lru_cache(maxsize=1000)
def _recipe(file: _File) -> Recipe | None:
    return read(file.path)


@lru_cache(maxsize=1000)
def _look(file: _File) -> Seen:
    path = file.path
    try:
        image = prepare(path)
    except InvalidEdit as error:
        return Seen(trouble=str(error))
    with Image.open(BytesIO(image.content)) as picture:
        thumb = _encoded(picture, THUMB)
        cover = _encoded(picture, COVER_PIXELS)
    return Seen(_uri(thumb), _uri(cover), said=str(image.changes), recipe=_recipe(file))


def fitting(path: Path) -> Path | None:
    """A copy that Gradio serves, no larger than a screen; None where the file is gone."""
    return _kept(path, "fitting", lambda: _fitting(path))


def small(path: Path) -> Path | None:
    """One for a card, of a picture of any format; None where the file is gone or none."""
    return _kept(path, "small", lambda: _small(path))


def original(path: Path) -> Path | None:
    """The file itself where Gradio serves it, at an address nobody can guess; None where it is
    gone."""
    return _kept(path, "original", lambda: save_file_to_cache(path, _folder()))


def is_served(path: Path) -> bool:
    """Whether a file lies in Gradio's cache, where whoever knows its address may see it."""
    path, cache = path.resolve(), Path(get_upload_folder()).resolve()
    return path.is_relative_to(cache) and path.is_file()


def claim(data_dir: Path) -> None:
    """From now on the copies lie in a folder of this data folder's own, since several apps may
    share a cache."""
    global _name
    _name = f"studio-{hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}"


def begin(created: set[str]) -> None:
    """Deletes the copies of an earlier process; `created` gets to know the new ones, for Gradio's
    cleaning."""
    global _created
    _created = created
    shutil.rmtree(_folder(), ignore_errors=True)


def place(name: str) -> Path:
    """Where a new file of this name can be written and is then served, at an address of its own."""
    folder = Path(_folder()) / uuid.uuid4().hex
    folder.mkdir(parents=True)
    _created.add(str(folder / name))
    return folder / name


def drop(paths: Iterable[Path]) -> None:
    """Deletes all copies that were made of these files."""
    for path in paths:
        for copy in _copies.pop(path, {}).values():
            copy.unlink(missing_ok=True)


_copies: dict[Path, dict[str, Path]] = {}
_created: set[str] = set()
_name = "studio"


def _folder() -> str:
    return str(Path(get_upload_folder()) / _name)


def _kept(path: Path, kind: str, make: Callable[[], str]) -> Path | None:
    """The copy of this kind, made where there is none (any more)."""
    known = _copies.get(path, {}).get(kind)
    if known is not None and known.exists():
        return known
    try:
        copy = Path(make())
    except Exception:  # noqa: BLE001 - Pillow names no closed set of what it raises
        return None
    _copies.setdefault(path, {})[kind] = copy
    _created.add(str(copy))
    if len(_copies) > MOST_COPIED:
        drop(list(_copies)[:-MOST_COPIED])
    return copy


def _fitting(path: Path) -> str:
    if path.stat().st_size <= LIGHT:
        return str(save_file_to_cache(path, _folder()))
    with Image.open(path) as picture:
        if picture.has_transparency_data and max(picture.size) <= SCREEN:
            return str(save_file_to_cache(path, _folder()))
        content = _encoded(picture, SCREEN)
    return str(save_bytes_to_cache(content, f"{path.stem}-{SCREEN}.jpg", _folder()))


def _small(path: Path) -> str:
    with Image.open(path) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        return str(
            save_bytes_to_cache(_encoded(picture, CARD), f"{path.stem}-small.jpg", _folder())
        )


@lru_cache(maxsize=100)
def _sent(file: _File) -> tuple[str, bytes, int, int] | None:
    """Its name, some 200 kB of it, and its size."""
    try:
        image = prepare(file.path)
    except InvalidEdit:
        return None
    with Image.open(BytesIO(image.content)) as picture:
        return f"{Path(image.name).stem}-sent.jpg", _encoded(picture, SCREEN), *image.changes.size


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _encoded(picture: Image.Image, edge: int) -> bytes:
    """An upright JPEG, at most `edge` long; what is transparent becomes white."""
    picture.draft("RGB", (edge, edge))
    picture.thumbnail((edge, edge), Image.Resampling.HAMMING)
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        picture = Image.new("RGB", picture.size, "white")
        picture.paste(with_alpha, mask=with_alpha)
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
