"""The page's API for scripts and models."""

from __future__ import annotations

from gradio.events import api

from wavespeed.studio.studio import Studio

from .edit import EditApi


def add_endpoints(studio: Studio) -> None:
    """The endpoints for scripts and, with Gradio's MCP server, the tool for models; call it within
    the page's Blocks."""
    endpoints = EditApi(studio.runner, studio.account, studio.client_of, studio.uploads)
    for endpoint in (endpoints.edit, endpoints.edit_stream):
        about = endpoints.description(endpoint)
        name = endpoint.__name__
        api(endpoint, api_name=name, api_description=about, concurrency_limit=None)
    if studio.has_mcp:  # Not queued: what goes through the queue reaches a model as one long text.
        about = endpoints.description(endpoints.edit_picture)
        api(endpoints.edit_picture, api_name="edit_picture", api_description=about, queue=False)
