"""The tool for models, which Gradio's MCP server offers."""

# No `from __future__ import annotations` here: Gradio describes endpoints by their types, and does
# not resolve those that are strings.

import json

import gradio as gr

from .calls import Call, Calls


class EditTool:
    """Its docstring is what a model is told of it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

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
        call = Call(images=images, prompt=prompt, request=request)
        files, details = await self._calls.result(await self._calls.start(call))
        return files[0], json.dumps(details)
