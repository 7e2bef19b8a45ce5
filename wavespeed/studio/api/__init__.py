"""The page's API for scripts and models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.events import api
from gradio.utils import get_function_description

from wavespeed.studio.runs.account import Account
from wavespeed.studio.services import Services

from .calls import Calls
from .edit import EditApi
from .mcp import EditTool


def add_endpoints(services: Services) -> None:
    """Adds the endpoints for scripts and, with Gradio's MCP server, the tool for models; to be
    called within the page's Blocks."""
    calls = Calls(services)
    scripts = EditApi(calls, services.runner)
    for name, endpoint in {"edit": scripts.edit, "edit_stream": scripts.edit_stream}.items():
        about = description(endpoint, services.account)
        api(endpoint, api_name=name, api_description=about, concurrency_limit=None)
    if (
        services.has_mcp
    ):  # Not queued: what goes through the queue reaches a model as one long text.
        tool = EditTool(calls).edit_picture
        about = description(tool, services.account)
        api(tool, api_name="edit_picture", api_description=about, queue=False)


def description(endpoint: Callable[..., Any], account: Account) -> str:
    """What its docstring says of an endpoint, and which model it asks at what price, which only the
    settings and the service know."""
    about, _, returns = get_function_description(endpoint)
    price = account.price_usd
    costs = "cost_usd says what it took" if price is None else f"some {price:g} USD an edit"
    sentence = f"{about} The model is {account.model}, {costs}."
    return f"{sentence} Returns: {', '.join(returns)}" if returns else sentence
