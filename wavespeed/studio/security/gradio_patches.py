"""What is changed in Gradio itself, since it has no setting for it; each with its reason."""

from __future__ import annotations

from pathlib import Path
from tempfile import _TemporaryFileWrapper

import gradio as gr
from gradio.components.api_component import Api
from gradio.route_utils import GradioMultiPartParser
from gradio.state_holder import SessionState
from starlette.datastructures import FormData, UploadFile


def apply_patches() -> None:
    """Changes Gradio's classes, once, before the page is built."""
    _leave_paths_alone()
    _leave_no_remains()
    _remember_no_values()


async def _unchanged_path(self: object, path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _leave_paths_alone() -> None:
    """Lets galleries and endpoints get paths as they were sent. Else Gradio downloads what is an
    address, of any size, before anyone has looked at it.

    It is the classes that are changed: sessions make components of their own. A class of ours
    would not do, since Gradio writes a stub file beside the source of each.
    """
    for kind in (gr.Gallery, Api):
        kind.async_move_resource_to_block_cache = _unchanged_path  # type: ignore[method-assign, assignment]


def _leave_no_remains() -> None:
    """Deletes what Gradio has of an upload whose sender hangs up or is sent away, and files of a
    field that it does not read: else they lie in its cache, counted by nothing, until a restart."""
    parse = GradioMultiPartParser.parse

    async def parse_or_delete(self: GradioMultiPartParser) -> FormData:
        taken: set[str] = set()
        try:
            form = await parse(self)
            files = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
            taken = {str(one.file.name) for one in files}
            return form
        finally:
            for file in self._files_to_close_on_error:
                if file.name not in taken:
                    _delete(file)

    GradioMultiPartParser.parse = parse_or_delete  # type: ignore[method-assign]


def _delete(file: _TemporaryFileWrapper[bytes]) -> None:
    file.close()
    Path(file.name).unlink(missing_ok=True)


def _remember_no_values() -> None:
    """Keeps Gradio from remembering the last value of each field of each session for an hour: keys,
    and of a thousand scripts the 50 MB of pictures that each has sent. It needs them for its deep
    links alone, which are closed here (see middleware.py)."""
    SessionState._update_value_in_config = _forget  # type: ignore[method-assign]


def _forget(self: SessionState, key: int, value: object) -> None: ...
