"""How a request gets there: proxies as the environment spells them, names, addresses, and the one
address that was checked."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which
from typing import Any

import httpcore
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import KEY, QUICK, patient, story
from wavespeed import AsyncClient, ConnectionPool, Edit, Output, Proxies, WaveSpeedError, _network
from wavespeed._pool import check_environment
from wavespeed.errors import ConnectionFailed, InvalidEnvironment, InvalidResponse, PrivateAddress
from wavespeed.events import Finished

pytestmark = pytest.mark.anyio

VARIABLES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]
VARIABLES += [name.upper() for name in VARIABLES]
CERTIFICATES = ["SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's environment says, the tests say it themselves."""
    for name in [*VARIABLES, *CERTIFICATES]:
        monkeypatch.delenv(name, raising=False)


# --- Which proxy ----------------------------------------------------------------------------


def proxy(url: str, **environment: str) -> str | None:
    found = Proxies.from_environment(environment)
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition("|")
    return found.of(scheme, host, int(port) if port else None)


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "https://a.example", None),
        ({"https_proxy": "http://p:1"}, "https://a.example", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a.example", "http://p:1"),
        (
            {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"},
            "https://a.example",
            "http://p:1",
        ),
        ({"http_proxy": "http://p:1"}, "https://a.example", None),
        ({"http_proxy": "http://p:1"}, "http://a.example", "http://p:1"),
        ({"all_proxy": "p:1"}, "https://a.example", "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1"}, "https://a.example", "socks5://p:1"),
        ({"ALL_PROXY": "socks5h://p:1"}, "https://a.example", "socks5://p:1"),
        ({"all_proxy": "socks://p:1/"}, "https://a.example", "socks5://p:1"),
        (
            {"ALL_PROXY": "http://p:1", "https_proxy": "http://q:2"},
            "https://a.example",
            "http://q:2",
        ),
        (
            {"HTTPS_PROXY": " http://u:s%40@[::2]:8080/ "},
            "https://a.example",
            "http://u:s%40@[::2]:8080",
        ),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://a.example", None),
        ({"all_proxy": "http://p:1"}, "http://127.0.0.1", None),
        ({"all_proxy": "http://p:1"}, "http://[::1]", None),
        ({"all_proxy": "http://p:1"}, "http://localhost", None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    environment: dict[str, str], url: str, expected: str | None
) -> None:
    assert proxy(url, **environment) == expected


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("a.example", "a.example", True),
        ("a.example", "b.a.example", True),
        ("a.example", "ba.example", False),
        (".a.example", "b.a.example", True),
        ("*.a.example", "b.a.example", True),
        ("A.Example.", "a.example", True),
        ("x, a.example", "a.example", True),
        ("x a.example", "a.example", True),
        ("a.example:443", "a.example|443", True),
        ("a.example:443", "a.example|8443", False),
        ("https://a.example", "a.example", True),
        ("*", "a.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "a.example", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("[fd00::1]", "fd00::1", True),
        ("fd00::1", "[fd00::1]", True),
        ("[fd00::1]:443", "fd00::1|443", True),
        ("fd00::/8", "fd12::9", True),
        ("[fd00::]/8", "fd12::9", True),
        ("fd00::/8", "fe80::1", False),
        ("::1", "a.example", False),
        ("[::1", "a.example", False),
        ("http://[oops", "a.example", False),
        ("<local>", "a.example", False),
    ],
)
def test_a_host_that_needs_no_proxy_is_named_in_many_ways(
    no_proxy: str, host: str, direct: bool
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        found = proxy(f"https://{host}", all_proxy="http://p:1", **{name: no_proxy})
        assert (found is None) is direct


@pytest.mark.parametrize(
    "value",
    ["ftp://p:1", "http://:80", "http://[bad", "http://p:port", "socks4://p:1", "http://p q:1"],
)
@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_what_is_no_proxy_is_named_but_not_repeated(name: str, value: str) -> None:
    with pytest.raises(InvalidEnvironment, match=f"^{name} has to be") as caught:
        Proxies.from_environment({name: value})
    assert value not in str(caught.value)
    assert "secret" not in repr(Proxies.from_environment({name: "http://u:secret@p:1"}))


ODD = st.text(alphabet="/:@[]%.,*abf019 -\u00e9", max_size=30)


@settings(deadline=None, max_examples=50)  # Each reads the system's certificates.
@given(st.dictionaries(st.sampled_from(VARIABLES), ODD | st.text()), ODD)
def test_no_environment_makes_it_raise_what_is_not_ours(
    environment: dict[str, str], host: str
) -> None:
    try:
        found = check_environment(environment)
        found.of("https", host, 443)
        ConnectionPool(found)
    except WaveSpeedError:
        return
    # And what is handed on to other libraries, they can read.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.variables().items():
            patch.setenv(name, value)
        httpx.AsyncClient()


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    for path in (tmp_path / "missing", tmp_path / "empty"):
        (tmp_path / "empty").write_bytes(b"")
        monkeypatch.setenv(name, str(path))
        for make in (ConnectionPool, lambda: AsyncClient(KEY)):
            with pytest.raises(InvalidEnvironment, match=rf"^{name} \(.+\) is no"):
                make()


@pytest.mark.parametrize(
    "address", ["", "nonsense", "http://[oops", "ftp://x", "https://", 7, None]
)
def test_no_address_of_a_service_makes_the_constructor_raise_what_is_not_ours(address: Any) -> None:
    with pytest.raises(WaveSpeedError):
        AsyncClient(KEY, base_url=address)


# --- Through a proxy ------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(closing, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()


async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.wait(
            [
                asyncio.ensure_future(copied(reader, back)),
                asyncio.ensure_future(copied(there, writer)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        back.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for files.example."""
    if which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {cert}"
    name = ["-subj", "/CN=files.example", "-addext", "subjectAltName=DNS:files.example"]
    subprocess.run([*made.split(), *name], check=True, capture_output=True, timeout=60)
    return cert, key


@pytest.fixture
def tls(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ssl.SSLContext]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def file_server(content: bytes, heard: list[bytes]) -> Callable[..., Any]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            writer.write(head + content)
            await writer.drain()

    return serve


async def test_a_download_goes_through_an_http_proxy_that_alone_knows_the_name(
    tls: ssl.SSLContext,
) -> None:
    asked: list[bytes] = []
    heard: list[bytes] = []

    async with listening(file_server(b"picture", heard), tls=tls) as port:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await joined(reader, writer, port)

        async with listening(tunnel) as proxy_port:
            proxies = Proxies.from_environment({"https_proxy": f"u:p%40@127.0.0.1:{proxy_port}"})
            async with ConnectionPool(proxies) as http:
                client = AsyncClient(KEY, policies=QUICK, http=http)
                content = await client.download(Output(url="https://files.example/a.png"))

    assert content == b"picture"
    assert asked[0].startswith(b"CONNECT files.example:443 ")
    assert b"Proxy-Authorization: Basic dTpwQA==" in asked[0]
    assert KEY.encode() not in b"".join(asked + heard)


async def test_and_through_a_socks_proxy(tls: ssl.SSLContext) -> None:
    names: list[bytes] = []
    async with listening(file_server(b"picture", []), tls=tls) as port:

        async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(3)
            writer.write(b"\x05\x00")
            head = await reader.readexactly(5)
            names.append(await reader.readexactly(head[4]))
            await reader.readexactly(2)
            writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            await joined(reader, writer, port)

        async with listening(socks) as proxy_port:
            proxies = Proxies.from_environment({"ALL_PROXY": f"socks5://127.0.0.1:{proxy_port}"})
            async with ConnectionPool(proxies) as http:
                client = AsyncClient(KEY, policies=QUICK, http=http)
                content = await client.download(Output(url="https://files.example/a.png"))

    assert content == b"picture"
    assert names == [b"files.example"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize(
    "reply", [b"", b"\x05\xff", b"nonsense\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n"]
)
async def test_a_proxy_that_talks_nonsense_is_an_error_of_ours_that_names_it(
    scheme: str, reply: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply)
        await writer.drain()

    async with listening(serve) as port:
        proxies = Proxies.from_environment({"ALL_PROXY": f"{scheme}://127.0.0.1:{port}"})
        async with ConnectionPool(proxies) as http:
            client = AsyncClient(KEY, policies=patient(tries=1), http=http)
            for call in (client.balance(), client.download(Output(url="https://f.example/a"))):
                with pytest.raises(
                    ConnectionFailed, match="by the proxy that the environment names"
                ):
                    await call
    gc.collect()  # httpcore leaves the connection of a failed SOCKS handshake to it.


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://[::ffff:10.0.0.1]/a",
        "https://[64:ff9b::a00:1]/a",
        "https://[64:ff9b:1::a00:1]/a",
        "https://[2002:a00:1::]/a",
        "https://127.1/a",
        "https://2130706433/a",
        "https://0x7f.1/a",
        "https://localhost/a",
        "https://x.localhost/a",
        "https://localhost./a",
        "https://198.18.0.1/a",
        "https://169.254.169.254/a",
        "https://224.0.0.1/a",
    ],
)
@pytest.mark.parametrize(
    "environment", [{}, {"all_proxy": "http://127.0.0.1:9"}], ids=["direct", "proxy"]
)
async def test_a_literal_private_address_is_refused_whoever_connects(
    url: str, environment: dict[str, str]
) -> None:
    async with ConnectionPool(Proxies.from_environment(environment)) as http:
        client = AsyncClient(KEY, policies=QUICK, http=http)
        with pytest.raises(PrivateAddress, match="private network"):
            await client.download(Output(url=url))


# --- Names ----------------------------------------------------------------------------------


class Names:
    """The resolver of this machine, played: each name answers with one list after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "198.18.0.7", "::1"):  # No name.
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(family, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Names:
    names = Names(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@pytest.mark.parametrize(
    "answers", [["10.0.0.1"], ["127.0.0.1", "192.168.1.1"], ["169.254.169.254"], ["100.64.0.1"]]
)
async def test_a_name_that_leads_into_a_private_network_is_not_asked_and_the_cause_is_named(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    resolver(monkeypatch, answers)
    async with AsyncClient(KEY, policies=QUICK) as client:
        with pytest.raises(PrivateAddress, match="The name of the file host leads into a private"):
            await client.download(Output(url="https://files.example/a.png"))


async def test_a_name_that_is_unknown_is_a_connection_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver(monkeypatch, [])
    async with AsyncClient(KEY, policies=patient(tries=1)) as client:
        with pytest.raises(ConnectionFailed, match="The file host can't be reached") as caught:
            await client.download(Output(url="https://files.example/a.png"))
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::5db8:d70e", True),
        ("2002:5db8:d70e::", True),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("2001::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("ff02::1", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
    ],
)
def test_which_addresses_belong_to_the_world_outside(address: str, public: bool) -> None:
    assert _network.is_public(address) is public


@given(st.ip_addresses())
def test_no_address_breaks_the_check(address: Any) -> None:
    assert _network.is_public(str(address)) in (True, False)


@given(st.text())
def test_no_host_breaks_the_check(host: str) -> None:
    try:
        _network.check_host(host)
    except PrivateAddress:
        return


async def test_behind_a_resolver_that_answers_for_every_name_the_address_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What lies at 198.18.0.0/15 is whoever answered so; here nobody, which shows soon."""
    names = resolver(monkeypatch, ["198.18.0.7"])
    tried: list[str] = []

    class Line:
        async def connect_tcp(self, host: str, port: int, **_: Any) -> Any:
            tried.append(host)
            raise httpcore.ConnectError("nobody")

    backend = _network.PublicBackend()
    backend._inner = Line()  # type: ignore[assignment]
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("files.example", 443, 1.0)
    assert (tried, names.asked) == (["198.18.0.7"], ["files.example"])


async def test_the_connection_leads_to_the_address_that_was_checked(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers differently the second time; 127.0.0.2 plays a public address."""
    monkeypatch.setattr(_network, "is_public", lambda address: str(address) == "127.0.0.2")
    names = resolver(monkeypatch, ["127.0.0.2"], ["127.0.0.3"])
    good: list[bytes] = []
    evil: list[bytes] = []
    async with (
        listening(file_server(b"picture", good), "127.0.0.2", tls=tls) as port,
        listening(file_server(b"inside", evil), "127.0.0.3", port, tls=tls),
        AsyncClient(KEY, policies=QUICK) as client,
    ):
        url = f"https://files.example:{port}/a.png"
        contents = [await client.download(Output(url=url)) for _ in range(3)]

    assert contents == [b"picture"] * 3
    assert not evil
    assert names.asked == ["files.example"]  # And the connection was kept.
    assert b"Host: files.example" in good[0]


async def test_a_certificate_of_another_name_is_not_taken(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_network, "is_public", lambda address: True)
    resolver(monkeypatch, ["127.0.0.2"])
    heard: list[bytes] = []
    async with (
        listening(file_server(b"picture", heard), "127.0.0.2", tls=tls) as port,
        AsyncClient(KEY, policies=patient(tries=1)) as client,
    ):
        with pytest.raises(ConnectionFailed) as caught:
            await client.download(Output(url=f"https://other.example:{port}/a.png"))
    assert not caught.value.sent
    assert not heard


async def test_an_address_that_hangs_does_not_keep_the_others_waiting(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_network, "is_public", lambda address: True)
    resolver(monkeypatch, ["127.0.0.2", "127.0.0.3"])
    opened: list[str] = []
    closed: list[str] = []

    class Slow:
        def __init__(self, line: httpcore.AsyncNetworkBackend) -> None:
            self._line = line

        async def connect_tcp(self, host: str, port: int, **how: Any) -> Any:
            opened.append(host)
            try:
                if host == "127.0.0.2":
                    await asyncio.sleep(60)
                return await self._line.connect_tcp(host, port, **how)
            except asyncio.CancelledError:
                closed.append(host)
                raise

    backend = _network.PublicBackend()
    backend._inner = Slow(backend._inner)  # type: ignore[assignment]
    async with listening(file_server(b"picture", []), "127.0.0.3") as port:
        stream = await asyncio.wait_for(backend.connect_tcp("files.example", port, 30.0), 20)
        await stream.aclose()
    assert opened == ["127.0.0.2", "127.0.0.3"]
    assert closed == ["127.0.0.2"]


async def test_a_redirect_that_is_no_address_is_an_error_of_ours(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_network, "is_public", lambda address: True)
    resolver(monkeypatch, ["127.0.0.2"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://[oops\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with (
        listening(serve, "127.0.0.2", tls=tls) as port,
        AsyncClient(KEY, policies=QUICK) as client,
    ):
        with pytest.raises(InvalidResponse):
            await client.download(Output(url=f"https://files.example:{port}/a.png"))


async def test_an_edit_on_this_machine_needs_no_proxy_whatever_the_environment_says(
    base_url: str, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8")
    async with AsyncClient(KEY, base_url=base_url, policies=QUICK) as client:
        assert isinstance((await story(client, edit))[-1], Finished)
