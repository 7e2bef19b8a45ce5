"""What the page stands on."""

from __future__ import annotations

from dataclasses import dataclass

from wavespeed.studio.export.downloads import Downloads
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.security.uploads import Uploads

from .sessions import ClientFactory
from .settings import Nsfw


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services of one process, and what the page says of it."""

    runner: Runner
    account: Account
    client_of: ClientFactory
    uploads: Uploads
    downloads: Downloads

    nsfw: Nsfw
    engine: str
    """Who answers, as the banner says it."""
    is_sandbox: bool
    api_url: tuple[str, str]
    """Where edits are sent, under the server's key and under visitors' own."""
    key_label: str
    """Whose key is used where a visitor brings none."""
    has_mcp: bool
    """Whether the edit is a tool for models, too."""
    is_space: bool
    """A Space can be duplicated."""
    budget_usd: float | None
    """What the page says of a limit."""
    home: str
    """The address that links name, where it is not the page's own."""
