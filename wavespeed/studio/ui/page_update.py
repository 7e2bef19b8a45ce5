"""What a handler changes on the page, as one typed value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import gradio as gr


class _Unchanged:
    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final[Any] = _Unchanged()
"""An output that is left as it is."""


@dataclass(frozen=True, slots=True)
class PageUpdate:
    """A field for each output that the page's events have, under the component's name in app.py;
    markup but for the fields of the form."""

    shown: Any = UNCHANGED
    status: Any = UNCHANGED
    results: Any = UNCHANGED
    stop: Any = UNCHANGED
    inputs_note: Any = UNCHANGED
    prompt_note: Any = UNCHANGED
    key_note: Any = UNCHANGED
    fetch_note: Any = UNCHANGED
    history: Any = UNCHANGED
    tally: Any = UNCHANGED

    files: Any = UNCHANGED
    prompt: Any = UNCHANGED
    one_edit_per_image: Any = UNCHANGED
    strip: Any = UNCHANGED
    prompt_hint: Any = UNCHANGED
    exported: Any = UNCHANGED
    visitor_id: Any = UNCHANGED
    price_usd: Any = UNCHANGED
    shortcut: Any = UNCHANGED
    key_panel: Any = UNCHANGED

    def outputs(self, names: Iterable[str]) -> list[Any]:
        """The values in the order of these components."""
        values = [getattr(self, name) for name in names]
        return [gr.skip() if value is UNCHANGED else value for value in values]

    def with_history(self, history: str, tally: str) -> PageUpdate:
        return replace(self, history=history, tally=tally)
