"""Every button of the page's own markup, by what its `data-action` says."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What a button is pressed for. Which handler takes it is in the dispatch table of each file
    in `handlers/`."""

    # Among the results.
    SHOW = "show"  # A flagged picture is uncovered,
    COVER = "cover"  # and covered again.
    AGAIN = "again"  # What was paid for is looked for again, which is free.
    RESEND = "resend"  # The edit is sent once more, which costs.
    RESUME = "resume"  # The rest of a batch goes on,
    REPEAT = "repeat"  # what failed of it is tried again,
    PACK = "pack"  # and all of it is packed.
    USE_RESULT = "input"  # A result becomes the picture to edit; in the history, too.
    USE_ORIGINAL = "original"
    USE_EXAMPLE = "example"

    # Another run takes the stage: a card of the history, a version, all of a group.
    OPEN = "open"
    VERSION = "version"
    OPEN_GROUP = "group"

    # In the history.
    REUSE = "reuse"
    DELETE = "delete"
    DELETE_AT_SERVICE = "delete-there"
    EXPORT = "export"
    OLDER = "older"
    NEWER = "newer"

    # Among the pictures to edit.
    RESTORE = "restore"
    MOVE_LEFT = "left"
    MOVE_RIGHT = "right"
    REMOVE = "remove"
