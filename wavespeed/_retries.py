"""Requests sent again, as `RetryPolicy` says. The submission has its own loop, in `client`."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ._clock import start_clock
from ._policies import Policies
from .errors import FileUnavailable, PredictionNotFound, WaveSpeedError

T = TypeVar("T")
OnRetry = Callable[[float, WaveSpeedError], None]
"""Called with the seconds until the next try of a request that did not get through, and why."""


class Retries:
    def __init__(self, policies: Policies) -> None:
        self._policy = policies.retry
        self._deadline = policies.timeouts.deadline

    async def call(
        self,
        request: Callable[[], Awaitable[T]],
        on_retry: OnRetry | None = None,
        *,
        already_billed: bool = False,
    ) -> T:
        """The answer to a request that may be repeated. Raises the error of the last try."""
        clock = start_clock()
        attempt = 0
        missing_since: float | None = None
        while True:
            attempt += 1
            try:
                return await request()
            except WaveSpeedError as error:
                if missing_since is None and isinstance(error, FileUnavailable):
                    missing_since = clock()
                waited = 0.0 if missing_since is None else clock() - missing_since
                if isinstance(error, PredictionNotFound):
                    waited = math.inf  # Nobody says that it was accepted just now.
                delay = self.delay(
                    error, attempt, since=clock(), waited=waited, already_billed=already_billed
                )
                if on_retry:
                    on_retry(delay, error)
                await asyncio.sleep(delay)

    def delay(
        self,
        error: WaveSpeedError,
        attempt: int,
        *,
        since: float = 0.0,
        waited: float = 0.0,
        already_billed: bool = False,
    ) -> float:
        """Seconds until the next try, `since` seconds after the first.

        Raises `error` where there is none. The rest is as in `RetryPolicy.delay`.
        """
        delay = self._policy.delay(
            error, attempt, waited=waited, already_billed=already_billed, jitter=random.random()
        )
        if delay is None or since + delay > self._deadline:
            raise error
        return delay
