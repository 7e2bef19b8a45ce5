"""The endpoints for scripts: /edit and /edit_stream."""

# No `from __future__ import annotations` here: Gradio describes endpoints by their types, and does
# not resolve those that are strings.

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import gradio as gr

from wavespeed.studio.runs.runner import Runner

from .calls import Call, Calls

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def not_a_tool(endpoint: Endpoint) -> Endpoint:
    """Gradio makes an MCP tool of every endpoint, whose files a model can't send or see in a list:
    these are for scripts."""
    endpoint.__dict__["_mcp_type"] = "endpoint"
    return endpoint


class EditApi:
    """Their docstrings are what the page's API says of them."""

    def __init__(self, calls: Calls, runner: Runner) -> None:
        self._calls = calls
        self._runner = runner

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
        run = await self._calls.start(
            Call(
                images=images,
                prompt=prompt,
                sync_mode=sync_mode,
                base64_output=base64_output,
                request=request,
            )
        )
        return await self._calls.result(run)

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
        run = await self._calls.start(
            Call(
                images=images,
                prompt=prompt,
                sync_mode=sync_mode,
                base64_output=base64_output,
                request=request,
            )
        )
        async with aclosing(self._runner.runs.watch(run.id)) as runs:
            async for run in runs:
                if not run.is_finished:
                    yield self._calls.run_event(run)
        files, details = await self._calls.result(run)
        yield self._calls.run_event(run) | {"files": files, "details": details}
