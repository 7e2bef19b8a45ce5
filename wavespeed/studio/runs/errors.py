"""What can go wrong in the studio and not at the service; the same tree, so the same words."""

from __future__ import annotations

from datetime import datetime

from wavespeed import WaveSpeedError


class SaveFailed(WaveSpeedError):
    """The picture came, and could not be kept: the disk is at fault, or it is no picture."""

    code = "save_failed"

    def __init__(self, message: str) -> None:
        super().__init__(message, spent="yes")


class InvalidOutput(SaveFailed):
    """What came can't be decoded."""

    code = "invalid_output"


class StoreWriteFailed(WaveSpeedError):
    """The store could not be written before the submission, which was therefore not sent."""

    code = "store_write_failed"


class LimitExceeded(WaveSpeedError):
    """A limit of the day is reached; nothing was sent. `limit` is "budget" or "visitor"."""

    code = "limit_exceeded"

    def __init__(self, limit: str, opens: datetime) -> None:
        subject = "Today's budget is" if limit == "budget" else "Your edits of today are"
        super().__init__(f"{subject} used up. It opens again at {opens:%H:%M} UTC.")
        self.limit = limit


class PriceUnknown(WaveSpeedError):
    """There is a budget, and nobody knows what the model costs; nothing was sent."""

    code = "price_unknown"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"What an edit by {model} costs is not known yet. This server has a budget, so nothing"
            " is sent before it is."
        )


class QuotaExceeded(WaveSpeedError):
    """There is no room for the files of one more edit; nothing was sent. `limit` is "visitor" or
    "all"."""

    code = "quota_exceeded"

    def __init__(self, limit: str, most: str) -> None:
        owner = "your edits" if limit == "visitor" else "all edits on this server"
        super().__init__(f"The pictures and results of {owner} take {most}, all that they may.")
        self.limit = limit


class ApiKeyRequired(WaveSpeedError):
    """A restart interrupted an edit under a visitor's key, which only the visitor has."""

    code = "api_key_required"


class Interrupted(WaveSpeedError):
    """A restart came before the edit was sent, and too long ago to send it now."""

    code = "interrupted"
