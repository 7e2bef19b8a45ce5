"""Whose requests are answered: those of the page itself, under the names it is served at. Pure.

A browser says in `Origin` which page makes a request, and in `Sec-Fetch-Site` whether that page is
of another site; scripts (gradio_client, curl, Node) say neither and are answered. A Space stands in
a frame of huggingface.co, but what it asks for has the Space's own origin: the Hub needs to frame
the page and to read nothing of it, so that no other origin is ever let in.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from wavespeed.studio.text import labels


class Headers(Protocol):
    """The headers of a request, names in any case."""

    def getlist(self, key: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: an HTTP status and a sentence."""

    status: int
    message: str
    retry_after: int | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the page is served. `hosts` are the only names it answers to besides this machine's
    own (empty: any name); `public_host` is one that it is known to have, whatever a proxy says;
    with `loopback` it is bound to this machine alone."""

    hosts: tuple[str, ...] = ()
    public_host: str | None = None
    loopback: bool = False

    def refusal(self, headers: Headers) -> Refusal | None:
        """Why the request is refused, if it is."""
        host = next(iter(headers.getlist("host")), "")
        if not self._is_served_at(host):
            return Refusal(421, labels.WRONG_HOST)
        forwarded = ",".join(headers.getlist("x-forwarded-host")).split(",")
        own = [host, *(name.strip() for name in forwarded), *self.hosts, self.public_host or ""]
        origins = headers.getlist("origin")
        if not all(_is_of(origin, own) for origin in origins) or _is_from_another_site(headers):
            return Refusal(403, labels.FOREIGN_ORIGIN)
        return None

    def _is_served_at(self, host: str) -> bool:
        """Against DNS rebinding: a stranger's name that resolves to this machine makes a stranger's
        page one of the same origin. X-Forwarded-Host does not count here, since that page could
        send it."""
        if not (self.hosts or self.loopback) or is_local(host):
            return True
        name, port = _split(host)
        return bool(name) and any(_split(one) in ((name, None), (name, port)) for one in self.hosts)


def is_local(netloc: str) -> bool:
    """Whether a host, with or without a port, is a name of this very machine."""
    name, _ = _split(netloc)
    return name == "localhost" or is_loopback(name)


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_of(origin: str, own: list[str]) -> bool:
    """Whether the origin is one of the page's own hosts. The scheme says nothing behind a proxy
    that ends TLS, and one may pass on the host without its port: then the name decides."""
    scheme, _, netloc = origin.partition("://")
    name, port = _split(netloc) if scheme in ("http", "https") else ("", None)
    return bool(name) and any(_split(host) in ((name, None), (name, port)) for host in own)


def _is_from_another_site(headers: Headers) -> bool:
    """Whether another site's page asks for something to use in it, as with `<img>`, which sends no
    origin. A link to the page is welcome; what may frame it, the page itself says."""
    site = headers.getlist("sec-fetch-site")
    return site in (["cross-site"], ["same-site"]) and headers.getlist("sec-fetch-mode") != [
        "navigate"
    ]


def _split(netloc: str) -> tuple[str, int | None]:
    """Its name and its port, if that is not the scheme's own; an empty name where it has none."""
    try:
        parts = urlsplit(f"//{netloc.lower()}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return ("" if parts.username is not None else name), (None if port in (80, 443) else port)
