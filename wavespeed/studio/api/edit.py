"""The page's API for scripts and models: the same runs, under one visitor's id for all callers."""

# No `from __future__ import annotations` here: Gradio describes endpoints by their types, and does
# not resolve those that are strings.

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio.utils import get_function_description

from wavespeed import MAX_IMAGES, Edit, WaveSpeedError
from wavespeed.errors import InvalidEdit
from wavespeed.images import MAX_FILE_BYTES
from wavespeed.studio.media import previews
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.run import SCRIPTS, Run, output_details
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import StoreError
from wavespeed.studio.security.uploads import Uploads
from wavespeed.studio.sessions import ClientFactory
from wavespeed.studio.text import errors, labels

KEY_HEADER = "x-wavespeed-key"
FILE_ROUTE = "/gradio_api/file="
MAX_URI = MAX_FILE_BYTES * 4 // 3 + 100
"""Characters of a data: URI."""
DATA = "data:"
MAX_ADDRESS = 8000
"""Characters of a picture's address, which is kept with its run."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def not_a_tool(endpoint: Endpoint) -> Endpoint:
    """Gradio makes an MCP tool of every endpoint, whose files a model can't send or see in a list:
    these are for scripts."""
    endpoint.__dict__["_mcp_type"] = "endpoint"
    return endpoint


class EditApi:
    """The endpoints."""

    def __init__(
        self, runner: Runner, account: Account, client_of: ClientFactory, uploads: Uploads
    ) -> None:
        self._uploads = uploads
        self._runner = runner
        self._account = account
        self._client_of = client_of

    @not_a_tool
    async def edit(
        self,
        images: list[gr.FileData],
        prompt: str,
        sync_mode: bool = False,
        base64_output: bool = False,
        request: gr.Request | None = None,
    ) -> tuple[list[gr.FileData], dict[str, Any]]:
        """Edits a picture as the prompt says.

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
        run = await self._begin(images, prompt, sync_mode, base64_output, request)
        return await await_result(self._runner, self._uploads, run)

    @not_a_tool
    async def edit_stream(
        self,
        images: list[gr.FileData],
        prompt: str,
        sync_mode: bool = False,
        base64_output: bool = False,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[dict[str, Any]]:
        """The same edit as a stream of what happens. It goes on if its caller hangs up.

        Parameters:
            images: 1 to 4 picture files; the first is edited, the others are references.
            prompt: what should change, at most 32,000 characters.
            sync_mode: one request that stays open until the result is there.
            base64_output: the result comes inside the service's answer.
            request: a WaveSpeed key of one's own goes into its header X-WaveSpeed-Key.
        Yields:
            run, state (running, done), step (prepare, upload, queue, process, save), seconds since
            the start, message, prediction_id; and with the last one what /edit returns: files,
            details.
        """
        run = await self._begin(images, prompt, sync_mode, base64_output, request)
        async with aclosing(self._runner.watch(run.id)) as runs:
            async for run in runs:
                if not run.is_finished:
                    yield run_event(run, self._runner.median_duration)
        files, about = await await_result(self._runner, self._uploads, run)
        yield run_event(run) | {"files": files, "details": about}

    async def edit_picture(
        self, images: list[str], prompt: str, request: gr.Request | None = None
    ) -> tuple[gr.FileData, str]:
        """Edits a picture as the prompt says. Takes about 10 to 60 seconds, and costs money once it
        is accepted. An error says whether it did; never repeat a call whose error says that this is
        not known. The first picture is edited, the others are references, which the prompt can name
        "image 2", "image 3" and "image 4".

        Parameters:
            images: 1 to 4 pictures: https addresses, or data: URIs in base64.
            prompt: What should change, and what has to stay, in plain words.
            request: Its header X-WaveSpeed-Key can hold a WaveSpeed key of one's own.
        Returns:
            The edited picture, and JSON with its NSFW flag, size, times in milliseconds and cost.
        """
        run = await self._begin(images, prompt, False, False, request)
        files, about = await await_result(self._runner, self._uploads, run)
        return files[0], json.dumps(about)

    def description(self, endpoint: Callable[..., Any]) -> str:
        """What its docstring says of an endpoint, and which model it asks at what price, which only
        the settings and the service know."""
        about, _, returns = get_function_description(endpoint)
        price = self._account.price_usd
        costs = "cost_usd says what it took" if price is None else f"some {price:g} USD an edit"
        said = f"{about} The model is {self._account.model}, {costs}."
        return f"{said} Returns: {', '.join(returns)}" if returns else said

    async def _begin(
        self, images: object, prompt: str, sync: bool, base64: bool, request: gr.Request | None
    ) -> Run:
        """Starts the run. Raises `gr.Error` with what a person would read."""
        files: list[Path | str] = []
        try:
            if not isinstance(images, list):
                raise InvalidEdit("The pictures have to be a list of files.")
            if len(images) > MAX_IMAGES:  # Before the first of them is looked at.
                raise InvalidEdit(
                    f"{len(images)} pictures are too many; one to {MAX_IMAGES} can be sent."
                )
            for image in images:
                files.append(await self._received(image))
            model = self._account.model
            wanted = Edit(prompt, tuple(files), sync_mode=sync, base64_output=base64, model=model)
            client = self._client_of(request.headers.get(KEY_HEADER, "") if request else "")
        except InvalidEdit as error:
            if isinstance(images, list):
                await asyncio.to_thread(_delete_decoded, images, files)
            message = f"{error} {labels.NOTHING_SPENT} {labels.CHANGE_IT}"
            raise gr.Error(message, title=str(error), print_exception=False) from error
        price = self._account.price_usd
        if client is not None:
            with suppress(WaveSpeedError):  # What is wrong with the key, the run itself will say.
                price = await self._account.price(client)
        return self._runner.start(wanted, SCRIPTS, client, price)

    async def _received(self, image: object) -> Path | str:
        """A picture as a caller can name it: a file that was uploaded here, a result of an earlier
        call, a data: URI, or an https address, which the service itself will fetch. Endpoints get
        what was sent, unchecked. Raises `InvalidEdit`."""
        path = _path_of(image)
        if isinstance(path, str) and path.startswith(DATA):
            return await self._decoded(path)
        [file] = await self._uploads.allowed_paths([_named(path)], SCRIPTS)
        if file is not None:
            return file
        if str(path).startswith("https://"):  # Of another page of Gradio's, for example.
            if len(str(path)) > MAX_ADDRESS:
                raise InvalidEdit("A picture's address is too long.")
            return str(path)
        raise InvalidEdit(
            "A picture has to be a file uploaded here, an https address or a data: URI."
        )

    async def _decoded(self, uri: str) -> Path:
        """A file of what the URI holds, which counts as an upload. Raises `InvalidEdit`."""
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


def _delete_decoded(images: Sequence[object], files: Sequence[Path | str]) -> None:
    """Of a call that is refused. Blocking."""
    for image, file in zip(images, files, strict=False):  # Those after the refused one never came.
        if str(_path_of(image)).startswith(DATA) and isinstance(file, Path):
            file.unlink(missing_ok=True)


def _named(path: object) -> object:
    """The path of a file that is named by its address here."""
    _, _, file = str(path).partition(FILE_ROUTE)
    with suppress(ValueError):  # Of what is no address at all.
        return unquote(urlsplit(file).path) if file else path
    return None


async def await_result(
    runner: Runner, uploads: Uploads, run: Run
) -> tuple[list[gr.FileData], dict[str, Any]]:
    """For scripts: the files and the details. Raises `gr.Error` with what a person would read."""
    run = await runner.wait_until_finished(run.id)
    if run.state != "done":
        problem = errors.error_message(run)
        advice = problem.advice.removesuffix(errors.KEPT)  # That is said to who sees the page.
        message = f"{problem.what} {problem.money} {advice}".strip()
        raise gr.Error(message, title=problem.what, print_exception=False)
    files = await uploads.cached_copies([result.path for result in run.results], run.visitor_id)
    named = zip(files, (result.name for result in run.results), strict=True)
    # As JSON: Gradio adds the address that a file is served at to a dictionary alone.
    files_ = [gr.FileData(path=path, orig_name=name).model_dump() for path, name in named]
    return cast(list[gr.FileData], files_), output_details(run)


def run_event(run: Run, usual: float | None = None) -> dict[str, Any]:
    """An event of a stream: JSON."""
    return {
        "run": run.id,
        "state": run.state,
        "step": run.step,
        "seconds": round(run.elapsed, 3),
        "message": labels.status(run, usual).removesuffix(labels.MAY_CLOSE).strip(),
        "prediction_id": run.prediction.id if run.prediction else None,
    }


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
