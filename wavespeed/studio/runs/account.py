"""What the service says of an account beside its runs: the price, the balance, and deletion."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TypeVar

from wavespeed import MODEL, PRICE_USD, AsyncClient, Prediction, WaveSpeedError
from wavespeed.errors import ConnectionFailed

from .errors import ApiKeyRequired
from .run import Run

log = logging.getLogger("wavespeed.studio")
T = TypeVar("T")
ANSWER_TIMEOUT = 20.0
"""Seconds that a person waits for one of these answers; the client itself is far more patient."""
PRICE_INTERVAL = 3600.0
RETRY_INTERVAL = 30.0
"""Seconds until a price that nobody knows is asked for again."""


class Account:
    """The server's account, and the `model` that it asks; where a method takes a `client`, that of
    a visitor's own key."""

    def __init__(self, client: AsyncClient, model: str = MODEL) -> None:
        self._client = client
        self.model = model
        self.price_usd: float | None = PRICE_USD if model == MODEL else None
        """What an edit costs: until the service was asked by the model's page, which is known of
        the default one alone."""

    async def learn_price(self) -> None:
        """Once an hour, forever: asks what an edit costs."""
        while True:
            try:
                self.price_usd = await self.price()
            except WaveSpeedError as error:
                log.warning("what an edit costs could not be asked: %s", error)
            await asyncio.sleep(RETRY_INTERVAL if self.price_usd is None else PRICE_INTERVAL)

    def resend_price(self, run: Run) -> float | None:
        """USD that it costs to send a run's edit once more, None where nobody knows: by the model
        that is asked now, whichever it was then. What another account pays is known of its own
        runs alone."""
        same = run.edit is not None and run.edit.model == self.model
        return run.price_usd if run.uses_visitor_key and same else self.price_usd

    async def price(self, client: AsyncClient | None = None) -> float:
        """USD that an edit costs, asked now. Raises `WaveSpeedError`, for a wrong key too."""
        return await _within_timeout((client or self._client).price(self.model))

    async def balance(self) -> float:
        """USD. Raises `WaveSpeedError`."""
        return await _within_timeout(self._client.balance())

    async def find_prediction(
        self, prediction_id: str, client: AsyncClient | None = None
    ) -> Prediction:
        """A task of the account, wherever it was made. Raises `WaveSpeedError`, and `InvalidEdit`
        for what can't be an id."""
        return await _within_timeout((client or self._client).result(prediction_id))

    async def delete(self, run: Run, client: AsyncClient | None = None) -> None:
        """Deletes what the run made at the service, for good. Raises `WaveSpeedError`."""
        if run.prediction is None:
            return
        if run.uses_visitor_key and client is None:
            raise ApiKeyRequired("This edit was made with your own key.")
        asked = client if run.uses_visitor_key and client else self._client
        await _within_timeout(asked.delete([run.prediction.id]))


async def _within_timeout(answer: Coroutine[None, None, T]) -> T:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await answer
    except TimeoutError as error:
        raise ConnectionFailed("WaveSpeed did not answer in time.", sent=True) from error
