"""The pictures of a call, checked: what a caller may name, and how."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wavespeed import MAX_IMAGES
from wavespeed.errors import InvalidEdit
from wavespeed.images import MAX_FILE_BYTES
from wavespeed.studio.media import previews
from wavespeed.studio.runs.run import SCRIPTS
from wavespeed.studio.runs.store import StoreError
from wavespeed.studio.security.uploads import Uploads

FILE_ROUTE = "/gradio_api/file="
MAX_URI = MAX_FILE_BYTES * 4 // 3 + 100
"""Characters of a data: URI."""
DATA = "data:"
MAX_ADDRESS = 8000
"""Characters of a picture's address, which is kept with its run."""


class CallInputs:
    """Resolves the pictures that a caller sends."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def resolve(self, images: object) -> list[Path | str]:
        """Files, and addresses that the service itself will fetch. Raises `InvalidEdit`, and then
        leaves nothing behind."""
        if not isinstance(images, list):
            raise InvalidEdit("The pictures have to be a list of files.")
        if len(images) > MAX_IMAGES:  # Before the first of them is looked at.
            raise InvalidEdit(
                f"{len(images)} pictures are too many; one to {MAX_IMAGES} can be sent."
            )
        resolved: list[Path | str] = []
        try:
            for image in images:
                resolved.append(await self._resolve(image))
        except InvalidEdit:
            await self.discard(images, resolved)
            raise
        return resolved

    async def discard(self, images: object, resolved: Sequence[Path | str]) -> None:
        """Deletes the files that were made of the data: URIs of a call that is refused."""
        if isinstance(images, list):
            await asyncio.to_thread(_delete_decoded, images, resolved)

    async def _resolve(self, image: object) -> Path | str:
        """A picture as a caller can name it: a file that was uploaded here, a result of an earlier
        call, a data: URI, or an https address. Endpoints get what was sent, unchecked."""
        path = _path_of(image)
        if isinstance(path, str) and path.startswith(DATA):
            return await self._decode_uri(path)
        [file] = await self._uploads.allowed_paths([_path_of_address(path)], SCRIPTS)
        if file is not None:
            return file
        if str(path).startswith("https://"):  # Of another page of Gradio's, for example.
            if len(str(path)) > MAX_ADDRESS:
                raise InvalidEdit("A picture's address is too long.")
            return str(path)
        raise InvalidEdit(
            "A picture has to be a file uploaded here, an https address or a data: URI."
        )

    async def _decode_uri(self, uri: str) -> Path:
        """A file of what the URI holds, which counts as an upload."""
        if await self._uploads.is_full():
            raise InvalidEdit("The server has no room for more pictures now.")
        file = await asyncio.to_thread(_decoded, uri)
        try:
            await self._uploads.record([str(file)])
        except StoreError as error:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise InvalidEdit("The server has no room for the picture.") from error
        return file


def _path_of(image: object) -> object:
    return image.get("path") if isinstance(image, dict) else getattr(image, "path", image)


def _path_of_address(path: object) -> object:
    """The path of a file that is named by its address here."""
    _, _, file = str(path).partition(FILE_ROUTE)
    with suppress(ValueError):  # Of what is no address at all.
        return unquote(urlsplit(file).path) if file else path
    return None


def _delete_decoded(images: Sequence[object], resolved: Sequence[Path | str]) -> None:
    for image, file in zip(
        images, resolved, strict=False
    ):  # Those after the refused one never came.
        if str(_path_of(image)).startswith(DATA) and isinstance(file, Path):
            file.unlink(missing_ok=True)


def _decoded(uri: str) -> Path:
    if len(uri) > MAX_URI:
        raise InvalidEdit("A data: URI may hold 50 MB.")
    kind, _, content = uri.partition(",")
    file = previews.new_cached_path("picture")
    try:
        content = "".join(unquote(content).split()) if kind.endswith(";base64") else "-"
        file.write_bytes(b64decode(content, validate=True))
    except ValueError as error:
        raise InvalidEdit("A data: URI has to hold a picture in base64.") from error
    except OSError as error:
        file.unlink(missing_ok=True)  # Half of it may lie there.
        raise InvalidEdit("The server has no room for the picture.") from error
    return file
