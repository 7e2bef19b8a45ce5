"""The server fetches nothing from inside its own network, however the host is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import KEY, QUICK
from wavespeed import AsyncClient, Output
from wavespeed._public_addresses import is_public
from wavespeed.errors import InvalidResponse

PRIVATE_HOSTS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "[fd00::1]",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
]


@pytest.mark.anyio
@pytest.mark.parametrize("host", PRIVATE_HOSTS)
async def test_no_spelling_of_a_private_host_is_asked(host: str) -> None:
    async with AsyncClient(KEY, base_url="https://api.wavespeed.ai", policies=QUICK) as client:
        with pytest.raises(InvalidResponse):
            await client.download(Output(url=f"https://{host}:9/x.png"))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::6810:84e5", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::93.184.215.14", True),
        ("2002:5db8:d70e::1", True),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1:5db8:d7:e00::", False),
        ("2002:a00:1::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),  # Teredo is nobody's web server.
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),
        ("::", False),
        ("fe80::1%eth0", False),
    ],
)
def test_an_address_counts_with_the_one_it_carries(address: str, public: bool) -> None:
    assert is_public(address) is public


@given(st.ip_addresses(v=4))
def test_what_carries_a_private_address_is_as_private(inner: object) -> None:
    if not is_public(str(inner)):
        number = int(inner)  # type: ignore[call-overload]
        high, low = number >> 16, number & 0xFFFF
        for outer in (f"::ffff:{inner}", f"64:ff9b::{inner}", f"2002:{high:x}:{low:x}::1"):
            assert not is_public(outer)
