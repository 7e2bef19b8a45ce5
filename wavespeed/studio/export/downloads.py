"""Archives and contact sheets of a visitor's runs, written while they are sent: no copy of them
ever lies on the disk.

A link is an address that nobody can guess, of the files of one visitor, for an hour: all that it
takes, so that a download manager or another device gets along with it, also where the page has a
login. What it leads to is made of the runs as they are when it is followed, so that what was
deleted meanwhile is gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.text import labels

FOLDER = "studio/downloads"
LINK_LIFETIME = 3600.0
MAX_LINKS = 2000
"""Past that the oldest ends early; it is a press away."""

Make = Callable[[Sequence[Run]], Iterator[bytes]]
"""Makes the file of these runs, part by part. Blocking."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file can be had, relative to the page so that it holds under whatever path that is
    served, and its name."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class _Offer:
    visitor_id: str
    run_ids: tuple[str, ...]
    make: Make
    ends_at: float


class Downloads:
    """The links of all visitors."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._offers: dict[str, _Offer] = {}

    def offer(self, runs: Sequence[Run], visitor_id: str, name: str, make: Make) -> Link:
        """A link to what is made of a visitor's runs."""
        token = secrets.token_urlsafe(32)
        run_ids = tuple(run.id for run in runs)
        self._offers[token] = _Offer(visitor_id, run_ids, make, time.monotonic() + LINK_LIFETIME)
        while len(self._offers) > MAX_LINKS:
            del self._offers[next(iter(self._offers))]
        return Link(f"{FOLDER}/{token}/{quote(name)}", name)

    def route(self) -> Route:
        """For the server, before Gradio's own."""
        return Route(f"/{FOLDER}/{{token}}/{{name}}", self._send, methods=["GET"])

    async def _send(self, request: Request) -> Response:
        offer = self._offers.get(request.path_params["token"])
        if offer is None or offer.ends_at < time.monotonic():
            return PlainTextResponse(labels.LINK_ENDED, 404)
        found = [await self._runner.runs.get(run_id, offer.visitor_id) for run_id in offer.run_ids]
        name = quote(request.path_params["name"])
        return StreamingResponse(
            offer.make([run for run in found if run]),
            # Nothing that a browser would show in the place of the page.
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )
