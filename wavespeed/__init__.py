"""A client for WaveSpeed's image edits, by default `openai/gpt-image-1-mini/edit`: typed, async,
and careful with money.

    async with AsyncClient(key) as client:
        async for event in client.edit(Edit("make it black and white", (Path("cup.jpg"),))):
            print(event)

httpx, Pillow and pillow-heif are all it needs; copy the files beside this one and they work alone.
"""

from ._durations import Durations
from ._policies import Pace
from ._pool import Connections
from .client import BASE_URL, AsyncClient
from .errors import (
    AmbiguousSubmit,
    BadKey,
    EditFailed,
    EditOverdue,
    InactiveKey,
    InvalidEdit,
    InvalidEnvironment,
    MissingFile,
    ModelNotFound,
    Moderated,
    NoCredit,
    NoOutputs,
    NotAllowed,
    NotUnderstood,
    PrivateAddress,
    RateLimited,
    Refused,
    ServiceDown,
    Spent,
    UnknownTask,
    Unreachable,
    WaveSpeedError,
)
from .images import prepare
from .proxies import Proxies
from .types import (
    MAX_IMAGES,
    MAX_PROMPT,
    MODEL,
    PRICE_USD,
    Changes,
    Completed,
    Downloaded,
    Edit,
    Event,
    Finished,
    Image,
    Moment,
    OfTask,
    Output,
    Polled,
    Prediction,
    Preparing,
    Submitted,
    Submitting,
    Uploaded,
    Uploading,
    Waiting,
    byte_count,
    is_model_id,
)

# fmt: off
__all__ = [
    "BASE_URL", "MAX_IMAGES", "MAX_PROMPT", "MODEL", "PRICE_USD", "AmbiguousSubmit", "AsyncClient",
    "BadKey", "Changes", "Completed", "Connections", "Downloaded", "Durations", "Edit",
    "EditFailed", "EditOverdue", "Event", "Finished", "Image", "InactiveKey", "InvalidEdit",
    "InvalidEnvironment", "MissingFile", "ModelNotFound", "Moderated", "Moment", "NoCredit",
    "NoOutputs", "NotAllowed", "NotUnderstood", "OfTask", "Output", "Pace", "Polled", "Prediction",
    "Preparing", "PrivateAddress", "Proxies", "RateLimited", "Refused", "ServiceDown", "Spent",
    "Submitted", "Submitting", "UnknownTask", "Unreachable", "Uploaded", "Uploading", "Waiting",
    "WaveSpeedError", "byte_count", "is_model_id", "prepare",
]
