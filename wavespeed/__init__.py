"""A client for WaveSpeed's image edits, by default `openai/gpt-image-1-mini/edit`: typed, async,
and careful with money.

    async with AsyncClient(key) as client:
        async for event in client.edit(Edit("make it black and white", (Path("cup.jpg"),))):
            print(event)

What happens during an edit is in `wavespeed.events`, what can go wrong in `wavespeed.errors`.
httpx, Pillow and pillow-heif are all it needs; copy the files beside this one and they work alone.
"""

from . import errors, events
from ._durations import Durations
from ._policies import Policies, Timeouts
from ._poll_policy import PollPolicy
from ._pool import ConnectionPool
from ._retry_policy import RetryPolicy
from .client import BASE_URL, AsyncClient
from .errors import WaveSpeedError
from .images import prepare
from .proxies import Proxies
from .types import (
    MAX_IMAGES,
    MAX_PROMPT,
    MODEL,
    PRICE_USD,
    Edit,
    Image,
    Output,
    Prediction,
    Preprocessing,
)

__all__ = [
    "BASE_URL",
    "MAX_IMAGES",
    "MAX_PROMPT",
    "MODEL",
    "PRICE_USD",
    "AsyncClient",
    "ConnectionPool",
    "Durations",
    "Edit",
    "Image",
    "Output",
    "Policies",
    "PollPolicy",
    "Prediction",
    "Preprocessing",
    "Proxies",
    "RetryPolicy",
    "Timeouts",
    "WaveSpeedError",
    "errors",
    "events",
    "prepare",
]
