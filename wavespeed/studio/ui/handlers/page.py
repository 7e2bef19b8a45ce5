"""A page that comes, or comes back; and what takes its stage."""

from __future__ import annotations

import gradio as gr

from wavespeed.studio.runs.run import Run
from wavespeed.studio.services import Services
from wavespeed.studio.sessions import new_visitor_id
from wavespeed.studio.text import labels, status
from wavespeed.studio.ui.actions import Action
from wavespeed.studio.ui.form import form_of_run, parse_draft, parse_query
from wavespeed.studio.ui.page_event import PageEvent
from wavespeed.studio.ui.page_update import UNCHANGED, PageUpdate
from wavespeed.studio.ui.presenter import View
from wavespeed.studio.ui.stream import RunStream

from .account import AccountHandlers
from .edit import Streamed
from .history import HistoryHandlers
from .inputs import InputHandlers


class PageHandlers:
    """Shows runs; begins none."""

    def __init__(
        self,
        services: Services,
        stream: RunStream,
        inputs: InputHandlers,
        account: AccountHandlers,
        history: HistoryHandlers,
    ) -> None:
        self._runner = services.runner
        self._uploads = services.uploads
        self._stream = stream
        self._inputs = inputs
        self._account = account
        self._history = history

    async def load_page(self, event: PageEvent) -> PageUpdate:
        """A page is opened or reloaded (Gradio itself reloads it when a lost connection is back):
        the pictures and words that were in its fields are still there, else those of its visitor's
        last edit, or what its address asks for. Empty fields are left alone: a quick visitor may
        have filled them by now."""
        visitor_id = new_visitor_id(event.sent_visitor_id, event.request)
        is_withheld = self._inputs.withheld_from(event)
        prompt, linked_run_id = parse_query(event.draft)
        run = await self._runner.runs.get(linked_run_id or "", visitor_id)
        last = run or await self._last_run(visitor_id)
        form = await form_of_run(last, self._uploads, is_withheld)
        draft = PageUpdate()
        if run is None:
            draft = await parse_draft(event.draft, visitor_id, self._uploads, is_withheld)
        update = PageUpdate(
            visitor_id=visitor_id,
            files=form.files if draft.files is UNCHANGED else draft.files,
            prompt=prompt or (form.prompt if draft.prompt is UNCHANGED else draft.prompt),
            one_edit_per_image=draft.one_edit_per_image,
            shown=linked_run_id,
        )
        is_one_each = draft.one_edit_per_image is True
        shown = PageEvent(
            request=event.request, visitor_id=visitor_id, one_edit_per_image=is_one_each
        )
        return await self._inputs.with_strip(update, shown)

    async def resume_run(self, event: PageEvent) -> Streamed:
        """And the last edit is where it was, or the one that the address asks for."""
        run = await self._runner.runs.get(event.shown or "", event.visitor_id)
        if event.shown and run is None:
            gr.Info(labels.NOT_YOURS)
        if run is not None:
            runs = [run]
        else:
            last = await self._last_run(event.visitor_id)
            group_id = last.group_id if last else ""
            runs = await self._runner.runs.current(group_id, event.visitor_id)
        if not runs:
            return PageUpdate()  # Else a quick visitor's first note would be wiped away.
        note = next((status.resumed_note(run) for run in runs if not run.is_finished), "")
        return self._stream.stream(View(runs=runs, revealed=event.revealed, note=note), event.page)

    async def show_run(self, event: PageEvent) -> Streamed:
        """A card of the history or a version: that run takes the stage, of variants this one alone;
        what was watched before goes on by itself."""
        run = await self._runner.runs.get(event.run_id, event.visitor_id)
        if run is None:
            return PageUpdate()
        if event.action == Action.OPEN_GROUP:
            runs = await self._runner.runs.current(run.group_id, event.visitor_id)
            return self._stream.stream(View(runs=runs, revealed=event.revealed), event.page)
        latest = await self._runner.runs.get(event.latest_run_id, event.visitor_id)
        view = View(runs=[run], revealed=event.revealed, latest_version=latest)
        return self._stream.stream(view, event.page)

    async def fetch(self, event: PageEvent) -> Streamed:
        """An id was entered: its result, wherever it was made."""
        run = await self._account.fetch(event)
        self._history.turn(event.page)
        return self._stream.stream(View(runs=[run], revealed=event.revealed), event.page)

    async def _last_run(self, visitor_id: str) -> Run | None:
        return next(iter(await self._runner.runs.history(visitor_id, most=1)), None)
