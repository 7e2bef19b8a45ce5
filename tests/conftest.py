"""What the tests share: the sandbox on a real socket, a client with short waits, pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from tests import chromium
from tests.apps import App, served
from wavespeed import AsyncClient, Edit, Event, Pace
from wavespeed.sandbox import Sandbox, serve

PHOTOS = Path(__file__).parent.parent / "wavespeed" / "studio" / "assets" / "photos"
KEY = "ws-secret-key-0123456789"

# What a person would wait for on a machine that is busy with other tests too.
expect.set_options(timeout=30_000)

# The waits of the real thing, but short; what waits longer than a second says so in its test.
QUICK = Pace(
    deadline=8.0,
    connect=2.0,
    answer=1.5,
    transfer=2.0,
    sync=2.0,
    tries=3,
    shortest=0.05,
    longest=0.1,
    first_retry=0.02,
    longest_retry=0.1,
    missing_file=0.5,
    unknown_task=0.5,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: "test_recovery" not in item.nodeid)
    # Playwright's loop runs as long as a file's browser does, and there can be no second one.
    by_browser = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    mixed = [
        item.nodeid
        for item in items
        if item.path in by_browser and item.get_closest_marker("anyio")
    ]
    if mixed:
        raise pytest.UsageError(f"async tests in a file that has a browser: {mixed}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The service, offline. A fault that nobody met fails the test."""
    sandbox = Sandbox(seed=7, seconds=(0.1, 0.3), sync_limit=0.4)
    yield sandbox
    assert not sandbox.unmet, f"faults that nobody met: {sandbox.unmet}"


@pytest.fixture
def base_url(sandbox: Sandbox) -> Iterator[str]:
    with serve(sandbox) as url:
        yield url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(KEY, base_url=base_url, pace=QUICK) as client:
        yield client


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cup.png"
    Image.radial_gradient("L").convert("RGB").save(path)
    return path


@pytest.fixture
def edit(photo: Path) -> Edit:
    return Edit("make it black and white", (photo,))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The page as `make run` starts it without a key, over its sandbox; each test comes as a
    visitor of its own. A start costs seconds, so that the files share one."""
    with served(tmp_path_factory.mktemp("app")) as app:
        yield app


async def story(client: AsyncClient, edit: Edit) -> list[Event]:
    """An edit from start to end, as its events."""
    return [event async for event in client.edit(edit)]


def patient(**waits: float) -> Pace:
    """The short waits, some of them changed."""
    return replace(QUICK, **waits)  # type: ignore[arg-type]


# Not for the whole session: Playwright's loop must not be running under the async tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGS)
        yield browser
        browser.close()
