"""What an event of the page brings, as one typed value: made once, at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import gradio as gr

from wavespeed.studio.security.uploads import Files
from wavespeed.studio.sessions import visitor_id

from .actions import Action

PageId = tuple[str | None, str]
"""Gradio's id of an open page, and its visitor's: one alone could be another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEvent:
    """An event brings the fields that it needs; the others are empty. All of it is whatever a
    browser sent, but for `visitor_id`, which is well formed."""

    request: gr.Request = field(repr=False)
    visitor_id: str = ""
    sent_visitor_id: str | None = None
    """The id as the page knows it, which it may not yet."""

    action: Action | None = None
    run_id: str = ""
    latest_run_id: str = ""
    """The newest version, where an older one is asked for."""
    index: int = 0

    files: Files = None
    prompt: str = ""
    one_edit_per_image: bool = False
    variants: object = "1"
    sync_mode: bool = False
    base64_output: bool = False
    api_key: str | None = None
    price_usd: float | None = None
    press_id: object = None
    shown: str | None = None
    """The run, or the group of runs, that the page shows."""
    revealed: set[str] = field(default_factory=set)
    """The flagged pictures that were uncovered; changed in place, so that what watches an edit for
    this page knows of it at once."""
    draft: object = None
    prediction_id: str = ""

    @property
    def page(self) -> PageId:
        return self.request.session_hash, self.visitor_id

    @classmethod
    def of(cls, request: gr.Request, data: object, values: Mapping[str, Any]) -> Self:
        """The event of the components' values by their names, and of what a button of ours says."""
        field_names = {one.name for one in fields(cls)}
        fields_by_name = {name: value for name, value in values.items() if name in field_names}
        sent = values.get("visitor_id")
        button = data if isinstance(data, dict) else {}
        fields_by_name |= {
            "visitor_id": visitor_id(sent, request),
            "sent_visitor_id": sent,
            "action": _action(button.get("action")),
            "run_id": str(button.get("run") or ""),
            "latest_run_id": str(button.get("tip") or ""),
            "index": _index(button.get("index")),
        }
        if button.get("press"):
            fields_by_name["press_id"] = button["press"]
        return cls(request=request, **fields_by_name)


def _action(text: object) -> Action | None:
    return Action(text) if isinstance(text, str) and text in list(Action) else None


def _index(number: object) -> int:
    """Where it makes no sense, the number of nothing."""
    return number if isinstance(number, int) and not isinstance(number, bool) else -1
