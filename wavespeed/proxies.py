"""Which proxy carries a request: what the environment says, in all spellings. Pure.

httpx can read the environment itself, but dies of what others take: `NO_PROXY` with `[::1]` or a
range of IPv6, `ALL_PROXY=socks://…` as GNOME writes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

from .errors import InvalidEnvironment

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""A proxy is for the world outside, not for a server on this machine."""
_SCHEMES = {
    "http": "http",
    "https": "https",
    "socks": "socks5",
    "socks5": "socks5",
    "socks5h": "socks5",  # The proxy looks names up, as httpx's does for all.
}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for http and https addresses (None: none), and the hosts that need none.

    No `repr` shows them: an address of a proxy can hold a password.
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    bypass: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """`http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in lower or upper case (lower
        case first, as in curl); without any, what the system's settings say (macOS, Windows).

        Raises `InvalidEnvironment`, which names the variable without its value.
        """
        found = {name: _variable(environment, name) for name in ("http", "https", "all", "no")}
        if sys.platform in ("darwin", "win32") and not any(value for _, value in found.values()):
            found |= {name: (f"{name}_proxy", value) for name, value in getproxies().items()}
        if "REQUEST_METHOD" in environment and found["http"][0] == "HTTP_PROXY":
            found["http"] = ("", "")  # In a CGI script the header `Proxy` of whoever asks.
        addresses = {name: _proxy(*found[name]) for name in ("http", "https", "all")}
        bypass = re.split(r"[,;\s]+", found["no"][1])
        return cls(
            http=addresses["http"] or addresses["all"],
            https=addresses["https"] or addresses["all"],
            bypass=tuple(entry for entry in bypass if entry),
        )

    def of(self, scheme: str, host: str, port: int | None) -> str | None:
        """The proxy that carries a request there; None where it goes directly."""
        host = host.strip("[]").rstrip(".").lower()
        if host in LOOPBACK or any(_matches(entry, host, port) for entry in self.bypass):
            return None
        return self.https if scheme == "https" else self.http

    def variables(self, *bypass: str) -> dict[str, str]:
        """The same in a spelling that httpx takes, for libraries that read the environment: by
        name, in lower case, "" where there is nothing. `bypass` names more hosts that need no
        proxy. What httpx can't express, a range of IPv6, is left out."""
        known = filter(_is_known_to_httpx, (*self.bypass, *LOOPBACK, *bypass))
        entries = dict.fromkeys(entry.strip("[]").removeprefix("*.") for entry in known)
        return {
            "http_proxy": self.http or "",
            "https_proxy": self.https or "",
            "all_proxy": "",
            "no_proxy": ",".join(entries),
        }


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """Its name as it is spelled, and its value."""
    for spelled in (f"{name}_proxy", f"{name.upper()}_PROXY"):
        if value := environment.get(spelled, "").strip():
            return spelled, value
    return f"{name.upper()}_PROXY", ""


def _proxy(name: str, value: str) -> str | None:
    if not value:
        return None
    parts = _split(value if "://" in value else f"http://{value}")
    if parts is None or parts.scheme not in _SCHEMES:
        known = "http://, https:// or socks5://"
        raise InvalidEnvironment(f"{name} has to be the address of a proxy, beginning {known}.")
    if not re.fullmatch(r"[\x21-\x7e]+", parts.netloc):
        raise InvalidEnvironment(f"{name} has to be the address of a proxy, in plain letters.")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `no_proxy` means this host: a name and all below it, an address, a range
    of addresses; each with a port or without, as address in brackets or without, or behind a
    scheme. What is none of these means nothing."""
    if entry == "*":
        return True
    entry = entry.lower().partition("://")[2] or entry.lower()
    if (network := _network(entry)) is not None:
        return _is_within(host, network)
    parts = _split(f"//{entry}")
    if parts is None or (parts.port is not None and parts.port != port):
        return False
    name = (parts.hostname or "").lstrip("*").lstrip(".").rstrip(".")
    if (network := _network(name)) is not None:
        return _is_within(host, network)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(re.sub(r"^\[(.*)\](/\d+)?$", r"\1\2", entry), strict=False)
    except ValueError:
        return None


def _is_within(host: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(host.partition("%")[0]) in network
    except ValueError:
        return False


def _is_known_to_httpx(entry: str) -> bool:
    return bool(re.fullmatch(r"\*|(?:\*\.)?[\w.\-]+", entry, re.ASCII)) or (
        (network := _network(entry)) is not None and "/" not in entry and network.version == 6
    )
