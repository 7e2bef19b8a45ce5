"""What someone would do instead, and what Gradio itself costs: apps in processes of their own.

python -m tests.benchmarks.others handler    # Gradio's defaults around the maker's SDK
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import gradio as gr
import httpx

from tests.support.apps import ROOT, App, free_port

SDK = ROOT / ".venv" / "sdk"
SECONDS = 3.15
MODEL = "openai/gpt-image-1-mini/edit"


def handler(*, limit: int | None = 1) -> gr.Blocks:
    """The maker's SDK in a handler, as its README and Gradio's guides put it together."""
    # Under its own name, which is ours too: see PYTHONPATH below.
    client = import_module("wavespeed").Client(
        api_key=os.environ["WAVESPEED_API_KEY"], base_url=os.environ["WAVESPEED_BASE_URL"]
    )

    def edit(files: list[tuple[str, str | None]], prompt: str) -> Any:
        images = [client.upload(path) for path, _ in files]
        return client.run(MODEL, {"prompt": prompt, "images": images})["outputs"]

    with gr.Blocks() as page:
        images = gr.Gallery(elem_id="inputs", type="filepath", interactive=True)
        prompt = gr.Textbox(elem_id="prompt")
        button = gr.Button("Edit", elem_id="edit")
        button.click(edit, [images, prompt], gr.Gallery(), concurrency_limit=limit)
    return page


def floor() -> gr.Blocks:
    """Calls that only sleep."""

    async def sleep(_: object, prompt: str) -> str:
        await asyncio.sleep(SECONDS)
        return prompt

    with gr.Blocks() as page:
        images = gr.Gallery(elem_id="inputs", type="filepath", interactive=True)
        prompt = gr.Textbox(elem_id="prompt")
        button = gr.Button("Edit", elem_id="edit")
        button.click(sleep, [images, prompt], gr.Textbox(), concurrency_limit=None)
    return page


def bare() -> gr.Blocks:
    """A page of Gradio's that does next to nothing."""
    with gr.Blocks() as page:
        prompt = gr.Textbox(elem_id="prompt")
        gr.Button("Edit", elem_id="edit").click(lambda text: text, prompt, gr.Textbox())
    return page


@contextmanager
def running(name: str, folder: Path, **environment: str) -> Iterator[App]:
    """One of them, once it answers."""
    port = free_port()
    paths = [SDK, ROOT] if name.startswith("handler") else [ROOT]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "NO_PROXY": "127.0.0.1,localhost",
        **environment,
    }
    command = [sys.executable, "-P", __file__, name]
    with Popen(command, env=variables, stdout=DEVNULL, stderr=None) as process:
        app = App(f"http://127.0.0.1:{port}", folder / "log", process)
        try:
            while not answers(app):
                time.sleep(0.01)
            yield app
        finally:
            process.terminate()


def answers(app: App) -> bool:
    """Whether its page can be had."""
    assert app.process.poll() is None, "it did not start"
    try:
        return httpx.get(app.url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    match sys.argv[1]:
        case "handler":
            handler().launch()
        case "handler, no limit":
            handler(limit=None).launch()
        case "floor":
            floor().launch(max_threads=2000)
        case _:
            bare().launch()
