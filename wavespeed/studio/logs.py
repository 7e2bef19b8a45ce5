"""The log: levels as people expect, every line of a run with its id, and never a key in it."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar

from wavespeed import keys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
RUN: ContextVar[str] = ContextVar("run", default="")
"""The id of the run whose task this is; threads that it starts inherit it."""
_BEARER = re.compile(r"(?i)(bearer\s+|x-wavespeed-key\W+)[^\s'\",]+")
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"<>]*=[^\s'\"<>]*")
"""Of an address: there stand session hashes, signatures and visitors' words."""


class Redact(logging.Formatter):
    """Blacks out what looks like a key and what is one, and the queries of addresses, tracebacks
    included.

    The last line of defence: nothing that we know of writes a key to begin with.
    """

    def __init__(self, secret: str | None) -> None:
        super().__init__(FORMAT)
        self._secret = keys.clean(secret or "")  # As it is sent.

    def format(self, record: logging.LogRecord) -> str:
        run = f" [run {RUN.get()}]" if RUN.get() else ""
        text = _BEARER.sub(r"\1[key]", super().format(record)) + run
        return keys.redact(_QUERY.sub("?[query]", text), self._secret)


def configure(level: str, secret: str | None) -> None:
    """Logs to stderr from now on; `level` is one of logging's names, in lower case."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redact(secret))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("wavespeed").setLevel(level.upper())
