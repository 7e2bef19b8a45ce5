"""Which addresses lie in the public Internet, those included that carry another one inside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: a gateway takes the last 32 bits for the address it asks."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: the same within a network, which alone knows where in it the address stands."""
_COMPATIBLE = IPv6Network("::/96")
"""RFC 4291, out of use: an IPv4 address in the last 32 bits."""


def is_public(address: str) -> bool:
    """Whether an IP address, and the one that a gateway would take out of it, are public."""
    outer = ip_address(address.partition("%")[0])
    if outer.is_multicast:  # Global to `ipaddress`, and no host.
        return False
    if isinstance(outer, IPv4Address):
        return outer.is_global
    if outer.ipv4_mapped is not None:  # The same address in another spelling.
        return is_public(str(outer.ipv4_mapped))
    if outer.sixtofour is not None:  # Itself private to Python from 3.12.4 on, global before.
        return is_public(str(outer.sixtofour))
    inner = _carried(outer)
    return (
        outer.is_global and outer not in _LOCAL_NAT64 and (inner is None or is_public(str(inner)))
    )


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
