"""The history: its pages, and the buttons of its cards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from wavespeed import WaveSpeedError
from wavespeed.studio.media import previews
from wavespeed.studio.runs.run import Run
from wavespeed.studio.services import Services
from wavespeed.studio.text import errors
from wavespeed.studio.ui.actions import Action
from wavespeed.studio.ui.export_links import ExportLinks
from wavespeed.studio.ui.page_event import PageEvent, PageId
from wavespeed.studio.ui.page_update import PageUpdate
from wavespeed.studio.ui.presenter import Presenter, View
from wavespeed.studio.ui.render.history import render_exported

from .account import AccountHandlers
from .inputs import InputHandlers

PAGE_SIZE = 9
"""Runs on a page of the history."""
MAX_PAGES = 10_000
"""Open pages of which it is remembered how far they have turned over."""


class HistoryHandlers:
    """Deletes and takes away; fills the form by way of `InputHandlers`."""

    def __init__(
        self,
        services: Services,
        presenter: Presenter,
        inputs: InputHandlers,
        account: AccountHandlers,
        links: ExportLinks,
    ) -> None:
        self._services = services
        self._runner = services.runner
        self._presenter = presenter
        self._inputs = inputs
        self._account = account
        self._links = links
        # How many runs are before those that an open page shows. Here, and not in the page: the
        # end of an edit draws the history anew, wherever its visitor has turned to meanwhile.
        self._offsets: dict[PageId, int] = {}

    async def page(self, event: PageEvent, *, note: str = "") -> tuple[str, str]:
        """The cards of the runs to which an open page has turned, and the session's tally; `note`
        is what went wrong."""
        tally = await self._account.tally(event)
        while not (runs := await self._listed(event.page)) and event.page in self._offsets:
            self.turn(
                event.page, -1
            )  # The last one of a page was deleted, or it was the last page.
        cards = await self._presenter.history(
            runs[:PAGE_SIZE],
            skip=self._offsets.get(event.page, 0),
            has_more=len(runs) > PAGE_SIZE,
            spent_usd=await self._runner.runs.spent_today(event.visitor_id),
            note=note,
        )
        return cards, tally

    async def _listed(self, page: PageId) -> list[Run]:
        """One more than the page shows tells whether there are older ones."""
        skip = self._offsets.get(page, 0)
        return await self._runner.runs.history(page[1], skip=skip, most=PAGE_SIZE + 1)

    def turn(self, page: PageId, pages: int | None = None) -> None:
        """Turns the history of an open page over: so many pages towards older runs, or to the
        newest ones."""
        offset = 0 if pages is None else self._offsets.get(page, 0) + pages * PAGE_SIZE
        self._offsets.pop(page, None)
        if offset > 0:
            self._offsets[page] = offset
        while len(self._offsets) > MAX_PAGES:
            del self._offsets[next(iter(self._offsets))]

    async def dispatch(self, event: PageEvent) -> PageUpdate:
        """A button of the history. The stage is emptied where it showed what was deleted."""
        handlers: dict[Action, Callable[[PageEvent], Awaitable[PageUpdate | str]]] = {
            Action.REUSE: self._inputs.reuse_run,
            Action.USE_RESULT: self._inputs.use_first_result,
            Action.DELETE: self._delete_here,
            Action.DELETE_AT_SERVICE: self._delete_at_service,
            Action.EXPORT: self._export,
            Action.OLDER: self._older,
            Action.NEWER: self._newer,
        }
        done: PageUpdate | str = PageUpdate()
        if event.action in handlers:
            done = await handlers[event.action](event)
        update, note = (PageUpdate(), done) if isinstance(done, str) else (done, "")
        if event.shown and not await self._runner.runs.current(event.shown, event.visitor_id):
            emptied = await self._presenter.update(View(revealed=event.revealed))
            update = replace(
                emptied, files=update.files, prompt=update.prompt, exported=update.exported
            )
        return update.with_history(*await self.page(event, note=note))

    async def _delete_here(self, event: PageEvent) -> PageUpdate:
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        if run is not None:
            await self._delete(run)
        return PageUpdate()

    async def _delete_at_service(self, event: PageEvent) -> PageUpdate | str:
        """Deletes it there and here; what went wrong, if something did."""
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        # What was only fetched by its id can be another's.
        if run is None or not run.is_finished or run.edit is None:
            return PageUpdate()
        try:
            client = self._services.client_of(event.api_key)
            await self._services.account.delete(run, client)
        except WaveSpeedError as error:
            return errors.deletion_failed(error)
        await self._delete(run)
        return PageUpdate()

    async def _delete(self, run: Run) -> None:
        files = await self._runner.delete(run.id, run.visitor_id)
        await asyncio.to_thread(previews.delete_copies, files)

    async def _export(self, event: PageEvent) -> PageUpdate:
        """Links to the files of the session."""
        runs = await self._runner.runs.session_runs(event.visitor_id)
        links = self._links
        archive = links.archive(runs, event.visitor_id)
        contact_sheet = links.contact_sheet(runs, event.visitor_id)
        return PageUpdate(exported=render_exported(archive, contact_sheet))

    async def _older(self, event: PageEvent) -> PageUpdate:
        self.turn(event.page, 1)
        return PageUpdate()

    async def _newer(self, event: PageEvent) -> PageUpdate:
        self.turn(event.page, -1)
        return PageUpdate()
