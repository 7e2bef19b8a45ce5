"""Two replicas behind the README's own nginx: each visitor stays at one, and nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.client import Job
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.page.test_batch import ask_each
from tests.support import nginx
from tests.support.apps import App, free_port, served
from tests.support.service import KEY, Service, running
from tests.support.visits import visit
from wavespeed.studio.runs.run import Run
from wavespeed.studio.runs.store import Store

pytestmark = pytest.mark.skipif(not nginx.find(), reason=nginx.MISSING)
EACH = 5
AT_PAGE, *SCRIPTS = (f"visitor {number}" for number in range(10))
FORGETFUL = "visitor without cookies"
EDITS = EACH * (len(SCRIPTS) + 1)
COLOURS = {who: 20 * number for number, who in enumerate([AT_PAGE, *SCRIPTS, FORGETFUL], 1)}


@dataclass
class Replicas:
    """Two processes, a and b, each with its port and its data folder."""

    folder: Path
    service: Service
    stack: ExitStack
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in "ab"})
    apps: dict[str, App] = field(default_factory=dict)

    def start(self, name: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        settings = {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": self.service.api_url}
        settings |= {"WAVESPEED_PARALLEL": str(EACH)}  # Of the page's pictures all at once, too.
        app = served(self.folder / name, port=self.ports[name], **settings)
        self.apps[name] = self.stack.enter_context(app)

    def kill(self, name: str) -> None:
        self.apps[name].kill()

    def over(self, name: str, *prompts: str) -> list[Run]:
        """The runs of these prompts that came to their end, as its store has them."""
        with closing(Store(self.folder / name / "data" / "studio.db")) as store:
            return [
                run for run in store.finished_before(datetime.now(UTC)) if run.prompt in prompts
            ]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    service = Service()
    with running(service), ExitStack() as stack:
        replicas = Replicas(tmp_path_factory.mktemp("replicas"), service, stack)
        for name in "ab":
            replicas.start(name)
        yield replicas
    assert not service.breaches


@pytest.fixture(scope="module")
def url(replicas: Replicas) -> Iterator[str]:
    """The load balancer's address: the README's configuration, with other addresses."""
    port = free_port()
    config = nginx.recipe("More than one machine").replace("listen 80;", f"listen {port};")
    for address, name in (("10.0.0.1:7860", "a"), ("10.0.0.2:7860", "b")):
        assert address in config
        config = config.replace(address, f"127.0.0.1:{replicas.ports[name]}")
    with nginx.running(replicas.folder / "nginx", config, port) as url:
        yield url


def pictures(folder: Path, who: str) -> list[Path]:
    """All of the colour that is this visitor's alone."""
    files = [folder / f"{who} {number}.png" for number in range(EACH)]
    for file in files:
        Image.new("RGB", (60, 40), (COLOURS[who],) * 3).save(file)
    return files


def drawn(url: str) -> dict[str, str]:
    """The cookies of somebody new."""
    with httpx.Client(trust_env=False) as visitor:
        assert visitor.get(url).status_code == 200
        return dict(visitor.cookies)


def answers(url: str, replica: str) -> set[int]:
    """What whoever has been at a replica gets, again and again."""
    cookies = {"Cookie": f"replica={replica}"}
    return {httpx.get(url, headers=cookies, trust_env=False).status_code for _ in range(5)}


def tries(url: str) -> list[int]:
    """What somebody new gets until the page is there."""
    found: list[int] = []
    with httpx.Client(trust_env=False) as visitor:
        while 200 not in found and len(found) < 100:
            found.append(visitor.get(url).status_code)
    return found


def replica_of(page: Page) -> str:
    [cookie] = [one for one in page.context.cookies() if one["name"] == "replica"]
    return str(cookie["value"])


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


def settle(url: str, home: dict[str, str]) -> dict[str, dict[str, str]]:
    """The cookies of the scripts, half of all visitors at each replica: they draw by chance, so
    that a few come in vain. Fills in `home`."""
    cookies: dict[str, dict[str, str]] = {}
    for who in SCRIPTS:
        while who not in cookies:
            found = drawn(url)
            if Counter(home.values())[found["replica"]] < (len(SCRIPTS) + 1) // 2:
                cookies[who], home[who] = found, found["replica"]
    return cookies


def begin(url: str, folder: Path, who: str, cookies: dict[str, str]) -> list[Job]:
    """A script asks for all its edits at once."""
    client = Client(
        url,
        httpx_kwargs={"cookies": cookies},
        verbose=False,
        analytics_enabled=False,
        download_files=folder / "downloads",
    )
    return [
        client.submit(images=[handle_file(file)], prompt=who, api_name="/edit")
        for file in pictures(folder, who)
    ]


def test_fifty_edits_outlive_a_killed_replica_and_each_visitor_stays_at_its_own(
    url: str, replicas: Replicas, browser: Browser, tmp_path: Path
) -> None:
    service = replicas.service
    service.seconds = 900  # Until all of it is under way.
    before, seen = len(service.submissions), {path for path, _ in service.keys}
    with visit(browser, url) as page:
        victim = replica_of(page)
        other = "ba"["ab".index(victim)]
        home = {AT_PAGE: victim}
        ask_each(page, AT_PAGE, *pictures(tmp_path, AT_PAGE))
        cookies = settle(url, home)
        jobs = {who: begin(url, tmp_path, who, cookies[who]) for who in SCRIPTS}

        def watched() -> int:
            return len({path for path, _ in service.keys if path.endswith("/result")} - seen)

        until(lambda: watched() == EDITS, lambda: f"{watched()} edits are under way")
        assert len(service.submissions) - before == EDITS

        replicas.kill(victim)
        assert answers(url, victim) == {502}
        assert answers(url, other) == {200}
        # An error sets no cookie, so that who draws a replica that is down draws again.
        draws = [tries(url) for _ in range(20)]
        assert all(draw[-1] == 200 for draw in draws)
        assert any(draw[0] == 502 for draw in draws)
        replicas.start(victim)
        service.seconds = 0.5

        # Who was at the other noticed nothing.
        for who in SCRIPTS:
            if home[who] == other:
                assert all(Path(job.result(120)[0][0]).exists() for job in jobs[who])
        # The page comes back by itself.
        expect(page.locator("#status")).to_contain_text(f"{EACH} of {EACH} done.", timeout=120_000)
        expect(page.locator("#results [data-testid=tile-done] img")).to_have_count(EACH)
        assert replica_of(page) == victim

    def states() -> list[str]:
        return [run.state for name in "ab" for run in replicas.over(name, *home)]

    until(lambda: len(states()) == EDITS, lambda: f"{Counter(states())} in the stores")
    assert set(states()) == {"done"}
    assert len(service.submissions) - before == EDITS
    for name in "ab":
        runs = replicas.over(name, *home)
        own = {who: EACH for who in home if home[who] == name}
        assert Counter(run.prompt for run in runs) == own
        for run in runs:
            with Image.open(run.results[0].path) as picture:
                assert picture.getpixel((5, 5)) == COLOURS[run.prompt]


def test_a_script_without_cookies_stays_at_one_too(
    url: str, replicas: Replicas, tmp_path: Path
) -> None:
    replicas.service.seconds = 0.5
    for job in begin(url, tmp_path, FORGETFUL, {}):
        assert Path(job.result(120)[0][0]).exists()
    assert sorted(len(replicas.over(name, FORGETFUL)) for name in "ab") == [0, EACH]
