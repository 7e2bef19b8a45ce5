"""Whose key is used, what it costs, what the account holds; and results fetched by their id."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import gradio as gr

from wavespeed import WaveSpeedError
from wavespeed.errors import InvalidEdit
from wavespeed.studio.runs.run import Run
from wavespeed.studio.services import Services
from wavespeed.studio.sessions import is_owner
from wavespeed.studio.templating import render_template
from wavespeed.studio.text import errors, labels
from wavespeed.studio.ui.page_event import PageEvent
from wavespeed.studio.ui.page_update import PageUpdate

BALANCE_TIMEOUT = 2.0
"""Seconds that the account's balance may take."""


class AccountHandlers:
    """Asks the service, and spends nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._account = services.account
        self._client_of = services.client_of

    async def validate_key(self, event: PageEvent) -> PageUpdate:
        """The page came, or a key was entered: whose key it is, if it works, what an edit costs."""
        price, label, note = self._account.price_usd, self._services.key_label, ""
        try:
            client = self._client_of(event.api_key)
            if client is not None:
                label = labels.KEY_YOURS
                price = await self._account.price(client)
        except InvalidEdit as error:
            if event.api_key:
                note = render_template("note", text=str(error))
        except WaveSpeedError as error:
            note = render_template("note", text=errors.key_error(error))
        return PageUpdate(
            price_usd=price,
            shortcut=render_template("keys", price=price),
            key_panel=gr.update(label=label),
            key_note=note,
        )

    async def fetch(self, event: PageEvent) -> Run:
        """The run of a result that was made wherever. Raises `InvalidEdit`."""
        client = self._client_of(event.api_key)
        try:
            prediction = await self._account.find_prediction(event.prediction_id, client)
        except WaveSpeedError as error:
            raise InvalidEdit(errors.fetch_failed(error), field="id") from error
        return await self._services.runner.fetch(prediction, event.visitor_id, client)

    async def tally(self, event: PageEvent) -> str:
        """What the session has cost and, for the owner alone, what the account holds."""
        edits, spent = await self._services.runner.runs.session_totals(event.visitor_id)
        balance = None
        if is_owner(event.request):
            # It is shown where it is known; the history does not wait for it long.
            with suppress(WaveSpeedError, TimeoutError):
                async with asyncio.timeout(BALANCE_TIMEOUT):
                    balance = await self._account.balance()
        return render_template("tally", edits=edits, spent=spent, balance=balance)
