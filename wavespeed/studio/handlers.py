"""What the buttons of an edit do: from what a person pressed to what the page shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from wavespeed import AsyncClient, Edit, InvalidEdit

from . import pieces, problems, words
from .account import Account
from .batch import MOST, is_batch
from .examples import EXAMPLES
from .fields import drafted, fields_of, linked
from .markup import PHOTOS
from .run import Run
from .runner import Runner
from .uploads import Files, Uploads
from .views import OpenPage, Shown, Streamed, Views, nothing, streamed
from .visitors import ClientOf, known

MOST_VARIANTS = 4
DOUBLE_CLICK = 1.0
"""Seconds."""
MOST_PAGES = 10_000
"""Pages of which the last start is remembered."""


def asked(files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    return Edit(prompt, tuple(files), sync_mode=sync_mode, base64_output=base64_output)


def asked_of_each(
    files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool
) -> list[Edit]:
    """An edit for each picture. Raises `InvalidEdit`."""
    if len(files) > MOST:
        raise InvalidEdit(f"{words.TOO_MANY_EACH}.", field="images")
    return [asked([file], prompt, sync_mode, base64_output) for file in files]


def counted(variants: object) -> int:
    """How many variants were chosen; a page can send anything."""
    text = str(variants)
    return int(text) if text in map(str, range(1, MOST_VARIANTS + 1)) else 1


def is_showcase(request: gr.Request) -> bool:
    """Whether the page is before an audience: `?show=1`, where covers stay on."""
    query = parse_qs(urlsplit(request.headers.get("referer", "")).query)
    return query.get("show") == ["1"]


class Handlers:
    """What each of these events does; the runs are the runner's."""

    def __init__(
        self,
        runner: Runner,
        views: Views,
        account: Account,
        client_of: ClientOf,
        uploads: Uploads,
    ) -> None:
        self._runner = runner
        self._uploads = uploads
        self._account = account
        self._views = views
        self._client_of = client_of
        # What each open page started last: its prompt, and when.
        self._started: dict[OpenPage, tuple[str, float]] = {}

    def _begin(
        self, edits: list[Edit], who: str, request: gr.Request, **how: Any
    ) -> tuple[Run, ...]:
        """Starts the edits. Gradio lets the second click of a double click through (it
        notes the first only after gathering the inputs): for that one there is nothing to do. So
        nothing is awaited here between the look and the start."""
        page = request.session_hash, who
        last = self._started.get(page)
        if last and last[0] == edits[0].prompt and time.monotonic() - last[1] < DOUBLE_CLICK:
            return ()
        runs = self._runner.start_group(edits, who, **how)
        self._started[page] = edits[0].prompt, time.monotonic()
        while len(self._started) > MOST_PAGES:
            del self._started[next(iter(self._started))]
        return runs

    @streamed
    async def start(
        self,
        files: Files,
        text: str,
        sync: bool,
        base64: bool,
        variants: str,
        each: bool,
        key: str | None,
        price: float,
        who: str | None,
        current: str | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Edit was pressed."""
        who = known(who, request)
        mine = await self._uploads.accepted(files, who)
        batch = each and len(mine) > 1
        if batch:
            edits = asked_of_each(mine, text, sync, base64)
        else:
            edits = [asked(mine, text, sync, base64)] * counted(variants)
        client = self._client_of(key)
        usd = self._price(client, price)
        runs = self._begin(edits, who, request, client=client, price_usd=usd, batch=batch)
        if not runs:
            return nothing()
        older = [run for run in await self._together(current, who) if run.results]
        return self._views.look(runs, (request.session_hash, who), revealed, older=older)

    async def halt(
        self, current: str | None, who: str | None, revealed: set[str], request: gr.Request
    ) -> Shown:
        """Ends each run where that saves money, and the watching in any case; a batch with edits
        that have not begun is paused, and what has begun is watched to its end."""
        runs = await self._together(current, who := known(who, request))
        if is_batch(runs) and (waiting := [run.id for run in runs if run.held]):
            await asyncio.gather(*map(self._runner.stop, waiting))
            return nothing()
        self._views.leave((request.session_hash, who))
        ended = [await self._runner.stop(run.id) or run for run in runs]
        goes_on = any(not run.is_over for run in ended)  # Then an earlier result stays, too.
        return await self._views.show(ended, revealed, watching=False, staged=not goes_on)

    async def ended(self, current: str | None, who: str | None, request: gr.Request) -> None:
        """Waits until what is not watched any more is over, for the history."""
        for run in await self._together(current, known(who, request)):
            if run.id in self._runner.live():
                await self._runner.finished(run.id)

    async def deleted(
        self, current: str | None, who: str | None, revealed: set[str], request: gr.Request
    ) -> Shown:
        """A run was deleted; the stage is empty where it was that one."""
        gone = current and not await self._together(current, known(who, request))
        return await self._views.show([], revealed) if gone else nothing()

    @streamed
    async def act(
        self,
        current: str | None,
        key: str | None,
        price: float,
        who: str | None,
        revealed: set[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> Streamed:
        """A button among the results; those that only fill the fields are `take`'s."""
        run = await self._runner.get(str(event.run or ""), who := known(who, request))
        if run is None:
            return nothing()
        match event.do:
            case "show" | "cover":
                # What watches this page sees it too: it is the page's own set.
                name = pieces.key(run, int(event.index))
                if event.do == "cover":
                    revealed.discard(name)
                elif not is_showcase(request) and 0 <= int(event.index) < len(run.results):
                    revealed.add(name)
                tip = await self._runner.get(str(event.tip or ""), who)
                together = await self._together(current, who)
                beside = together if run.id in (other.id for other in together) else [run]
                return _stage_alone(await self._views.stage(beside, revealed, tip))
            case "resume" | "repeat" | "pack":
                group = await self._runner.group(run.group, who)
                return await self._go_on(group, event.do, key, price, revealed, request)
            case "again" | "resend":
                return await self._ask(run, event.do, key, price, revealed, request)
        return nothing()

    async def take(
        self, who: str | None, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any]:
        """What a button among the results or the examples puts into the fields; spends nothing."""
        if event.do == "example":
            return await self._example(int(event.index), known(who, request))
        run = await self._runner.get(str(event.run or ""), who := known(who, request))
        if run is not None and event.do == "original":
            return (await fields_of(run, self._uploads))[0], gr.skip()
        index = int(event.index)
        if run is None or event.do != "input" or self._views.is_covered(run, index, revealed):
            return gr.skip(), gr.skip()
        return await self._uploads.copies([run.results[index].path], who), gr.skip()

    async def _ask(
        self,
        run: Run,
        do: str,
        key: str | None,
        price: float,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Looks again for what was paid, or sends the edit once more."""
        client, who = self._payer(key, [run]), run.visitor
        runs: tuple[Run, ...] = ()
        if do == "again" and await self._runner.again(run.id, who, client):
            runs = tuple(await self._runner.group(run.group, who))
        if do == "resend" and run.is_over and run.edit is not None:
            usd = self._price(client, price)
            runs = self._begin([run.edit], who, request, client=client, price_usd=usd)
        if not runs:
            return nothing()
        page, older = (request.session_hash, who), [run] if run.results else []
        return self._views.look(runs, page, revealed, older=older)

    async def _go_on(
        self,
        runs: list[Run],
        do: str,
        key: str | None,
        price: float,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Goes on with the rest of a batch, tries again what failed, or packs all of it."""
        who = runs[0].visitor
        page = request.session_hash, who
        if do == "pack":
            self._views.leave(page)
            pack = self._views.packed(runs, who, by_input=True)
            return _stage_alone(await self._views.stage(runs, revealed, pack=pack))
        client = self._payer(key, runs)
        if do == "resume":
            for run in runs:
                await self._runner.resume(run.id, who, client)
        else:
            free, sent = problems.to_repeat(runs)
            usd = self._price(client, price)
            for run in sent:
                self._runner.repeat(run, client, usd)
            for run in free:
                await self._runner.again(run.id, who, client)
        return self._views.look(await self._runner.group(runs[0].group, who), page, revealed)

    def _payer(self, key: str | None, runs: list[Run]) -> AsyncClient | None:
        """With whose key these runs go on. Raises `InvalidEdit`."""
        client = self._client_of(key)
        if client is None and any(run.own_key for run in runs):
            raise InvalidEdit(words.KEY_AGAIN, field="key")  # Else the server's key would pay.
        return client

    async def _example(self, index: int, who: str) -> tuple[Any, Any]:
        """Fills the fields, and spends nothing."""
        if not 0 <= index < len(EXAMPLES):
            return gr.skip(), gr.skip()
        example = EXAMPLES[index]
        photos = [PHOTOS / name for name in example.photos]
        return await self._uploads.copies(photos, who), example.prompt

    def _price(self, client: AsyncClient | None, price: float) -> float:
        """What the page showed holds for a visitor's own account; of ours we know it."""
        return price if client else self._account.price_usd

    @streamed
    async def open(
        self, who: str | None, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> Streamed:
        """A card of the history or a version: that run takes the stage, of variants this one alone;
        what was watched before goes on by itself."""
        run = await self._runner.get(str(event.run or ""), who := known(who, request))
        if run is None:
            return nothing()
        page = request.session_hash, who
        if event.do == "group":
            return self._views.look(await self._together(run.group, who), page, revealed)
        tip = await self._runner.get(str(event.tip or ""), who)
        return self._views.look([run], page, revealed, tip=tip)

    async def _together(self, current: str | None, who: str) -> list[Run]:
        """What a page looks at: a group, or one of several alone."""
        if together := await self._runner.group(current or "", who):
            return together
        run = await self._runner.get(current or "", who)
        return [run] if run else []

    async def come(
        self, who: str | None, draft: Any, request: gr.Request
    ) -> tuple[str, Any, Any, Any, str | None]:
        """A page is opened or reloaded (Gradio itself reloads it when a lost connection is back):
        the pictures and words that were in its fields are still there, else those of its visitor's
        last edit, or what its address asks for. Empty fields are left alone: a quick visitor may
        have filled them by now."""
        who = known(who, request)
        prompt, wanted = linked(draft)
        run = await self._runner.get(wanted or "", who)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        pictures, text = await fields_of(last, self._uploads)
        files, said, each = ([], "", False) if run else await drafted(draft, who, self._uploads)
        text = prompt or said or text or gr.skip()
        return who, files or pictures or gr.skip(), text, each or gr.skip(), wanted

    @streamed
    async def arrive(
        self, who: str | None, wanted: str | None, revealed: set[str], request: gr.Request
    ) -> Streamed:
        """And the last edit is where it was, or the `wanted` one."""
        who = known(who, request)
        run = await self._runner.get(wanted or "", who)
        if wanted and run is None:
            gr.Info(words.NOT_YOURS)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        runs = [run] if run else await self._together(last.group if last else "", who)
        note = next((words.picked_up(run) for run in runs if not run.is_over), "")
        return self._views.look(runs, (request.session_hash, who), revealed, note=note)


def _stage_alone(stage: str) -> Shown:
    """Nothing but the stage changes."""
    skipped = nothing()
    return *skipped[:2], stage, *skipped[3:]
