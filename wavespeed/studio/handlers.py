"""What the buttons of an edit do: from what a person pressed to what the page shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gradio as gr

from wavespeed import Edit, InvalidEdit

from . import words
from .runner import Runner
from .views import Files, Shown, fields_of, follow, refuse, show
from .visitors import ClientOf, known


def asked(files: Files, prompt: str, sync_mode: bool, base64_output: bool) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    images = tuple(Path(path) for path, _ in files or [])
    return Edit(prompt, images, sync_mode=sync_mode, base64_output=base64_output)


class Handlers:
    """What each of these events does; the runs are the runner's."""

    def __init__(self, runner: Runner, client_of: ClientOf) -> None:
        self._runner = runner
        self._client_of = client_of
        self._watched: dict[str | None, str] = {}  # The run that each open page looks at.

    async def look(self, run_id: str, request: gr.Request, note: str = "") -> AsyncGenerator[Shown]:
        """Watches a run on behalf of an open page, which looks at one at a time."""
        self._watched[request.session_hash] = run_id
        try:
            async with aclosing(follow(self._runner, run_id, note)) as views:
                async for view in views:
                    yield view
        finally:
            self._watched.pop(request.session_hash, None)

    async def start(
        self,
        files: Files,
        text: str,
        sync: bool,
        base64: bool,
        key: str | None,
        price: float,
        who: str | None,
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """Edit was pressed."""
        try:
            wanted = asked(files, text, sync, base64)
            client = self._client_of(key)
        except InvalidEdit as error:
            yield refuse(error)
            return
        # Gradio lets the second click of a double click through (it notes the first one only
        # after gathering the inputs): that one looks at the run of the first.
        current = self._watched.get(request.session_hash)
        if current is None:
            current = self._runner.start(wanted, known(who), client, price).id
        async with aclosing(self.look(current, request)) as views:
            async for view in views:
                yield view

    async def halt(self, current: str | None) -> Shown:
        """Ends the run if that saves money, and the watching in any case."""
        run = await self._runner.stop(current or "")
        return await show(run, watching=False)

    async def act(
        self,
        current: str | None,
        key: str | None,
        price: float,
        who: str | None,
        before: frozenset[int],
        event: gr.EventData,
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """A button among the results: show or cover a flagged one, ask again, send again."""
        run = await self._runner.get(current or "", who := known(who))
        if run is None:
            return
        if event.do == "turn":
            yield await show(run, before ^ {int(event.index)})
            return
        try:
            client = self._client_of(key)
            if run.own_key and client is None:  # Else the server's key would pay for it.
                raise InvalidEdit(words.KEY_AGAIN, field="key")
        except InvalidEdit as error:
            yield refuse(error)
            return
        if event.do == "again" and not await self._runner.again(run.id, who, client):
            return
        if event.do == "resend" and run.state == "unknown" and run.edit is not None:
            run = self._runner.start(run.edit, who, client, price)
        async with aclosing(self.look(run.id, request)) as views:
            async for view in views:
                yield view

    async def arrive(self, who: str | None, request: gr.Request) -> AsyncGenerator[tuple[Any, ...]]:
        """A page is opened or reloaded: its visitor's last run is where it was."""
        who = known(who)
        last = next(iter(await self._runner.history(who, most=1)), None)
        pictures, text = await fields_of(last)
        yield who, pictures, text, *await show(last)
        if last is not None and not last.is_over:
            note = words.picked_up(last)
            async with aclosing(self.look(last.id, request, note)) as views:
                async for view in views:
                    yield *(gr.skip() for _ in range(3)), *view
