"""The page's own scripts: native modules, served as they are on the disk.

Their address holds a digest of them all, and `import` of another stays below it: a browser keeps
them for good, and never runs modules of two versions together. It is relative to the page, so that
it holds under whatever path that is served.
"""

from __future__ import annotations

import hashlib
import json

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from wavespeed.studio.templating import STATIC
from wavespeed.studio.text import labels

FOLDER = "studio/scripts"
EARLY = "stream.js"
"""Has to run before Gradio's own script, so it is part of the page and no module."""
MODULES = {
    file.name: file.read_bytes()
    for file in sorted((STATIC / "js").glob("*.js"))
    if file.name != EARLY
}
VERSION = hashlib.sha256(b"\0".join(MODULES.values())).hexdigest()[:16]


def address(name: str) -> str:
    """Of a module, relative to the page."""
    return f"{FOLDER}/{VERSION}/{name}.js"


def head() -> str:
    """What makes the browser fetch the modules along with Gradio's own, all at once."""
    links = [f'<link rel="modulepreload" href="{FOLDER}/{VERSION}/{name}">' for name in MODULES]
    return "".join(links)


def call(name: str, function: str, *values: object) -> str:
    """A function for the `js` of an event or of the page: calls one that a module exports, with
    these values before those that Gradio hands over."""
    fixed = "".join(f"{json.dumps(value)}, " for value in values)
    return f"async (...values) => (await {_imported(name)}).{function}({fixed}...values)"


def listen(name: str, function: str) -> str:
    """For the `js_on_load` of a `gr.HTML`: calls such a function with its element, and with
    `trigger`, which sends its events."""
    return f"{_imported(name)}.then((module) => module.{function}(element, trigger));"


def route() -> Route:
    """For the server, before Gradio's own."""
    return Route(f"/{FOLDER}/{{version}}/{{name}}", _send, methods=["GET"])


def _imported(name: str) -> str:
    return f"import(new URL({json.dumps(address(name))}, document.baseURI))"


async def _send(request: Request) -> Response:
    module = MODULES.get(request.path_params["name"])
    if module is None:
        return PlainTextResponse(labels.NOT_HERE, 404)
    # A page that is older than this process gets what there is.
    is_current = request.path_params["version"] == VERSION
    keep = "public, max-age=31536000, immutable" if is_current else "no-store"
    # Some systems' lists of types call a script plain text, which no browser runs as a module.
    headers = {"Cache-Control": keep, "X-Content-Type-Options": "nosniff"}
    return Response(module, media_type="text/javascript", headers=headers)
