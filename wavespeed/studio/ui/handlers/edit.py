"""What the buttons of an edit do: from what a person pressed to what the page shows."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import gradio as gr

from wavespeed import AsyncClient, Edit, InvalidEdit, WaveSpeedError
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.batch import MOST, is_batch
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.security.uploads import Files, Uploads
from wavespeed.studio.sessions import ClientOf, introduced, is_showcase, known
from wavespeed.studio.templating import PHOTOS
from wavespeed.studio.text import errors, labels
from wavespeed.studio.ui import render
from wavespeed.studio.ui.examples import EXAMPLES
from wavespeed.studio.ui.form import drafted, fields_of, linked
from wavespeed.studio.ui.presenter import OpenPage, Shown, Streamed, Views, nothing, refuse

from .history import Past

MOST_VARIANTS = 4
DOUBLE_CLICK = 1.0
"""Seconds."""
MOST_PAGES = 10_000
"""Pages of which the last start is remembered."""
PRESS = re.compile(r"[0-9a-f]{32}")
P = ParamSpec("P")
Handler = Callable[Concatenate["Handlers", P], Awaitable[Streamed]]


def asked(
    files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool, *, model: str
) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    return Edit(prompt, tuple(files), sync_mode=sync_mode, base64_output=base64_output, model=model)


def asked_of_each(
    files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool, *, model: str
) -> list[Edit]:
    """An edit for each picture. Raises `InvalidEdit`."""
    if len(files) > MOST:
        raise InvalidEdit(f"{labels.TOO_MANY_EACH}.", field="images")
    return [asked([file], prompt, sync_mode, base64_output, model=model) for file in files]


def counted(variants: object) -> int:
    """How many variants were chosen; a page can send anything."""
    text = str(variants)
    return int(text) if text in map(str, range(1, MOST_VARIANTS + 1)) else 1


def press_id(press: object) -> str:
    """The id that a browser gave to a press; what comes without one is a press of its own."""
    return press if isinstance(press, str) and PRESS.fullmatch(press) else uuid.uuid4().hex


def streamed(handler: Handler[P]) -> Callable[Concatenate[Handlers, P], AsyncGenerator[Shown]]:
    """As Gradio wants it: a generator of what the handler returns, or of its refusal. With the
    visitor's history, which has a card as soon as there is a run: all that a press changes comes in
    one event, since each further one may be late (see stream.js)."""
    signature = inspect.signature(handler)

    @wraps(handler)
    async def stream(self: Handlers, /, *args: P.args, **named: P.kwargs) -> AsyncGenerator[Shown]:
        given = signature.bind(self, *args, **named).arguments
        who, request = given["who"], given["request"]
        try:
            found = await handler(self, *args, **named)
        except InvalidEdit as error:
            found = refuse(error)
        if isinstance(found, tuple):
            yield *found, *await self.past.page(who, request)
            return
        view, has_history = nothing(), False
        async with aclosing(found) as views:
            async for view in views:
                yield *view, *(gr.skip(),) * 2
                if not has_history:
                    yield *nothing(), *await self.past.page(who, request)
                    has_history = True
        yield *view, *await self.past.page(who, request)

    return stream


class Handlers:
    """What each of these events does; the runs are the runner's."""

    def __init__(
        self,
        runner: Runner,
        views: Views,
        account: Account,
        client_of: ClientOf,
        uploads: Uploads,
        past: Past,
    ) -> None:
        self._runner = runner
        self._uploads = uploads
        self._account = account
        self._views = views
        self._client_of = client_of
        self.past = past
        # What each open page started last: from which fields, and when.
        self._started: dict[OpenPage, tuple[object, float]] = {}

    def _is_double_click(self, fields: object, page: OpenPage) -> bool:
        """Gradio lets the second click of a double click through (it notes the first only after
        gathering the inputs), each with an id of its own: unchanged fields within a second are one
        press. Nothing is awaited here."""
        last, now = self._started.get(page), time.monotonic()
        if last and last[0] == fields and now - last[1] < DOUBLE_CLICK:
            return True
        self._started[page] = fields, now
        while len(self._started) > MOST_PAGES:
            del self._started[next(iter(self._started))]
        return False

    async def _begin(
        self, edits: Sequence[Edit], who: str, press: object, **options: Any
    ) -> Sequence[Run]:
        """Starts the edits of a press; if they were started before, under whatever page, those."""
        press = press_id(press)
        if await self._runner.is_new(press, who):
            return self._runner.start_group(edits, who, press=press, **options)
        return await self._runner.of_press(press, who)

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
        price: float | None,
        who: str | None,
        current: str | None,
        revealed: set[str],
        press: str | None,
        request: gr.Request,
    ) -> Streamed:
        """Edit was pressed."""
        who = known(who, request)
        page = request.session_hash, who
        mine = await self._uploads.accepted(files, who)
        batch = each and len(mine) > 1
        if batch:
            edits = asked_of_each(mine, text, sync, base64, model=self._account.model)
        else:
            edit = asked(mine, text, sync, base64, model=self._account.model)
            edits = [edit] * counted(variants)
        client = self._client_of(key)
        if self._is_double_click((edits, batch, key), page):
            return nothing()
        usd = self._price(client, price)
        runs = await self._begin(edits, who, press, client=client, price_usd=usd, batch=batch)
        if not runs:
            return nothing()
        self.past.turn(page)
        older = [run for run in await self._runner.current(current, who) if run.results]
        return self._views.look(runs, page, revealed, older=older)

    @streamed
    async def sync(
        self, who: str | None, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> Streamed:
        """The page has lost track, see stream.js: what its last press began, if it does not show
        that yet, and the history as it is now."""
        runs = await self._runner.of_press(str(event.press or ""), known(who, request))
        page = request.session_hash, known(who, request)
        return self._views.look(runs, page, revealed) if runs else nothing()

    @streamed
    async def halt(
        self, current: str | None, who: str | None, revealed: set[str], request: gr.Request
    ) -> Streamed:
        """Ends each run where that saves money, and the watching in any case; a batch with edits
        that have not begun is paused, and what has begun is watched to its end."""
        runs = await self._runner.current(current, who := known(who, request))
        if is_batch(runs) and (waiting := [run.id for run in runs if run.held]):
            await asyncio.gather(*map(self._runner.stop, waiting))
            return nothing()
        self._views.leave((request.session_hash, who))
        ended = [await self._runner.stop(run.id) or run for run in runs]
        goes_on = any(not run.is_over for run in ended)  # Then an earlier result stays, too.
        view = await self._views.show(ended, revealed, watching=False, staged=not goes_on)
        return self._until_over(view, ended)

    async def _until_over(self, view: Shown, runs: list[Run]) -> AsyncGenerator[Shown]:
        """Nothing changes any more, but for the history once what is not watched is over."""
        yield view
        for run in runs:
            if run.id in self._runner.live():
                await self._runner.finished(run.id)
        yield nothing()

    @streamed
    async def act(
        self,
        current: str | None,
        key: str | None,
        price: float | None,
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
                name = render.key(run, int(event.index))
                if event.do == "cover":
                    revealed.discard(name)
                elif not is_showcase(request) and 0 <= int(event.index) < len(run.results):
                    revealed.add(name)
                tip = await self._runner.get(str(event.tip or ""), who)
                together = await self._runner.current(current, who)
                beside = together if run.id in (other.id for other in together) else [run]
                return _stage_alone(await self._views.stage(beside, revealed, tip))
            case "resume" | "repeat" | "pack":
                group = await self._runner.group(run.group, who)
                return await self._go_on(group, event, key, price, revealed, request)
            case "again" | "resend":
                return await self._ask(run, event, key, price, revealed, request)
        return nothing()

    async def take(
        self,
        who: str | None,
        each: bool,
        revealed: set[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[Any, Any, Any]:
        """What a button among the results or the examples puts into the fields; spends nothing."""
        pictures, text = await self._taken(known(who, request), revealed, event, request)
        return pictures, text, await self.past.strip(pictures, each, known(who, request))

    async def _taken(
        self, who: str, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any]:
        if event.do == "example":
            return await self._example(int(event.index), who)
        run = await self._runner.get(str(event.run or ""), who)
        if run is not None and event.do == "original":
            withheld = self._views.withheld_from(request)
            return (await fields_of(run, self._uploads, withheld))[0], gr.skip()
        index = int(event.index)
        if run is None or event.do != "input" or self._views.is_covered(run, index, revealed):
            return gr.skip(), gr.skip()
        return await self._uploads.copies([run.results[index].path], who), gr.skip()

    async def _ask(
        self,
        run: Run,
        event: gr.EventData,
        key: str | None,
        price: float | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Looks again for what was paid, or sends the edit once more."""
        client, who = self._payer(key, [run]), run.visitor
        page, older = (request.session_hash, who), [run] if run.results else []
        runs: Sequence[Run] = ()
        if event.do == "again" and await self._runner.again(run.id, who, client):
            runs = await self._runner.group(run.group, who)
        is_sent = event.do == "resend" and run.is_over and run.edit is not None
        if is_sent and run.edit and not self._is_double_click(run.edit, page):
            usd = self._price(client, price)
            edit = replace(run.edit, model=self._account.model)  # See `Runner`.
            runs = await self._begin([edit], who, event.press, client=client, price_usd=usd)
        if not runs:
            return nothing()
        self.past.turn(page)
        return self._views.look(runs, page, revealed, older=older)

    async def _go_on(
        self,
        runs: list[Run],
        event: gr.EventData,
        key: str | None,
        price: float | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Goes on with the rest of a batch, tries again what failed, or packs all of it."""
        who = runs[0].visitor
        page = request.session_hash, who
        if event.do == "pack":
            self._views.leave(page)
            pack = self._views.packed(runs, who, by_input=True)
            return _stage_alone(await self._views.stage(runs, revealed, pack=pack))
        client = self._payer(key, runs)
        if event.do == "resume":
            for run in runs:
                usd = self._price(client if run.own_key else None, price)
                await self._runner.resume(run.id, who, client, usd)
        else:
            free, sent = errors.to_repeat(runs)
            usd, press = self._price(client, price), press_id(event.press)
            if not await self._runner.is_new(press, who):
                sent = []
            for run in sent:
                self._runner.repeat(run, client, usd, press)
            for run in free:
                await self._runner.again(run.id, who, client)
            self.past.turn(page)
        return self._views.look(await self._runner.group(runs[0].group, who), page, revealed)

    def _payer(self, key: str | None, runs: list[Run]) -> AsyncClient | None:
        """With whose key these runs go on. Raises `InvalidEdit`."""
        client = self._client_of(key)
        if client is None and any(run.own_key for run in runs):
            raise InvalidEdit(labels.KEY_AGAIN, field="key")  # Else the server's key would pay.
        return client

    async def _example(self, index: int, who: str) -> tuple[Any, Any]:
        """Fills the fields, and spends nothing."""
        if not 0 <= index < len(EXAMPLES):
            return gr.skip(), gr.skip()
        example = EXAMPLES[index]
        photos = [PHOTOS / name for name in example.photos]
        return await self._uploads.copies(photos, who), example.prompt

    def _price(self, client: AsyncClient | None, price: float | None) -> float | None:
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
            return self._views.look(await self._runner.current(run.group, who), page, revealed)
        tip = await self._runner.get(str(event.tip or ""), who)
        return self._views.look([run], page, revealed, tip=tip)

    @streamed
    async def fetch(
        self,
        prediction_id: str,
        key: str | None,
        who: str | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """An id was entered: its result, wherever it was made."""
        client = self._client_of(key)
        try:
            task = await self._account.find(prediction_id, client)
        except WaveSpeedError as error:
            raise InvalidEdit(errors.not_fetched(error), field="id") from error
        run = await self._runner.fetch(task, who := known(who, request), client)
        self.past.turn(page := (request.session_hash, who))
        return self._views.look([run], page, revealed)

    async def come(
        self, who: str | None, draft: Any, request: gr.Request
    ) -> tuple[str, Any, Any, Any, Any, str | None]:
        """A page is opened or reloaded (Gradio itself reloads it when a lost connection is back):
        the pictures and words that were in its fields are still there, else those of its visitor's
        last edit, or what its address asks for. Empty fields are left alone: a quick visitor may
        have filled them by now."""
        who, withheld = introduced(who, request), self._views.withheld_from(request)
        prompt, wanted = linked(draft)
        run = await self._runner.get(wanted or "", who)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        pictures, text = await fields_of(last, self._uploads, withheld)
        files, said, each = (
            ([], "", False) if run else await drafted(draft, who, self._uploads, withheld)
        )
        text = prompt or said or text or gr.skip()
        shown = files or pictures or gr.skip()
        strip = await self.past.strip(shown, each, who)
        return who, shown, text, strip, each or gr.skip(), wanted

    @streamed
    async def arrive(
        self, who: str | None, wanted: str | None, revealed: set[str], request: gr.Request
    ) -> Streamed:
        """And the last edit is where it was, or the `wanted` one."""
        who = known(who, request)
        run = await self._runner.get(wanted or "", who)
        if wanted and run is None:
            gr.Info(labels.NOT_YOURS)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        runs = [run] if run else await self._runner.current(last.group if last else "", who)
        if not runs:
            return nothing()  # Else a quick visitor's first note would be wiped away.
        note = next((labels.picked_up(run) for run in runs if not run.is_over), "")
        return self._views.look(runs, (request.session_hash, who), revealed, note=note)


def _stage_alone(stage: str) -> Shown:
    """Nothing but the stage changes."""
    skipped = nothing()
    return *skipped[:2], stage, *skipped[3:]
