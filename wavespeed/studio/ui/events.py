"""The door between Gradio and the handlers: a list of values becomes one `PageEvent`, and a
`PageUpdate` becomes a list of outputs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.blocks import Block

from wavespeed.errors import InvalidEdit
from wavespeed.studio.ui.handlers.history import HistoryHandlers

from .page_event import PageEvent
from .page_update import PageUpdate
from .presenter import refusal

Handler = Callable[[PageEvent], Awaitable[PageUpdate]]
StreamHandler = Callable[[PageEvent], Awaitable[PageUpdate | AsyncGenerator[PageUpdate]]]
"""Shows one thing, or how runs go on."""


EVENT: dict[str, Any] = {
    "concurrency_limit": None,
    "show_progress": "hidden",
    "api_visibility": "private",
}
EVERY_PRESS = {"trigger_mode": "multiple"}
"""Else a click is passed over while an earlier one is answered, or watched; right for Edit, which
spends. A second press of any other finds done what the first has done."""
ONCE = {"trigger_mode": "once"}
LATEST = {"trigger_mode": "always_last"}
MARKUP = {"postprocess": False}
"""What is shown is markup as it is; Gradio would look at each piece in a thread of its own."""
BROWSER_ONLY = {**EVENT, **LATEST, "queue": False}

PRESSED = "(...values) => [...values.slice(0, -1), window.wavespeed.press()]"
"""The last input is the press's id, made in the browser."""
KEY_AS_IT_IS = "(own) => document.querySelector('#api-key input')?.value ?? own"
"""Gradio may hear of the last letter after the key for Enter."""

# What the events bring and change, by name.
SESSION = ["visitor_id", "revealed"]
FORM = ["files", "prompt", "one_edit_per_image"]
PAYMENT = ["api_key", "price_usd"]
EDIT = [*FORM, "variants", "sync_mode", "base64_output", *PAYMENT, "shown", *SESSION, "press_id"]
NOTES = ["inputs_note", "prompt_note", "key_note", "fetch_note"]
SHOWN = ["shown", "status", "results", "stop", *NOTES, "history", "tally"]
FILLED = ["files", "prompt", "strip"]


class Events:
    """Binds handlers to the components of the page, which have the names of `PageEvent`'s and
    `PageUpdate`'s fields."""

    def __init__(self, components: Mapping[str, Block], history: HistoryHandlers) -> None:
        self._components = components
        self._history = history

    def bind(
        self, handler: Handler, inputs: Sequence[str], outputs: Sequence[str]
    ) -> dict[str, Any]:
        """What an event listener of Gradio's takes: the function, its inputs and outputs, and how
        it is called."""

        async def event(request: gr.Request, data: gr.EventData, *values: Any) -> Any:
            update = await handler(_event(request, data, inputs, values))
            values_out = update.outputs(outputs)
            # Of a single output Gradio takes the value itself.
            return values_out if len(outputs) > 1 else values_out[0]

        return self._listener(event, inputs, outputs) | EVERY_PRESS

    def latest(
        self, handler: Handler, inputs: Sequence[str], outputs: Sequence[str]
    ) -> dict[str, Any]:
        """The same of what changes with each letter: only the last change counts."""
        return self.bind(handler, inputs, outputs) | LATEST

    def once(
        self, handler: StreamHandler, inputs: Sequence[str], outputs: Sequence[str]
    ) -> dict[str, Any]:
        """As `stream`, of a press that spends."""
        return self.stream(handler, inputs, outputs) | ONCE

    def stream(
        self, handler: StreamHandler, inputs: Sequence[str], outputs: Sequence[str]
    ) -> dict[str, Any]:
        """The same of what may go on. With the visitor's history, which has a card as soon as there
        is a run: all that a press changes comes in one event, since each further one may be late
        (see stream.js)."""

        async def event(
            request: gr.Request, data: gr.EventData, *values: Any
        ) -> AsyncGenerator[list[Any]]:
            page_event = _event(request, data, inputs, values)
            async with aclosing(self._updates(handler, page_event)) as updates:
                async for update in updates:
                    yield update.outputs(outputs)

        return self._listener(event, inputs, outputs) | MARKUP | EVERY_PRESS

    async def _updates(
        self, handler: StreamHandler, event: PageEvent
    ) -> AsyncGenerator[PageUpdate]:
        try:
            found = await handler(event)
        except InvalidEdit as error:
            found = refusal(error)
        if isinstance(found, PageUpdate):
            yield found.with_history(*await self._history.page(event))
            return
        update, has_history = PageUpdate(), False
        async with aclosing(found) as updates:
            async for update in updates:
                yield update
                if not has_history:
                    yield PageUpdate().with_history(*await self._history.page(event))
                    has_history = True
        yield update.with_history(*await self._history.page(event))

    def _listener(
        self, function: Callable[..., Any], inputs: Sequence[str], outputs: Sequence[str]
    ) -> dict[str, Any]:
        return {
            "fn": function,
            "inputs": [self._components[name] for name in inputs],
            "outputs": [self._components[name] for name in outputs],
            **EVENT,
        }


def _event(
    request: gr.Request, data: gr.EventData, names: Sequence[str], values: Sequence[Any]
) -> PageEvent:
    return PageEvent.of(request, data._data, dict(zip(names, values, strict=True)))
