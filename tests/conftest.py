"""What the tests share: the sandbox on a real socket, a client with short waits, pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support import chromium
from tests.support.apps import PHOTOS, App, served
from tests.support.service import Service, running
from tests.support.visits import emptied, visit
from wavespeed import AsyncClient, Edit, Policies, PollPolicy, RetryPolicy, Timeouts
from wavespeed.events import Event
from wavespeed.sandbox import Sandbox, serve

__all__ = ["PHOTOS"]
pytest_plugins = ["tests.support.ci"]
KEY = "ws-secret-key-0123456789"

# How long an example takes says how busy the machine is.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
# What a person would wait for on a machine that is busy with other tests too.
expect.set_options(timeout=30_000)

# The waits of the real thing, but short; what waits longer than a second says so in its test.
QUICK = Policies(
    Timeouts(deadline=8.0, connect=2.0, answer=5.0, transfer=2.0, sync=2.0),
    RetryPolicy(tries=3, first_delay=0.02, longest_delay=0.1, missing_file=0.5, unknown_task=0.5),
    PollPolicy(shortest=0.05, average=0.1, longest=0.1),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a browser, and what is slow by nature. The browser's tests come last: from
    the first of them on Playwright's loop runs in the process, and async tests can't."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        if "slow" in item.path.parts:
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


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
    async with AsyncClient(KEY, base_url=base_url, policies=QUICK) as client:
        yield client


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cup.png"
    Image.radial_gradient("L").convert("RGB").save(path)
    return path


@pytest.fixture
def edit(photo: Path) -> Edit:
    return Edit("make it black and white", (photo,))


AppWith = Callable[..., App]


@pytest.fixture(scope="session")
def app_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppWith]:
    """`app_with(service, **variables)`: the page over a service, or over its own sandbox where that
    is None. A start costs seconds: each combination is started once, and shared by all tests that
    want it, each of which comes as a visitor of its own. What restarts, kills or fills the page
    takes one for itself instead, with `served`."""
    apps: dict[object, App] = {}
    with ExitStack() as stack:

        def app_with(service: Service | None = None, **variables: str) -> App:
            wanted = service, frozenset(variables.items())
            if wanted not in apps:
                variables |= service.settings() if service else {}
                folder = tmp_path_factory.mktemp("app")
                apps[wanted] = stack.enter_context(served(folder, **variables))
            return apps[wanted]

        yield app_with


@pytest.fixture(scope="session")
def _service() -> Iterator[Service]:
    with running(service := Service()):
        yield service


@pytest.fixture
def service(_service: Service) -> Iterator[Service]:
    """The second, strict stand-in for the service, as good as new. A breach of the contract fails
    the test."""
    _service.reset()
    yield _service
    assert not _service.breaches


@pytest.fixture(scope="session")
def app(app_with: AppWith) -> App:
    """The page as `make run` starts it without a key, but that its sandbox is quick."""
    return app_with()


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    """A fresh visitor's page; a file that is about another app has a fixture `app` of its own."""
    with visit(browser, app.url) as page:
        yield page


@pytest.fixture(scope="session")
def _lasting_page(app: App, browser: Browser) -> Iterator[Page]:
    with visit(browser, app.url) as page:
        yield page


@pytest.fixture
def blank_page(_lasting_page: Page) -> Page:
    """A page whose fields are empty, of a visitor who has edited nothing: one for all tests that
    begin no edit and load nothing anew, since a page costs a second."""
    emptied(_lasting_page)
    return _lasting_page


async def story(client: AsyncClient, edit: Edit) -> list[Event]:
    """An edit from start to end, as its events."""
    return [event async for event in client.edit(edit)]


def patient(**waits: float) -> Policies:
    """The short waits, some of them changed: each by the name of its field."""
    policies = {}
    for name, policy in vars_of(QUICK).items():
        changed = {wait: waits.pop(wait) for wait in vars_of(policy) if wait in waits}
        policies[name] = replace(policy, **changed)
    assert not waits, f"no such waits: {waits}"
    return Policies(**policies)


def vars_of(policy: Any) -> dict[str, Any]:
    """The fields of a dataclass that has slots, and their values."""
    return {field.name: getattr(policy, field.name) for field in fields(policy)}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not (path := chromium.find()):
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGS)
        yield browser
        browser.close()
