"""What the buttons of an edit do: from what a person pressed to what the page shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr

from wavespeed import AsyncClient, Edit, InvalidEdit

from . import pieces, problems, words
from .account import Account
from .batch import MOST, is_batch, newest
from .run import Run
from .runner import Runner
from .views import (
    Files,
    OpenPage,
    Shown,
    Views,
    copies,
    drafted,
    fields_of,
    linked,
    nothing,
    refuse,
)
from .visitors import ClientOf, known

MOST_VARIANTS = 4
DOUBLE_CLICK = 1.0
"""Seconds."""
MOST_PAGES = 10_000
"""Pages of which the last start is remembered."""


def asked(files: Files, prompt: str, sync_mode: bool, base64_output: bool) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    images = tuple(Path(path) for path, _ in files or [])
    return Edit(prompt, images, sync_mode=sync_mode, base64_output=base64_output)


def asked_of_each(files: Files, prompt: str, sync_mode: bool, base64_output: bool) -> list[Edit]:
    """An edit for each picture. Raises `InvalidEdit`."""
    if len(files or []) > MOST:
        raise InvalidEdit(f"{words.TOO_MANY_EACH}.", field="images")
    return [asked([file], prompt, sync_mode, base64_output) for file in files or []]


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

    def __init__(self, runner: Runner, views: Views, account: Account, client_of: ClientOf) -> None:
        self._runner = runner
        self._account = account
        self._views = views
        self._client_of = client_of
        # What each open page started last: the group, its prompt, when.
        self._started: dict[OpenPage, tuple[str, str, float]] = {}

    def _begin(self, edits: list[Edit], who: str, request: gr.Request, **how: Any) -> str:
        """Starts the edits; their group. Gradio lets the second click of a double click through (it
        notes the first only after gathering the inputs): that one gets the group of the first. So
        nothing is awaited here between the look and the start."""
        page = request.session_hash, who
        last = self._started.get(page)
        if last and last[1] == edits[0].prompt and time.monotonic() - last[2] < DOUBLE_CLICK:
            return last[0]
        group = self._runner.start_group(edits, who, **how)[0].group
        self._started[page] = group, edits[0].prompt, time.monotonic()
        while len(self._started) > MOST_PAGES:
            del self._started[next(iter(self._started))]
        return group

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
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """Edit was pressed."""
        batch = each and len(files or []) > 1
        try:
            if batch:
                edits = asked_of_each(files, text, sync, base64)
            else:
                edits = [asked(files, text, sync, base64)] * counted(variants)
            client = self._client_of(key)
        except InvalidEdit as error:
            yield refuse(error)
            return
        who = known(who, request)
        usd = self._price(client, price)
        group = self._begin(edits, who, request, client=client, price_usd=usd, batch=batch)
        keep = current is not None
        async with aclosing(
            self._views.look(group, (request.session_hash, who), keep=keep)
        ) as views:
            async for view in views:
                yield view

    async def halt(self, current: str | None, who: str | None, request: gr.Request) -> Shown:
        """Ends each run where that saves money, and the watching in any case; a batch with edits
        that have not begun is paused, and what has begun is watched to its end."""
        runs = await self._group(current, who := known(who, request))
        if is_batch(runs) and (waiting := [run.id for run in runs if run.held]):
            await asyncio.gather(*map(self._runner.stop, waiting))
            return nothing()
        self._views.leave((request.session_hash, who))
        ended = [await self._runner.stop(run.id) or run for run in runs]
        return await self._views.show(ended, watching=False)

    async def act(
        self,
        current: str | None,
        key: str | None,
        price: float,
        who: str | None,
        before: frozenset[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """A button among the results; those that only fill the fields are `take`'s."""
        run = await self._runner.get(str(event.run or current or ""), who := known(who, request))
        if run is None:
            yield nothing()
            return
        match event.do:
            case "turn" if not is_showcase(request):
                turned = before ^ {pieces.key(run, int(event.index))}
                tip = await self._runner.get(str(event.tip or ""), who)
                stage = await self._views.stage(await self._shown(current, run), turned, tip)
                skipped = nothing()
                yield skipped[0], turned, skipped[2], stage, *skipped[4:]
            case "resume" | "repeat" | "pack":
                group = await self._group(run.id, who)
                async with aclosing(
                    self._go_on(group, event.do, key, price, before, request)
                ) as views:
                    async for view in views:
                        yield view
            case "again" | "resend":
                async with aclosing(self._ask(run, event.do, key, price, who, request)) as views:
                    async for view in views:
                        yield view
            case _:
                yield nothing()  # A generator that yields nothing at all empties the page.

    async def take(
        self, who: str | None, before: frozenset[str], event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any]:
        """What a button among the results or the examples puts into the fields; spends nothing."""
        if event.do == "example":
            return await self._example(int(event.index))
        run = await self._runner.get(str(event.run or ""), known(who, request))
        if run is not None and event.do == "original":
            return (await fields_of(run))[0], gr.skip()
        index = int(event.index)
        if run is None or event.do != "input" or self._views.is_covered(run, index, before):
            return gr.skip(), gr.skip()
        return await copies([run.results[index].path]), gr.skip()

    async def _ask(
        self, run: Run, do: str, key: str | None, price: float, who: str, request: gr.Request
    ) -> AsyncGenerator[Shown]:
        """Looks again for what was paid, or sends the edit once more."""
        try:
            client = self._client_of(key)
            if run.own_key and client is None:  # Else the server's key would pay for it.
                raise InvalidEdit(words.KEY_AGAIN, field="key")
        except InvalidEdit as error:
            yield refuse(error)
            return
        group = run.group or run.id
        if do == "again" and not await self._runner.again(run.id, who, client):
            yield nothing()
            return
        if do == "resend" and run.is_over and run.edit is not None:
            usd = self._price(client, price)
            group = self._begin([run.edit], who, request, client=client, price_usd=usd)
        keep = bool(run.results)
        async with aclosing(
            self._views.look(group, (request.session_hash, who), keep=keep)
        ) as views:
            async for view in views:
                yield view

    async def _go_on(
        self,
        runs: list[Run],
        do: str,
        key: str | None,
        price: float,
        before: frozenset[str],
        request: gr.Request,
    ) -> AsyncGenerator[Shown]:
        """Goes on with the rest of a batch, tries again what failed, or packs all of it."""
        if do == "pack":
            self._views.leave((request.session_hash, runs[0].visitor))
            skipped, pack = nothing(), await self._views.packed(runs)
            stage = await self._views.stage(runs, before, pack=pack)
            yield *skipped[:3], stage, *skipped[4:]
            return
        who = runs[0].visitor
        try:
            client = self._client_of(key)
            if runs[0].own_key and client is None:
                raise InvalidEdit(words.KEY_AGAIN, field="key")
        except InvalidEdit as error:
            yield refuse(error)
            return
        if do == "resume":
            for run in runs:
                await self._runner.resume(run.id, who, client)
        elif not any(run_id in self._runner.live() for run_id in (run.id for run in runs)):
            free, sent = problems.to_repeat(runs)
            usd = self._price(client, price)
            for run in sent:
                self._runner.repeat(run, client, usd)
            for run in free:
                await self._runner.again(run.id, who, client)
        page = request.session_hash, who
        async with aclosing(self._views.look(runs[0].group, page)) as views:
            async for view in views:
                yield view

    async def _example(self, index: int) -> tuple[Any, Any]:
        """Fills the fields, and spends nothing."""
        if not 0 <= index < len(words.EXAMPLES):
            return gr.skip(), gr.skip()
        example = words.EXAMPLES[index]
        return await copies([pieces.PHOTOS / name for name in example.photos]), example.prompt

    def _price(self, client: AsyncClient | None, price: float) -> float:
        """What the page showed holds for a visitor's own account; of ours we know it."""
        return price if client else self._account.price_usd

    async def _shown(self, current: str | None, run: Run) -> list[Run]:
        """The runs that stand beside this one: its group, if that is what the page looks at."""
        together = await self._runner.group(run)
        return together if current == run.group and len(together) > 1 else [run]

    async def open(
        self, who: str | None, before: frozenset[str], event: gr.EventData, request: gr.Request
    ) -> AsyncGenerator[Shown]:
        """A card of the history or a version: that run takes the stage; what was watched before
        goes on by itself."""
        run = await self._runner.get(str(event.run or ""), who := known(who, request))
        if run is None:
            yield nothing()
            return
        if event.do == "group":
            page, runs = (request.session_hash, who), await self._group(run.id, who)
            self._views.leave(page)
            yield await self._views.show(runs)
            async with aclosing(self._views.look(run.group, page)) as views:
                async for view in views:
                    yield view
            return
        tip = await self._runner.get(str(event.tip or ""), who)
        shown = await self._views.show([run], before, tip=tip)
        yield run.id, *shown[1:]  # Of variants this one alone.
        page = request.session_hash, who
        self._views.leave(page)
        if not run.is_over:
            async with aclosing(self._views.look(run.group or run.id, page)) as views:
                async for view in views:
                    yield view
        else:
            yield nothing()

    async def _group(self, run_id: str | None, who: str) -> list[Run]:
        run = await self._runner.get(run_id or "", who)
        return newest(await self._runner.group(run)) if run else []

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
        pictures, text = await fields_of(last)
        files, said, each = ([], "", False) if run else await drafted(draft)
        text = prompt or said or text or gr.skip()
        return who, files or pictures or gr.skip(), text, each or gr.skip(), wanted

    async def arrive(
        self, who: str | None, wanted: str | None, request: gr.Request
    ) -> AsyncGenerator[Shown]:
        """And the last edit is where it was, or the `wanted` one."""
        who = known(who, request)
        run = await self._runner.get(wanted or "", who)
        if wanted and run is None:
            gr.Info(words.NOT_YOURS)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        runs = [run] if run else newest(await self._runner.group(last)) if last else []
        yield await self._views.show(runs)
        going = [run for run in runs if not run.is_over]
        if going:
            note, group = words.picked_up(going[0]), going[0].group or going[0].id
            async with aclosing(
                self._views.look(group, (request.session_hash, who), note)
            ) as views:
                async for view in views:
                    yield view
