"""Slows down who guesses the page's password. Pure: the clock is the caller's.

The `limits` package reads the wall clock itself and keeps a record for each address without a
bound; this is one number for each.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many tries at once, then one each `interval` seconds."""

    burst: int
    interval: float

    def wait(self, due: float, now: float) -> float:
        """Seconds until the next try, 0 for now; `due` is when all tries so far are forgotten."""
        return max(0.0, due - now - (self.burst - 1) * self.interval)


class LoginThrottle:
    """Counts tries by address, and all together: who has a thousand addresses waits as well, and
    so may the owner then, but with one password a second nobody guesses a good one."""

    def __init__(
        self,
        each: Rate = Rate(5, 10.0),
        everyone: Rate = Rate(60, 1.0),
        most_addresses: int = 10_000,
    ) -> None:
        self._each = each
        self._everyone = everyone
        self._most = most_addresses
        # When all tries of an address are forgotten; the one that tried longest ago first.
        self._due: OrderedDict[str, float] = OrderedDict()
        self._due_of_everyone = 0.0

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may try a password; 0: now, and the try is counted.

        It is counted before the password is looked at: of a hundred tries at once all would get
        through else. A right password is not even looked at during a wait.
        """
        due = self._due.get(address, now)
        wait = max(
            self._each.wait(due, now), self._everyone.wait(max(self._due_of_everyone, now), now)
        )
        if wait <= 0:
            self._due[address] = max(due, now) + self._each.interval
            self._due.move_to_end(address)
            self._due_of_everyone = max(self._due_of_everyone, now) + self._everyone.interval
            if len(self._due) > self._most:
                self._due.popitem(last=False)
        return wait

    def succeeded(self, address: str) -> None:
        """The password was right: the tries of this address are forgotten."""
        if self._due.pop(address, None) is not None:
            self._due_of_everyone -= self._everyone.interval


def address_of(client: str, forwarded_for: str) -> str:
    """Whom a try counts against: the client, or who a proxy in a private network says that it is;
    what such a proxy added stands last. Somebody in that network can invent addresses, and meets
    the limit of all together. An IPv6 network of one customer counts as one."""
    last = forwarded_for.rpartition(",")[2].strip()
    try:
        address = ip_address(client)
        if last and address.is_private:
            address = ip_address(last)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
