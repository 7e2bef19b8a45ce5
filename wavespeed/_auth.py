"""The API key on its way into the `Authorization` header, and out of whatever is shown."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from . import keys
from .errors import InvalidApiKey


class BearerAuth(httpx.Auth):
    """The key, where no `repr`, log line or traceback shows it, without what is pasted along."""

    def __init__(self, api_key: str) -> None:
        self.__key = keys.clean(api_key) if isinstance(api_key, str) else ""

    def check(self) -> None:
        """Raises `InvalidApiKey` for what can't be one. Apart, so that no frame of it holds the
        key."""
        if sentence := keys.problem(self.__key):
            raise InvalidApiKey(sentence, status=401)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.__key}"
        yield request

    def redact(self, text: str) -> str:
        """A text that is going to be shown and may repeat the key, as error texts do."""
        return keys.redact(text, self.__key)
