"""The log: levels as people expect, and never a key in it."""

from __future__ import annotations

import logging
import re

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_BEARER = re.compile(r"(?i)(bearer\s+|x-wavespeed-key\W+)[^\s'\",]+")


class Redact(logging.Formatter):
    """Blacks out what looks like a key and what is one, tracebacks included.

    The last line of defence: nothing that we know of writes a key to begin with.
    """

    def __init__(self, secret: str | None) -> None:
        super().__init__(FORMAT)
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        text = _BEARER.sub(r"\1[key]", super().format(record))
        return text.replace(self._secret, "[key]") if self._secret else text


def begin(level: str, secret: str | None) -> None:
    """Logs to stderr from now on; `level` is one of logging's names, in lower case."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redact(secret))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("wavespeed").setLevel(level.upper())
