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
from wavespeed.studio.runs.batch import MAX_EDITS, is_batch
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.security.uploads import Files, Uploads
from wavespeed.studio.sessions import ClientFactory, is_showcase, new_visitor_id, visitor_id
from wavespeed.studio.templating import PHOTOS
from wavespeed.studio.text import errors, labels
from wavespeed.studio.ui import render
from wavespeed.studio.ui.examples import EXAMPLES
from wavespeed.studio.ui.form import fields_of_run, parse_draft, parse_query
from wavespeed.studio.ui.presenter import PageId, Presenter, Shown, Streamed, no_update, refusal

from .history import HistoryHandlers

MAX_VARIANTS = 4
DOUBLE_CLICK = 1.0
"""Seconds."""
MAX_PAGES = 10_000
"""Pages of which the last start is remembered."""
PRESS = re.compile(r"[0-9a-f]{32}")
P = ParamSpec("P")
Handler = Callable[Concatenate["EditHandlers", P], Awaitable[Streamed]]


def build_edit(
    files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool, *, model: str
) -> Edit:
    """The edit that the fields say. Raises `InvalidEdit`."""
    return Edit(prompt, tuple(files), sync_mode=sync_mode, base64_output=base64_output, model=model)


def build_batch(
    files: Sequence[Path], prompt: str, sync_mode: bool, base64_output: bool, *, model: str
) -> list[Edit]:
    """An edit for each picture. Raises `InvalidEdit`."""
    if len(files) > MAX_EDITS:
        raise InvalidEdit(f"{labels.TOO_MANY_EACH}.", field="images")
    return [build_edit([file], prompt, sync_mode, base64_output, model=model) for file in files]


def parse_variants(variants: object) -> int:
    """How many variants were chosen; a page can send anything."""
    text = str(variants)
    return int(text) if text in map(str, range(1, MAX_VARIANTS + 1)) else 1


def press_id(press: object) -> str:
    """The id that a browser gave to a press; what comes without one is a press of its own."""
    return press if isinstance(press, str) and PRESS.fullmatch(press) else uuid.uuid4().hex


def streamed(handler: Handler[P]) -> Callable[Concatenate[EditHandlers, P], AsyncGenerator[Shown]]:
    """As Gradio wants it: a generator of what the handler returns, or of its refusal. With the
    visitor's history, which has a card as soon as there is a run: all that a press changes comes in
    one event, since each further one may be late (see stream.js)."""
    signature = inspect.signature(handler)

    @wraps(handler)
    async def stream(
        self: EditHandlers, /, *args: P.args, **named: P.kwargs
    ) -> AsyncGenerator[Shown]:
        given = signature.bind(self, *args, **named).arguments
        who, request = given["who"], given["request"]
        try:
            found = await handler(self, *args, **named)
        except InvalidEdit as error:
            found = refusal(error)
        if isinstance(found, tuple):
            yield *found, *await self.past.history_page(who, request)
            return
        view, has_history = no_update(), False
        async with aclosing(found) as views:
            async for view in views:
                yield *view, *(gr.skip(),) * 2
                if not has_history:
                    yield *no_update(), *await self.past.history_page(who, request)
                    has_history = True
        yield *view, *await self.past.history_page(who, request)

    return stream


class EditHandlers:
    """What each of these events does; the runs are the runner's."""

    def __init__(
        self,
        runner: Runner,
        views: Presenter,
        account: Account,
        client_of: ClientFactory,
        uploads: Uploads,
        past: HistoryHandlers,
    ) -> None:
        self._runner = runner
        self._uploads = uploads
        self._account = account
        self._views = views
        self._client_of = client_of
        self.past = past
        # What each open page started last: from which fields, and when.
        self._started: dict[PageId, tuple[object, float]] = {}

    def _is_double_click(self, fields: object, page: PageId) -> bool:
        """Gradio lets the second click of a double click through (it notes the first only after
        gathering the inputs), each with an id of its own: unchanged fields within a second are one
        press. Nothing is awaited here."""
        last, now = self._started.get(page), time.monotonic()
        if last and last[0] == fields and now - last[1] < DOUBLE_CLICK:
            return True
        self._started[page] = fields, now
        while len(self._started) > MAX_PAGES:
            del self._started[next(iter(self._started))]
        return False

    async def _start_once(
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
        one_edit_per_image: bool,
        key: str | None,
        price: float | None,
        who: str | None,
        current: str | None,
        revealed: set[str],
        press: str | None,
        request: gr.Request,
    ) -> Streamed:
        """Edit was pressed."""
        who = visitor_id(who, request)
        page = request.session_hash, who
        mine = await self._uploads.checked_paths(files, who)
        batch = one_edit_per_image and len(mine) > 1
        if batch:
            edits = build_batch(mine, text, sync, base64, model=self._account.model)
        else:
            edit = build_edit(mine, text, sync, base64, model=self._account.model)
            edits = [edit] * parse_variants(variants)
        client = self._client_of(key)
        if self._is_double_click((edits, batch, key), page):
            return no_update()
        usd = self._price(client, price)
        runs = await self._start_once(edits, who, press, client=client, price_usd=usd, batch=batch)
        if not runs:
            return no_update()
        self.past.turn(page)
        previous_runs = [run for run in await self._runner.current(current, who) if run.results]
        return self._views.stream(runs, page, revealed, previous_runs=previous_runs)

    @streamed
    async def sync(
        self, who: str | None, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> Streamed:
        """The page has lost track, see stream.js: what its last press began, if it does not show
        that yet, and the history as it is now."""
        runs = await self._runner.of_press(str(event.press or ""), visitor_id(who, request))
        page = request.session_hash, visitor_id(who, request)
        return self._views.stream(runs, page, revealed) if runs else no_update()

    @streamed
    async def stop(
        self, current: str | None, who: str | None, revealed: set[str], request: gr.Request
    ) -> Streamed:
        """Ends each run where that saves money, and the watching in any case; a batch with edits
        that have not begun is paused, and what has begun is watched to its end."""
        runs = await self._runner.current(current, who := visitor_id(who, request))
        if is_batch(runs) and (waiting := [run.id for run in runs if run.awaiting_slot]):
            await asyncio.gather(*map(self._runner.stop, waiting))
            return no_update()
        self._views.stop_watching((request.session_hash, who))
        ended = [await self._runner.stop(run.id) or run for run in runs]
        goes_on = any(not run.is_finished for run in ended)  # Then an earlier result stays, too.
        view = await self._views.update(ended, revealed, watching=False, staged=not goes_on)
        return self._until_over(view, ended)

    async def _until_over(self, view: Shown, runs: list[Run]) -> AsyncGenerator[Shown]:
        """Nothing changes any more, but for the history once what is not watched is over."""
        yield view
        for run in runs:
            if run.id in self._runner.active_ids():
                await self._runner.wait_until_finished(run.id)
        yield no_update()

    @streamed
    async def dispatch(
        self,
        current: str | None,
        key: str | None,
        price: float | None,
        who: str | None,
        revealed: set[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> Streamed:
        """A button among the results; those that only fill the fields are `fill_form`'s."""
        run = await self._runner.get(str(event.run or ""), who := visitor_id(who, request))
        if run is None:
            return no_update()
        match event.action:
            case "show" | "cover":
                # What watches this page sees it too: it is the page's own set.
                name = render.output_key(run, int(event.index))
                if event.action == "cover":
                    revealed.discard(name)
                elif not is_showcase(request) and 0 <= int(event.index) < len(run.results):
                    revealed.add(name)
                tip = await self._runner.get(str(event.tip or ""), who)
                together = await self._runner.current(current, who)
                beside = together if run.id in (other.id for other in together) else [run]
                return _results_only(await self._views.render_results(beside, revealed, tip))
            case "resume" | "repeat" | "pack":
                group = await self._runner.group(run.group_id, who)
                return await self._continue_batch(group, event, key, price, revealed, request)
            case "again" | "resend":
                return await self._recheck_or_resend(run, event, key, price, revealed, request)
        return no_update()

    async def fill_form(
        self,
        who: str | None,
        each: bool,
        revealed: set[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[Any, Any, Any]:
        """What a button among the results or the examples puts into the fields; spends nothing."""
        pictures, text = await self._form_values(visitor_id(who, request), revealed, event, request)
        return pictures, text, await self.past.strip(pictures, each, visitor_id(who, request))

    async def _form_values(
        self, who: str, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any]:
        if event.action == "example":
            return await self._example(int(event.index), who)
        run = await self._runner.get(str(event.run or ""), who)
        if run is not None and event.action == "original":
            withheld = self._views.withheld_from(request)
            return (await fields_of_run(run, self._uploads, withheld))[0], gr.skip()
        index = int(event.index)
        if run is None or event.action != "input" or self._views.is_covered(run, index, revealed):
            return gr.skip(), gr.skip()
        return await self._uploads.cached_copies([run.results[index].path], who), gr.skip()

    async def _recheck_or_resend(
        self,
        run: Run,
        event: gr.EventData,
        key: str | None,
        price: float | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Looks again for what was paid, or sends the edit once more."""
        client, who = self._client_for(key, [run]), run.visitor_id
        page, older = (request.session_hash, who), [run] if run.results else []
        runs: Sequence[Run] = ()
        if event.action == "again" and await self._runner.recheck(run.id, who, client):
            runs = await self._runner.group(run.group_id, who)
        is_sent = event.action == "resend" and run.is_finished and run.edit is not None
        if is_sent and run.edit and not self._is_double_click(run.edit, page):
            usd = self._price(client, price)
            edit = replace(run.edit, model=self._account.model)  # See `Runner`.
            runs = await self._start_once([edit], who, event.press, client=client, price_usd=usd)
        if not runs:
            return no_update()
        self.past.turn(page)
        return self._views.stream(runs, page, revealed, previous_runs=older)

    async def _continue_batch(
        self,
        runs: list[Run],
        event: gr.EventData,
        key: str | None,
        price: float | None,
        revealed: set[str],
        request: gr.Request,
    ) -> Streamed:
        """Goes on with the rest of a batch, tries again what failed, or packs all of it."""
        who = runs[0].visitor_id
        page = request.session_hash, who
        if event.action == "pack":
            self._views.stop_watching(page)
            pack = self._views.archive_link(runs, who, by_input=True)
            return _results_only(await self._views.render_results(runs, revealed, pack=pack))
        client = self._client_for(key, runs)
        if event.action == "resume":
            for run in runs:
                usd = self._price(client if run.uses_visitor_key else None, price)
                await self._runner.resume(run.id, who, client, usd)
        else:
            free, sent = errors.retryable_runs(runs)
            usd, press = self._price(client, price), press_id(event.press)
            if not await self._runner.is_new(press, who):
                sent = []
            for run in sent:
                self._runner.retry(run, client, usd, press)
            for run in free:
                await self._runner.recheck(run.id, who, client)
            self.past.turn(page)
        return self._views.stream(await self._runner.group(runs[0].group_id, who), page, revealed)

    def _client_for(self, key: str | None, runs: list[Run]) -> AsyncClient | None:
        """With whose key these runs go on. Raises `InvalidEdit`."""
        client = self._client_of(key)
        if client is None and any(run.uses_visitor_key for run in runs):
            raise InvalidEdit(labels.KEY_AGAIN, field="key")  # Else the server's key would pay.
        return client

    async def _example(self, index: int, who: str) -> tuple[Any, Any]:
        """Fills the fields, and spends nothing."""
        if not 0 <= index < len(EXAMPLES):
            return gr.skip(), gr.skip()
        example = EXAMPLES[index]
        photos = [PHOTOS / name for name in example.photos]
        return await self._uploads.cached_copies(photos, who), example.prompt

    def _price(self, client: AsyncClient | None, price: float | None) -> float | None:
        """What the page showed holds for a visitor's own account; of ours we know it."""
        return price if client else self._account.price_usd

    @streamed
    async def show_run(
        self, who: str | None, revealed: set[str], event: gr.EventData, request: gr.Request
    ) -> Streamed:
        """A card of the history or a version: that run takes the stage, of variants this one alone;
        what was watched before goes on by itself."""
        run = await self._runner.get(str(event.run or ""), who := visitor_id(who, request))
        if run is None:
            return no_update()
        page = request.session_hash, who
        if event.action == "group":
            return self._views.stream(await self._runner.current(run.group_id, who), page, revealed)
        tip = await self._runner.get(str(event.tip or ""), who)
        return self._views.stream([run], page, revealed, latest_version=tip)

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
            task = await self._account.find_prediction(prediction_id, client)
        except WaveSpeedError as error:
            raise InvalidEdit(errors.fetch_failed(error), field="id") from error
        run = await self._runner.fetch(task, who := visitor_id(who, request), client)
        self.past.turn(page := (request.session_hash, who))
        return self._views.stream([run], page, revealed)

    async def load_page(
        self, who: str | None, draft: Any, request: gr.Request
    ) -> tuple[str, Any, Any, Any, Any, str | None]:
        """A page is opened or reloaded (Gradio itself reloads it when a lost connection is back):
        the pictures and words that were in its fields are still there, else those of its visitor's
        last edit, or what its address asks for. Empty fields are left alone: a quick visitor may
        have filled them by now."""
        who, withheld = new_visitor_id(who, request), self._views.withheld_from(request)
        prompt, wanted = parse_query(draft)
        run = await self._runner.get(wanted or "", who)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        pictures, text = await fields_of_run(last, self._uploads, withheld)
        files, said, each = (
            ([], "", False) if run else await parse_draft(draft, who, self._uploads, withheld)
        )
        text = prompt or said or text or gr.skip()
        shown = files or pictures or gr.skip()
        strip = await self.past.strip(shown, each, who)
        return who, shown, text, strip, each or gr.skip(), wanted

    @streamed
    async def resume_run(
        self, who: str | None, wanted: str | None, revealed: set[str], request: gr.Request
    ) -> Streamed:
        """And the last edit is where it was, or the `wanted` one."""
        who = visitor_id(who, request)
        run = await self._runner.get(wanted or "", who)
        if wanted and run is None:
            gr.Info(labels.NOT_YOURS)
        last = run or next(iter(await self._runner.history(who, most=1)), None)
        runs = [run] if run else await self._runner.current(last.group_id if last else "", who)
        if not runs:
            return no_update()  # Else a quick visitor's first note would be wiped away.
        note = next((labels.picked_up(run) for run in runs if not run.is_finished), "")
        return self._views.stream(runs, (request.session_hash, who), revealed, note=note)


def _results_only(stage: str) -> Shown:
    """Nothing but the stage changes."""
    skipped = no_update()
    return *skipped[:2], stage, *skipped[3:]
