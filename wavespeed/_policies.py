"""How patient the client is: its timeouts, and what it makes of the policies beside this file."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._poll_policy import PollPolicy
from ._retry_policy import RetryPolicy


@dataclass(frozen=True, slots=True)
class Timeouts:
    """After how many seconds the client gives up waiting."""

    deadline: float = 600.0
    """For an edit, from its submission to its result. It ends the waiting, not the edit."""
    connect: float = 10.0
    """To open a connection."""
    answer: float = 30.0
    """For one whole exchange with the API."""
    transfer: float = 120.0
    """For one whole upload or download."""
    sync: float = 120.0
    """For a submission in sync mode: the service holds it for about 90 s (documented)."""


@dataclass(frozen=True, slots=True)
class Policies:
    """How patient the client is."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    poll: PollPolicy = field(default_factory=PollPolicy)
