"""The page's API for scripts: the same runs, under one visitor's id for all callers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal

from wavespeed import Edit, InvalidEdit

from . import problems, words
from .account import Account
from .run import Run, details
from .runner import Runner
from .views import copies
from .visitors import ClientOf

SCRIPTS = "scripts"  # The visitor that all callers of the API are.
KEY_HEADER = "x-wavespeed-key"


class Scripts:
    """The endpoints."""

    def __init__(self, runner: Runner, account: Account, client_of: ClientOf) -> None:
        self._runner = runner
        self._account = account
        self._client_of = client_of

    async def edit(
        self,
        images: list[gr.FileData],
        prompt: str,
        sync_mode: bool = False,
        base64_output: bool = False,
        request: gr.Request | None = None,
    ) -> tuple[list[gr.FileData], dict[str, Any]]:
        """Edits a picture as the prompt says, with the model openai/gpt-image-1-mini/edit.

        Parameters:
            images: 1 to 4 picture files; the first is edited, the others are references.
            prompt: what should change, at most 32,000 characters.
            sync_mode: one request that stays open until the result is there.
            base64_output: the result comes inside the service's answer.
            request: a WaveSpeed key of one's own goes into its header X-WaveSpeed-Key.
        Returns:
            The edited picture files, and details: id, model, status, created_at, error,
            outputs (nsfw, width, height, size_bytes of each), timings_ms, cost_usd.
        """
        try:
            files = tuple(Path(uploaded(image)) for image in listed(images))
            wanted = Edit(prompt, files, sync_mode=sync_mode, base64_output=base64_output)
            client = self._client_of(request.headers.get(KEY_HEADER, "") if request else "")
        except InvalidEdit as error:
            message = f"{error} {words.NOTHING_SPENT} {words.CHANGE_IT}"
            raise gr.Error(message, title=str(error), print_exception=False) from error
        run = self._runner.start(wanted, SCRIPTS, client, self._account.price_usd)
        return await to_the_end(self._runner, run)


async def to_the_end(runner: Runner, run: Run) -> tuple[list[gr.FileData], dict[str, Any]]:
    """For scripts: the files and the details. Raises `gr.Error` with what a person would read."""
    run = await runner.finished(run.id)
    if run.state != "done":
        problem = problems.problem(run)
        message = f"{problem.what} {problem.money} {problem.advice}"
        raise gr.Error(message, title=problem.what, print_exception=False)
    files = await copies([result.path for result in run.results])
    names = [result.path.name for result in run.results]
    return [
        gr.FileData(path=path, orig_name=name) for path, name in zip(files, names, strict=True)
    ], details(run)


def listed(images: object) -> list[Any]:
    """What a script sent as its pictures, which can be anything."""
    if isinstance(images, list):
        return images
    raise InvalidEdit("The pictures have to be a list of files.")


def uploaded(image: gr.FileData | dict[str, Any]) -> str:
    """The path of a file that the caller uploaded. `gr.api` hands over what it was sent, unchecked,
    and a caller must not name other files of this machine."""
    path = image.get("path") if isinstance(image, dict) else getattr(image, "path", None)
    if not isinstance(path, str) or not is_in_or_equal(path, get_upload_folder()):
        raise InvalidEdit("A picture has to be uploaded first, with handle_file.")
    return path
