"""The environment, read once, validated, typed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from wavespeed import BASE_URL, InvalidEnvironment, Proxies
from wavespeed.connections import check_environment

LEVELS = ("debug", "info", "warning", "error")
Nsfw = Literal["blur", "hide", "show"]
NSFW: dict[str, Nsfw] = {"blur": "blur", "hide": "hide", "show": "show"}
LOCAL = {"127.0.0.1", "localhost", "::1"}


class BadSetting(Exception):
    """A variable of the environment makes no sense; `str()` is one line that names it, without
    its value, which may be a key in the wrong place."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `api_key` None: the sandbox answers."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str = BASE_URL
    data_dir: Path = Path("data")
    keep_days: float | None = None
    deadline: float = 600.0
    budget_usd: float | None = None
    visitor_edits: int | None = None
    parallel: int = 2
    nsfw: Nsfw = "blur"
    require_visitor_key: bool = False
    auth: tuple[str, str] | None = field(default=None, repr=False)
    """User and password of the page, if it has a login."""
    log: str = "info"
    server_name: str = "127.0.0.1"
    server_port: int = 7860
    space: str | None = None
    """The Hugging Face Space that this is, as `owner/name`."""
    temp_dir: Path | None = None
    """Gradio's cache, where it is not in the data folder."""
    proxies: Proxies = field(default_factory=Proxies)

    @property
    def cache_dir(self) -> Path:
        """Gradio's cache: uploads, and copies of pictures for the page. In the data folder, which
        is one process's own; in a shared one each would delete what another serves."""
        return (self.temp_dir or self.data_dir / "cache").resolve()

    def adjust(self, environment: MutableMapping[str, str]) -> None:
        """Says the same to Gradio, some of it in spellings that it takes. Before it is imported,
        since it reads the environment there and then, and dies of a `NO_PROXY` that others take."""
        variables = self.proxies.variables(self.server_name)
        for name in variables:
            environment.pop(name.upper(), None)
            environment.pop(name, None)
        environment.update({name: value for name, value in variables.items() if value})
        environment["GRADIO_TEMP_DIR"] = str(self.cache_dir)
        # Gradio tries the port there by IPv4 alone; where to serve, it is told when it is launched.
        environment.pop("GRADIO_SERVER_NAME", None)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises `BadSetting`. A variable that is empty counts as not set."""

    def value(name: str, default: str = "") -> str:
        return environment.get(name, "").strip() or default

    space = value("SPACE_ID")
    return Settings(
        api_key=value("WAVESPEED_API_KEY") or None,
        base_url=_url("WAVESPEED_BASE_URL", value("WAVESPEED_BASE_URL", BASE_URL)),
        data_dir=Path(value("WAVESPEED_DATA_DIR") or _data_dir(in_space=bool(space))),
        keep_days=_limit("WAVESPEED_KEEP_DAYS", value("WAVESPEED_KEEP_DAYS")),
        deadline=_number("WAVESPEED_DEADLINE_S", value("WAVESPEED_DEADLINE_S", "600"), least=1),
        budget_usd=_limit("WAVESPEED_BUDGET_USD", value("WAVESPEED_BUDGET_USD")),
        visitor_edits=_count("WAVESPEED_VISITOR_EDITS", value("WAVESPEED_VISITOR_EDITS")),
        parallel=_count("WAVESPEED_PARALLEL", value("WAVESPEED_PARALLEL", "2")) or 1,
        nsfw=NSFW[_choice("WAVESPEED_NSFW", value("WAVESPEED_NSFW", "blur").lower(), tuple(NSFW))],
        require_visitor_key=_choice(
            "WAVESPEED_REQUIRE_VISITOR_KEY", value("WAVESPEED_REQUIRE_VISITOR_KEY", "0"), ("0", "1")
        )
        == "1",
        auth=_login("WAVESPEED_AUTH", value("WAVESPEED_AUTH")),
        log=_choice("WAVESPEED_LOG", value("WAVESPEED_LOG", "info").lower(), LEVELS),
        # An IPv6 address comes in brackets and without.
        server_name=value("GRADIO_SERVER_NAME", "0.0.0.0" if space else "127.0.0.1").strip("[]"),
        server_port=_port("GRADIO_SERVER_PORT", value("GRADIO_SERVER_PORT", "7860")),
        space=space or None,
        temp_dir=Path(value("GRADIO_TEMP_DIR")) if value("GRADIO_TEMP_DIR") else None,
        proxies=_proxies(environment),
    )


def _url(name: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    odd = parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]+", text)
    if parts.scheme not in ("http", "https") or not host or odd:
        raise BadSetting(f"{name} has to be an address like https://api.wavespeed.ai.")
    if parts.username or parts.password:
        raise BadSetting(f"{name} must not hold a user name or password.")
    if parts.scheme == "http" and host not in LOCAL:
        raise BadSetting(f"{name} has to begin with https://, since the key is sent there.")
    return text.rstrip("/")


def _proxies(environment: Mapping[str, str]) -> Proxies:
    try:
        return check_environment(environment)
    except InvalidEnvironment as error:
        raise BadSetting(str(error)) from error


def _port(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise BadSetting(f"{name} has to be a number from 1 to 65535.")


def _data_dir(*, in_space: bool) -> str:
    """A Space keeps what is in /data, if its owner has mounted a bucket there."""
    return "/data" if in_space and os.access("/data", os.W_OK) else "data"


def _login(name: str, text: str) -> tuple[str, str] | None:
    user, _, password = text.partition(":")
    if text and not (user and password):
        raise BadSetting(f"{name} has to be user:password.")
    return (user, password) if text else None


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise BadSetting(f"{name} has to be one of {', '.join(choices)}.")
    return text


def _limit(name: str, text: str) -> float | None:
    return _number(name, text) if text else None


def _count(name: str, text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit()):
        raise BadSetting(f"{name} has to be a whole number.")
    return int(text) if text else None


def _number(name: str, text: str, least: float = 0.0) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf:
        raise BadSetting(f"{name} has to be a number of at least {least:g}.")
    return number
