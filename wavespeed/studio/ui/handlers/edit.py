"""The Edit button, and the buttons of runs: what begins edits, goes on with them or ends them."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wavespeed import AsyncClient, Edit
from wavespeed.errors import InvalidEdit
from wavespeed.studio.runs.batch import MAX_EDITS, is_batch
from wavespeed.studio.runs.run import Run
from wavespeed.studio.services import Services
from wavespeed.studio.sessions import is_showcase
from wavespeed.studio.text import errors, labels
from wavespeed.studio.ui.actions import Action
from wavespeed.studio.ui.export_links import ExportLinks
from wavespeed.studio.ui.nsfw_covers import output_key
from wavespeed.studio.ui.page_event import PageEvent, PageId
from wavespeed.studio.ui.page_update import PageUpdate
from wavespeed.studio.ui.presenter import Presenter, View
from wavespeed.studio.ui.stream import RunStream

from .history import HistoryHandlers

MAX_VARIANTS = 4
DOUBLE_CLICK = 1.0
"""Seconds."""
MAX_PAGES = 10_000
"""Pages of which the last start is remembered."""
PRESS = re.compile(r"[0-9a-f]{32}")
Streamed = PageUpdate | AsyncGenerator[PageUpdate]


class EditHandlers:
    """Spends money, and nothing else on the page does. The runs are the runner's."""

    def __init__(
        self,
        services: Services,
        presenter: Presenter,
        stream: RunStream,
        history: HistoryHandlers,
        links: ExportLinks,
    ) -> None:
        self._runner = services.runner
        self._account = services.account
        self._client_of = services.client_of
        self._uploads = services.uploads
        self._presenter = presenter
        self._stream = stream
        self._history = history
        self._links = links
        # What each open page started last: from which fields, and when.
        self._started: dict[PageId, tuple[object, float]] = {}

    async def start(self, event: PageEvent) -> Streamed:
        """Edit was pressed."""
        edits = await self._edits(event)
        is_one_each = event.one_edit_per_image and len(event.files or ()) > 1
        client = self._client_of(event.api_key)
        if self._is_double_click((edits, is_one_each, event.api_key), event.page):
            return PageUpdate()
        runs = await self._start_once(edits, event, client, batch=is_one_each)
        if not runs:
            return PageUpdate()
        shown = await self._runner.runs.current(event.shown, event.visitor_id)
        previous = [run for run in shown if run.results]
        return self._streamed(runs, event, previous)

    async def sync(self, event: PageEvent) -> Streamed:
        """The page has lost track, see stream.js: what its last press began, if it does not show
        that yet, and the history as it is now."""
        runs = await self._runner.runs.by_press(str(event.press_id or ""), event.visitor_id)
        return self._streamed(runs, event) if runs else PageUpdate()

    async def stop(self, event: PageEvent) -> Streamed:
        """Ends each run where that saves money, and the watching in any case; a batch with edits
        that have not begun is paused, and what has begun is watched to its end."""
        runs = await self._runner.runs.current(event.shown, event.visitor_id)
        waiting = [run.id for run in runs if run.awaiting_slot]
        if is_batch(runs) and waiting:
            await asyncio.gather(*map(self._runner.stop, waiting))
            return PageUpdate()
        self._stream.stop_watching(event.page)
        ended = [await self._runner.stop(run.id) or run for run in runs]
        goes_on = any(not run.is_finished for run in ended)  # Then an earlier result stays, too.
        view = View(runs=ended, revealed=event.revealed, is_watched=False, has_results=not goes_on)
        return self._until_finished(await self._presenter.update(view), ended)

    async def dispatch(self, event: PageEvent) -> Streamed:
        """A button among the results; those that only fill the form are `InputHandlers`'."""
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        handlers: dict[Action, Callable[[Run, PageEvent], Awaitable[Streamed]]] = {
            Action.SHOW: self._reveal,
            Action.COVER: self._reveal,
            Action.AGAIN: self._recheck,
            Action.RESEND: self._resend,
            Action.RESUME: self._resume,
            Action.REPEAT: self._retry,
            Action.PACK: self._pack,
        }
        if run is None or event.action not in handlers:
            return PageUpdate()
        return await handlers[event.action](run, event)

    # --- What an edit is ---------------------------------------------------------------------

    async def _edits(self, event: PageEvent) -> list[Edit]:
        """The edits that the fields ask for. Raises `InvalidEdit`."""
        files = await self._uploads.checked_paths(event.files, event.visitor_id)
        if not event.one_edit_per_image or len(files) <= 1:
            return [self._edit(files, event)] * parse_variants(event.variants)
        if len(files) > MAX_EDITS:
            raise InvalidEdit(f"{labels.TOO_MANY_EACH}.", field="images")
        return [self._edit([file], event) for file in files]

    def _edit(self, files: Sequence[Path], event: PageEvent) -> Edit:
        return Edit(
            event.prompt,
            tuple(files),
            sync_mode=event.sync_mode,
            base64_output=event.base64_output,
            model=self._account.model,
        )

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
        self,
        edits: Sequence[Edit],
        event: PageEvent,
        client: AsyncClient | None,
        *,
        batch: bool = False,
    ) -> Sequence[Run]:
        """Starts the edits of a press; if they were started before, under whatever page, those."""
        press_id = parse_press_id(event.press_id)
        if not await self._runner.is_new(press_id, event.visitor_id):
            return await self._runner.runs.by_press(press_id, event.visitor_id)
        price = self._price(client, event)
        runs = self._runner.start_group(
            edits, event.visitor_id, press_id=press_id, client=client, price_usd=price, batch=batch
        )
        self._history.turn(event.page)
        return runs

    def _price(self, client: AsyncClient | None, event: PageEvent) -> float | None:
        """What the page showed holds for a visitor's own account; of ours we know it."""
        return event.price_usd if client else self._account.price_usd

    def _client_for(self, runs: Sequence[Run], event: PageEvent) -> AsyncClient | None:
        """With whose key these runs go on. Raises `InvalidEdit`."""
        client = self._client_of(event.api_key)
        if client is None and any(run.uses_visitor_key for run in runs):
            raise InvalidEdit(labels.KEY_AGAIN, field="key")  # Else the server's key would pay.
        return client

    # --- The buttons of runs -----------------------------------------------------------------

    async def _reveal(self, run: Run, event: PageEvent) -> PageUpdate:
        """Uncovers a flagged picture, or covers it again."""
        key = output_key(run, event.index)
        # What watches this page sees it too: it is the page's own set.
        if event.action == Action.COVER:
            event.revealed.discard(key)
        elif not is_showcase(event.request) and 0 <= event.index < len(run.results):
            event.revealed.add(key)
        shown = await self._runner.runs.current(event.shown, event.visitor_id)
        is_shown = any(other.id == run.id for other in shown)
        view = View(
            runs=shown if is_shown else [run],
            revealed=event.revealed,
            latest_version=await self._runner.runs.get(event.latest_run_id, event.visitor_id),
        )
        return PageUpdate(results=await self._presenter.results(view))

    async def _recheck(self, run: Run, event: PageEvent) -> Streamed:
        """Looks again for what was paid for, which is free."""
        client = self._client_for([run], event)
        if not await self._runner.recheck(run.id, event.visitor_id, client):
            return PageUpdate()
        runs = await self._runner.runs.group(run.group_id, event.visitor_id)
        return self._streamed(runs, event, [run] if run.results else [])

    async def _resend(self, run: Run, event: PageEvent) -> Streamed:
        """Sends the edit once more, which costs."""
        client = self._client_for([run], event)
        edit = run.edit
        if not run.is_finished or edit is None or self._is_double_click(edit, event.page):
            return PageUpdate()
        edit = replace(edit, model=self._account.model)  # See `Runner`.
        runs = await self._start_once([edit], event, client)
        return self._streamed(runs, event, [run] if run.results else [])

    async def _resume(self, run: Run, event: PageEvent) -> Streamed:
        """Goes on with the rest of a batch."""
        runs = await self._runner.runs.group(run.group_id, event.visitor_id)
        client = self._client_for(runs, event)
        for one in runs:
            usd = self._price(client if one.uses_visitor_key else None, event)
            await self._runner.resume(one.id, event.visitor_id, client, usd)
        return self._streamed(await self._runner.runs.group(run.group_id, event.visitor_id), event)

    async def _retry(self, run: Run, event: PageEvent) -> Streamed:
        """Tries again what failed of a batch."""
        runs = await self._runner.runs.group(run.group_id, event.visitor_id)
        client = self._client_for(runs, event)
        free, sent = errors.retryable_runs(runs)
        press_id = parse_press_id(event.press_id)
        if await self._runner.is_new(press_id, event.visitor_id):
            for one in sent:
                self._runner.retry(one, client, self._price(client, event), press_id)
        for one in free:
            await self._runner.recheck(one.id, event.visitor_id, client)
        self._history.turn(event.page)
        return self._streamed(await self._runner.runs.group(run.group_id, event.visitor_id), event)

    async def _pack(self, run: Run, event: PageEvent) -> PageUpdate:
        """Packs all of a batch."""
        self._stream.stop_watching(event.page)
        runs = await self._runner.runs.group(run.group_id, event.visitor_id)
        link = self._links.archive(runs, event.visitor_id, by_input=True)
        view = View(runs=runs, revealed=event.revealed)
        return PageUpdate(results=await self._presenter.results(view, link))

    def _streamed(
        self, runs: Sequence[Run], event: PageEvent, previous_runs: Sequence[Run] = ()
    ) -> Streamed:
        view = View(runs=runs, revealed=event.revealed, previous_runs=previous_runs)
        return self._stream.stream(view, event.page)

    async def _until_finished(
        self, update: PageUpdate, runs: Sequence[Run]
    ) -> AsyncGenerator[PageUpdate]:
        """Nothing changes any more, but for the history once what is not watched is over."""
        yield update
        for run in runs:
            if run.id in self._runner.active_ids():
                await self._runner.wait_until_finished(run.id)
        yield PageUpdate()


def parse_variants(variants: object) -> int:
    """How many variants were chosen; a page can send anything."""
    text = str(variants)
    return int(text) if text in map(str, range(1, MAX_VARIANTS + 1)) else 1


def parse_press_id(press_id: object) -> str:
    """The id that a browser gave to a press; what comes without one is a press of its own."""
    if isinstance(press_id, str) and PRESS.fullmatch(press_id):
        return press_id
    return uuid.uuid4().hex
