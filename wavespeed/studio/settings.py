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

from wavespeed import BASE_URL, MODEL, Proxies
from wavespeed._pool import check_environment
from wavespeed.errors import InvalidEnvironment
from wavespeed.types import is_model_id

LEVELS = ("debug", "info", "warning", "error")
Nsfw = Literal["blur", "hide", "show"]
NSFW: dict[str, Nsfw] = {"blur": "blur", "hide": "hide", "show": "show"}
LOCAL = {"127.0.0.1", "localhost", "::1"}
SPACE_BUDGET_USD = 5.0
"""What visitors of a Space may spend in a day with its owner's key, if its owner has not said."""


SECRETS = ("WAVESPEED_API_KEY", "WAVESPEED_AUTH")
"""Settings that must not stand where others can read them."""


class SettingsError(Exception):
    """A variable of the environment makes no sense; `str()` is one line that names it, without
    its value, which may be a key in the wrong place."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. `api_key` None: the sandbox answers."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str = BASE_URL
    model: str = MODEL
    """The service's id of the model that is asked."""
    data_dir: Path = Path("data")
    keep_days: float | None = None
    deadline: float = 600.0
    budget_usd: float | None = None
    is_default_budget: bool = False
    """Nobody has set it: a Space is open to all the world."""
    visitor_edits: int | None = None
    parallel: int = 2
    visitor_mb: int | None = 2_000
    disk_mb: int | None = 20_000
    """What the pictures and results of one visitor and of all may take; None: no limit."""
    nsfw: Nsfw = "blur"
    sandbox_seconds: tuple[float, float] = (1.0, 3.0)
    """The shortest and the longest that an edit of the sandbox takes."""
    require_visitor_key: bool = False
    auth: tuple[str, str] | None = field(default=None, repr=False)
    """User and password of the page, if it has a login."""
    log: str = "info"
    server_name: str = "127.0.0.1"
    server_port: int = 7860
    hosts: tuple[str, ...] = ()
    """The names that the page answers to, this machine's own aside; empty: any."""
    public_host: str | None = None
    """A name that the page is known to have, whatever a proxy passes on."""
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

    @property
    def home(self) -> str:
        """Where people find a Space: the page itself is in a frame there, under another name; empty
        elsewhere."""
        return f"https://huggingface.co/spaces/{self.space}" if self.space else ""

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
    """Raises `SettingsError`. A variable that is empty counts as not set."""

    def value(name: str, default: str = "") -> str:
        return environment.get(name, "").strip() or default

    space = value("SPACE_ID")
    api_key = value("WAVESPEED_API_KEY") or None
    require_visitor_key = (
        _choice(
            "WAVESPEED_REQUIRE_VISITOR_KEY", value("WAVESPEED_REQUIRE_VISITOR_KEY", "0"), ("0", "1")
        )
        == "1"
    )
    budget = value("WAVESPEED_BUDGET_USD").lower()
    is_open = bool(space and api_key) and not require_visitor_key
    return Settings(
        api_key=api_key,
        base_url=_url("WAVESPEED_BASE_URL", value("WAVESPEED_BASE_URL", BASE_URL)),
        model=_model("WAVESPEED_MODEL", value("WAVESPEED_MODEL", MODEL)),
        data_dir=Path(value("WAVESPEED_DATA_DIR") or _data_dir(in_space=bool(space))),
        keep_days=_limit("WAVESPEED_KEEP_DAYS", value("WAVESPEED_KEEP_DAYS")),
        deadline=_number("WAVESPEED_DEADLINE_S", value("WAVESPEED_DEADLINE_S", "600"), least=1),
        budget_usd=_budget("WAVESPEED_BUDGET_USD", budget, is_open=is_open),
        is_default_budget=is_open and not budget,
        visitor_edits=_count("WAVESPEED_VISITOR_EDITS", value("WAVESPEED_VISITOR_EDITS")),
        parallel=_count("WAVESPEED_PARALLEL", value("WAVESPEED_PARALLEL", "2")) or 1,
        visitor_mb=_size("WAVESPEED_VISITOR_MB", value("WAVESPEED_VISITOR_MB", "2000")),
        disk_mb=_size("WAVESPEED_DISK_MB", value("WAVESPEED_DISK_MB", "20000")),
        nsfw=NSFW[_choice("WAVESPEED_NSFW", value("WAVESPEED_NSFW", "blur").lower(), tuple(NSFW))],
        sandbox_seconds=_span(
            "WAVESPEED_SANDBOX_SECONDS", value("WAVESPEED_SANDBOX_SECONDS", "1-3")
        ),
        require_visitor_key=require_visitor_key,
        auth=_login("WAVESPEED_AUTH", value("WAVESPEED_AUTH")),
        log=_choice("WAVESPEED_LOG", value("WAVESPEED_LOG", "info").lower(), LEVELS),
        # An IPv6 address comes in brackets and without.
        server_name=value("GRADIO_SERVER_NAME", "0.0.0.0" if space else "127.0.0.1").strip("[]"),
        server_port=_port("GRADIO_SERVER_PORT", value("GRADIO_SERVER_PORT", "7860")),
        hosts=_hosts("WAVESPEED_HOSTS", value("WAVESPEED_HOSTS").lower()),
        public_host=value("SPACE_HOST") or urlsplit(value("GRADIO_ROOT_PATH")).netloc or None,
        space=space or None,
        temp_dir=Path(value("GRADIO_TEMP_DIR")) if value("GRADIO_TEMP_DIR") else None,
        proxies=_proxies(environment),
    )


def warning_of_a_space(environment: Mapping[str, str]) -> str:
    """What the owner of a Space is told about the secrets among its settings; empty elsewhere, or
    where there are none. A Space hands its secrets and its variables to the program alike, as
    variables of the environment, so that it can't be told from here which they are."""
    names = [name for name in SECRETS if environment.get(name, "").strip()]
    if not names or not environment.get("SPACE_ID", "").strip():
        return ""
    what, where = ("has", "a secret") if len(names) == 1 else ("have", "secrets")
    return (
        f"{' and '.join(names)} {what} to be {where} of this Space, not among its variables: anyone"
        " can read those, and a duplicate of the Space copies them. See Settings, Variables and"
        " secrets; what was a variable is to be replaced, not only moved."
    )


def _url(name: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    odd = parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]+", text)
    if parts.scheme not in ("http", "https") or not host or odd:
        raise SettingsError(f"{name} has to be an address like https://api.wavespeed.ai.")
    if parts.username or parts.password:
        raise SettingsError(f"{name} must not hold a user name or password.")
    if parts.scheme == "http" and host not in LOCAL:
        raise SettingsError(f"{name} has to begin with https://, since the key is sent there.")
    return text.rstrip("/")


def _model(name: str, text: str) -> str:
    if not is_model_id(text):
        raise SettingsError(f"{name} has to be the id of a model, like {MODEL}.")
    return text


def _hosts(name: str, text: str) -> tuple[str, ...]:
    hosts = tuple(filter(None, (host.strip() for host in text.split(","))))
    if all(re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", host) for host in hosts):
        return hosts
    raise SettingsError(f"{name} has to be names like edit.example.com, with commas between.")


def _budget(name: str, text: str, *, is_open: bool) -> float | None:
    if text == "none":
        return None
    return SPACE_BUDGET_USD if is_open and not text else _limit(name, text)


def _proxies(environment: Mapping[str, str]) -> Proxies:
    try:
        return check_environment(environment)
    except InvalidEnvironment as error:
        raise SettingsError(str(error)) from error


def _port(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise SettingsError(f"{name} has to be a number from 1 to 65535.")


def _data_dir(*, in_space: bool) -> str:
    """A Space keeps what is in /data, if its owner has mounted a bucket there."""
    return "/data" if in_space and os.access("/data", os.W_OK) else "data"


def _login(name: str, text: str) -> tuple[str, str] | None:
    user, _, password = text.partition(":")
    if text and not (user and password):
        raise SettingsError(f"{name} has to be user:password.")
    return (user, password) if text else None


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise SettingsError(f"{name} has to be one of {', '.join(choices)}.")
    return text


def _limit(name: str, text: str) -> float | None:
    return _number(name, text) if text else None


def _count(name: str, text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{name} has to be a whole number.")
    return int(text) if text else None


def _span(name: str, text: str) -> tuple[float, float]:
    """Two numbers of seconds with a hyphen between, the smaller one first."""
    first, _, second = text.partition("-")
    shortest, longest = _number(name, first), _number(name, second or first)
    if shortest > longest:
        raise SettingsError(f"{name} has to be two numbers like 1-3, the smaller one first.")
    return shortest, longest


def _size(name: str, text: str) -> int | None:
    return None if text.lower() == "none" else _count(name, text)


def _number(name: str, text: str, least: float = 0.0) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf:
        raise SettingsError(f"{name} has to be a number of at least {least:g}.")
    return number
