"""One task, asked for until it has ended: when the service is asked next, and what is learned."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

from ._api import Api
from ._clock import Clock
from ._durations import Durations, duration
from ._policies import Policies
from ._responses import task_error
from ._retries import Retries
from .errors import EditTimeout, MissingOutputs, PredictionNotFound, WaveSpeedError
from .events import Completed, Event, Polled, Waiting
from .types import Prediction


@dataclass(frozen=True, slots=True)
class AcceptedPrediction:
    """A task that the service has taken. Moments are seconds by the clock of the edit."""

    prediction: Prediction
    accepted_at: float | None
    """None where nobody says when."""
    is_new: bool
    """Whether this client has just submitted it, so that it is known well how long it takes."""


class PredictionPoller:
    """Waits for one task. Moments are seconds by `clock`; an age is the time since its creation."""

    def __init__(
        self,
        api: Api,
        policies: Policies,
        durations: Durations,
        clock: Clock,
        accepted: AcceptedPrediction,
    ) -> None:
        self._api = api
        self._policies = policies
        self._retries = Retries(policies)
        self._durations = durations
        self._clock = clock
        self._accepted = accepted
        self._prediction = accepted.prediction
        self._created_at = accepted.accepted_at
        self._unfinished_at = clock() if self._prediction.is_terminal else accepted.accepted_at
        self._deadline = clock() + policies.timeouts.deadline
        self._next_poll_at = self._first_poll_at()
        self._last_error: WaveSpeedError | None = None
        self._failures = 0

    async def until_done(self) -> AsyncGenerator[Event]:
        """`Polled` and `Waiting` as long as the task is under way, `Completed` as the last.

        Raises what the task failed with, `EditTimeout` at the deadline, and the error of a poll
        where no other one can help.
        """
        while not _is_settled(self._prediction):
            self._check_deadline()
            await asyncio.sleep(self._next_poll_at - self._clock())
            if event := await self._poll():
                yield event
        if error := task_error(self._prediction):
            raise error
        self._learn()
        yield Completed(self._clock(), self._prediction)

    def _check_deadline(self) -> None:
        if self._clock() >= self._deadline:
            seconds = self._policies.timeouts.deadline
            raise EditTimeout(
                f"No result within {seconds:.0f} s. The edit may still finish.",
                prediction_id=self._prediction.id,
                last_error=self._last_error,
            )

    async def _poll(self) -> Polled | Waiting | None:
        """What asking once has shown; None where the task has ended."""
        asked_at = self._clock()
        try:
            prediction = await self._result()
        except WaveSpeedError as error:
            delay = self._delay_after(error)
            self._schedule(delay)
            return Waiting(self._clock(), delay, error)
        self._prediction = prediction
        self._last_error = None
        self._failures = 0
        if prediction.is_terminal:
            return None
        self._unfinished_at = asked_at
        self._schedule(self._next_delay(self._age()))
        return Polled(self._clock(), prediction)

    async def _result(self) -> Prediction:
        """The task as it stands now. Raises `MissingOutputs` for one that is done and has no
        picture, which may be a moment too early."""
        try:
            prediction = await self._api.result(self._prediction.id)
        except PredictionNotFound as error:
            error.spent = "unknown"  # Deleted, expired, or never there.
            raise
        if prediction.is_terminal and not _is_settled(prediction):
            raise MissingOutputs(prediction_id=prediction.id)
        return prediction

    def _delay_after(self, error: WaveSpeedError) -> float:
        """Seconds until the next poll after one that failed; raises `error` where there is none."""
        # Of each kind the failures are counted for itself.
        self._failures = self._failures + 1 if type(error) is type(self._last_error) else 1
        self._last_error = error
        accepted_at = self._accepted.accepted_at
        waited = math.inf if accepted_at is None else self._clock() - accepted_at
        delay = self._retries.delay(error, self._failures, waited=waited, already_billed=True)
        return max(self._policies.poll.shortest, delay)

    def _first_poll_at(self) -> float:
        """One that was submitted before is asked for at once: it may have ended long ago."""
        accepted_at = self._accepted.accepted_at
        if accepted_at is None or not self._accepted.is_new:
            return self._clock()
        return accepted_at + self._next_delay(0.0)

    def _schedule(self, delay: float) -> None:
        """The deadline brings the last poll forward, but not too close to this one."""
        now = self._clock()
        last_poll_at = max(self._deadline, now + self._policies.poll.shortest)
        self._next_poll_at = min(now + delay, last_poll_at)

    def _next_delay(self, age: float) -> float:
        return self._policies.poll.next_delay(age, self._durations.recent)

    def _age(self) -> float:
        if self._created_at is None:
            self._created_at = self._clock() - self._age_by_the_service()
        return self._clock() - self._created_at

    def _age_by_the_service(self) -> float:
        """Seconds since the service made it, by the service's clock; 0 where it does not say."""
        if self._prediction.created_at is None:
            return 0.0
        now = datetime.now(UTC) + self._api.clock_offset
        return max(0.0, (now - self._prediction.created_at).total_seconds())

    def _learn(self) -> None:
        """Remembers how long the task took, unless nobody saw it begin."""
        accepted_at = self._accepted.accepted_at
        if accepted_at is None or self._unfinished_at is None or not self._accepted.is_new:
            return
        seconds = duration(
            self._unfinished_at - accepted_at,
            self._clock() - accepted_at,
            self._prediction.execution_time,
            tolerance=self._policies.poll.shortest,
        )
        self._durations.add(seconds)


def _is_settled(prediction: Prediction) -> bool:
    """Whether it has ended; one that is done and names no picture may still do that."""
    return prediction.is_terminal and not isinstance(task_error(prediction), MissingOutputs)
