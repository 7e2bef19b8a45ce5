"""What is shown of pictures: thumbnails, sizes that fit the screen, and the picture as it was sent.

Everything here blocks, for a turn at the decoder too: call it by `decoder.in_thread`. What was
worked out once is kept, by what the file system knows of a file: so the picture of a run, a second
name of what was dropped, is not worked out anew. The copies lie in a folder of Gradio's cache,
since it serves nothing else; they go with their run, with Gradio's own cleaning of its cache, and
at the latest when the server starts again.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from wavespeed.errors import InvalidEdit
from wavespeed.images import naming
from wavespeed.studio.decoding import decoder, thumbnails
from wavespeed.studio.decoding.thumbnails import SCREEN
from wavespeed.studio.runs.files import sha256
from wavespeed.studio.runs.metadata import EditMetadata, read
from wavespeed.studio.runs.run import public_name

CARD = 448
"""The same of a card in the history, at twice its width for sharp screens."""
LIGHT = 300_000
"""Bytes; a smaller file is shown as it is."""
MAX_COPIED = 10_000
"""Pictures; past that the copies of the oldest go, and are made again where they are asked for."""


@dataclass(frozen=True, slots=True)
class InputPreview:
    """A picture that someone dropped: what it looks like, what will be sent of it, or why not."""

    thumbnail: str = ""
    """A data URI; empty where there is nothing to see."""
    cover: str = ""
    """The same with nothing of it but its colours."""
    note: str = ""
    error: str = ""
    metadata: EditMetadata | None = None


@dataclass(frozen=True, slots=True)
class SentImage:
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


def inspect(path: Path) -> InputPreview:
    """All that is told of a picture before it is sent; raises nothing."""
    try:
        return _inspect(_File.at(path))
    except InvalidEdit as error:  # Not for ever: see `_inspect`.
        return InputPreview(error=str(error))


def sent_image(path: Path) -> SentImage | None:
    """The picture upright, as it was sent; None where the file is gone."""
    try:
        name, content, width, height = _sent(_File.at(path))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, there is nothing to show
        return None
    file = _kept(path, "sent", lambda: save_bytes_to_cache(content, name, _folder()))
    return SentImage(file, width, height) if file else None


def metadata_of(path: Path) -> EditMetadata | None:
    """What a result says of itself; None of any other picture."""
    return _recipe(_File.at(path))


def digest(path: Path) -> str:
    """The SHA-256 of the file; empty where it can't be read."""
    return _digest(_File.at(path))


@lru_cache(maxsize=1000)
def _digest(file: _File) -> str:
    return sha256(file.path)


@lru_cache(maxsize=1000)
def _recipe(file: _File) -> EditMetadata | None:
    return read(file.path)


@lru_cache(maxsize=1000)
def _inspect(file: _File) -> InputPreview:
    """Raises `InvalidEdit` where nothing is known yet, so that it is not kept."""
    path = file.path
    try:
        seen = decoder.shared.run(thumbnails.inspect, path)
    except InvalidEdit as error:
        return InputPreview(error=str(error))
    except (decoder.QueueTimeout, decoder.Closed):
        with naming(path.name):
            raise
    except Exception as error:  # noqa: BLE001 - Pillow names no closed set of what it raises
        return InputPreview(error=str(_refusal(path, error)))
    thumb, cover = _uri(seen.thumbnail), _uri(seen.cover)
    return InputPreview(thumb, cover, note=seen.note, metadata=_recipe(file))


def _refusal(path: Path, error: Exception) -> InvalidEdit:
    try:
        with naming(path.name):
            raise error
    except InvalidEdit as refusal:
        return refusal


def own_thumbnail(path: Path) -> str:
    """Of a picture that belongs to the page: decoded right here, as the page starts."""
    return _uri(thumbnails.inspect(path).thumbnail)


def screen_size(path: Path) -> Path | None:
    """A copy that Gradio serves, no larger than a screen; None where the file is gone."""
    return _kept(path, "fitting", lambda: _screen_size(path))


def thumbnail(path: Path) -> Path | None:
    """One for a card, of a picture of any format; None where the file is gone or none."""
    return _kept(path, "small", lambda: _thumbnail(path))


def original(path: Path) -> Path | None:
    """The file itself where Gradio serves it, at an address nobody can guess; None where it is
    gone."""
    return _kept(path, "original", lambda: _linked(path))


def use_data_folder(data_dir: Path) -> None:
    """From now on the copies lie in a folder of this data folder's own, since several apps may
    share a cache."""
    global _name
    _name = f"studio-{hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}"


def configure(created: set[str]) -> None:
    """Deletes the copies of an earlier process; `created` gets to know the new ones, for Gradio's
    cleaning."""
    global _created
    _created = created
    shutil.rmtree(_folder(), ignore_errors=True)


def new_cached_path(name: str) -> Path:
    """Where a new file of this name can be written and is then served, at an address of its own."""
    folder = Path(_folder()) / uuid.uuid4().hex
    folder.mkdir(parents=True)
    _created.add(str(folder / name))
    return folder / name


def delete_copies(paths: Iterable[Path]) -> None:
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
    if len(_copies) > MAX_COPIED:
        delete_copies(list(_copies)[:-MAX_COPIED])
    return copy


def _screen_size(path: Path) -> str:
    content = None
    if path.stat().st_size > LIGHT:
        content = decoder.shared.run(thumbnails.resized, path, SCREEN, True)
    if content is None:
        return _linked(path)
    return str(save_bytes_to_cache(content, f"{path.stem}-{SCREEN}.jpg", _folder()))


def _linked(path: Path) -> str:
    """A second name for the file, which takes no room; a copy where the file system has none."""
    file = new_cached_path(public_name(path))
    try:
        file.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, file)
    return str(file)


def _thumbnail(path: Path) -> str:
    content = decoder.shared.run(thumbnails.resized, path, CARD, False)
    return str(save_bytes_to_cache(content, f"{path.stem}-small.jpg", _folder()))


@lru_cache(maxsize=100)
def _sent(file: _File) -> tuple[str, bytes, int, int]:
    """Its name, some 200 kB of it, and its size."""
    name, small = decoder.shared.run(thumbnails.sent_image, file.path)
    return f"{Path(name).stem}-sent.jpg", small.jpeg, *small.size


def _uri(jpeg: bytes) -> str:
    return thumbnails.data_uri("jpeg", jpeg)
