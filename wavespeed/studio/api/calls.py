"""A call from its start to its result: the same runs as the page's, under one visitor's id for all
callers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from wavespeed import Edit, WaveSpeedError
from wavespeed.errors import InvalidEdit
from wavespeed.studio.runs.run import SCRIPTS, Run, output_details
from wavespeed.studio.services import Services
from wavespeed.studio.text import errors, labels, status

from .inputs import CallInputs

KEY_HEADER = "x-wavespeed-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a caller asks for, as it was sent."""

    images: object
    prompt: str
    sync_mode: bool = False
    base64_output: bool = False
    request: gr.Request | None = None


class Calls:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._inputs = CallInputs(services.uploads)

    async def start(self, call: Call) -> Run:
        """Starts the run. Raises `gr.Error` with what a person would read."""
        try:
            files = await self._inputs.resolve(call.images)
            try:
                edit = Edit(
                    call.prompt,
                    tuple(files),
                    sync_mode=call.sync_mode,
                    base64_output=call.base64_output,
                    model=self._services.account.model,
                )
                key = call.request.headers.get(KEY_HEADER, "") if call.request else ""
                client = self._services.client_of(key)
            except InvalidEdit:
                await self._inputs.discard(call.images, files)
                raise
        except InvalidEdit as error:
            message = f"{error} {labels.NOTHING_SPENT} {labels.CHANGE_IT}"
            raise gr.Error(message, title=str(error), print_exception=False) from error
        price = self._services.account.price_usd
        if client is not None:
            with suppress(WaveSpeedError):  # What is wrong with the key, the run itself will say.
                price = await self._services.account.price(client)
        return self._services.runner.start(edit, SCRIPTS, client, price)

    async def result(self, run: Run) -> tuple[list[gr.FileData], dict[str, Any]]:
        """The files and the details, once they are there. Raises `gr.Error` with what a person
        would read."""
        run = await self._services.runner.wait_until_finished(run.id)
        if run.state != "done":
            error = errors.error_message(run)
            # That is said to who sees the page.
            advice = error.advice.removesuffix(errors.INPUTS_KEPT)
            message = f"{error.what} {error.money} {advice}".strip()
            raise gr.Error(message, title=error.what, print_exception=False)
        paths = [output.path for output in run.results]
        copies = await self._services.uploads.cached_copies(paths, run.visitor_id)
        names = [output.name for output in run.results]
        # As JSON: Gradio adds the address that a file is served at to a dictionary alone.
        files = [
            gr.FileData(path=path, orig_name=name).model_dump()
            for path, name in zip(copies, names, strict=True)
        ]
        return cast(list[gr.FileData], files), output_details(run)

    def run_event(self, run: Run) -> dict[str, Any]:
        """An event of a stream: JSON."""
        sentence = status.run_status(run, self._services.runner.median_duration)
        return {
            "run": run.id,
            "state": run.state,
            "step": run.step,
            "seconds": round(run.elapsed, 3),
            "message": sentence.removesuffix(labels.MAY_CLOSE).strip(),
            "prediction_id": run.prediction.id if run.prediction else None,
        }
