"""What held against strangers, and must go on holding."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PHOTOS, QUICK, AppWith
from tests.support.apps import App
from tests.support.service import KEY, MODEL, Service
from wavespeed import AsyncClient, Edit
from wavespeed.sandbox import Sandbox, serve
from wavespeed.studio.media.previews import InputPreview
from wavespeed.studio.runs.executor import Limits
from wavespeed.studio.runs.metadata import EditMetadata, read, write
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store
from wavespeed.studio.ui.render.inputs import render_strip

HOSTILE = "<img src=x onerror=hit()>'\" ${hit()} {{hit}} </script><script>hit()</script>"
VISITOR = "f" * 32


class Page:
    """A page of a visitor's whose browser sends what it likes."""

    def __init__(self, app: App, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session
        config = http.get("/config").json()
        self.ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self._dependencies = config["dependencies"]
        self.folder = app.log_file.parent

    def event(self, element: str, kind: str, inputs: int) -> int:
        """The event of an element that has so many inputs."""
        target = [self.ids[element], kind]
        [found] = [
            one["id"]
            for one in self._dependencies
            if target in one["targets"] and len(one["inputs"]) == inputs and one["backend_fn"]
        ]
        return int(found)

    def send(self, event: int, data: list[Any], **about: Any) -> str:
        """What the server streams until the event has ended."""
        body = {
            "data": data,
            "fn_index": event,
            "session_hash": self._session,
            "event_data": about or None,
        }
        assert self._http.post("/gradio_api/queue/join", json=body).status_code == 200
        lines = []
        address = f"/gradio_api/queue/data?session_hash={self._session}"
        with self._http.stream("GET", address) as events:
            for line in events.iter_lines():
                lines.append(line)
                if "process_completed" in line:
                    break
        return "\n".join(lines)

    def start(self, prompt: str, variants: Any, price: Any, revealed: Any) -> str:
        with (PHOTOS / "coffee.jpg").open("rb") as file:
            path = self._http.post("/gradio_api/upload", files={"files": file}).json()[0]
        picture = {"image": {"path": path, "meta": {"_type": "gradio.FileData"}}}
        event = self.event("edit", "click", 12)
        options = [False, variants, False, False, "", price]
        return self.send(event, [[picture], prompt, *options, None, VISITOR, revealed, ""])

    def press_button(self, action: str, run: str, index: Any) -> str:
        event = self.event("results", "click", 5)
        about = {"action": action, "run": run, "index": index, "tip": "", "press": ""}
        return self.send(event, [None, "", 0, VISITOR, None], **about)

    def use_as_input(self, run: str, index: Any) -> str:
        """A result becomes an input."""
        event = self.event("results", "click", 3)
        return self.send(event, [False, VISITOR, None], action="input", run=run, index=index)


@pytest.fixture(scope="module")
def page(app: App) -> Iterator[Page]:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as http:
        yield Page(app, http, "a-page")


def runs(page: Page) -> list[Any]:
    store = Store(page.folder / "data" / "studio.db")
    try:
        return store.history(VISITOR, skip=0, most=50)
    finally:
        store.close()


@pytest.mark.parametrize("price", [0, -5, "0", None, 1e-9])
def test_a_forged_price_buys_nothing_for_less(page: Page, price: Any) -> None:
    before = {run.id for run in runs(page)}
    page.start(f"sepia at {price}", "1", price, [])
    [made] = [run for run in runs(page) if run.id not in before]
    assert (made.state, made.price_usd) == ("done", 0.02)


@pytest.mark.parametrize("variants", ["1000000", -1, ["1"], {"a": 1}, "5", 2])
def test_a_forged_number_of_variants_begins_nothing(page: Page, variants: Any) -> None:
    """Gradio itself refuses what is not among the choices."""
    before = len(runs(page))
    stream = page.start("sepia", variants, 0.02, [])
    assert '"success":false' in stream
    assert len(runs(page)) == before


def test_forged_indexes_and_sets_uncover_nothing(page: Page) -> None:
    page.start("warm [[nsfw]]", "1", 0.02, [])
    run = next(run for run in runs(page) if "nsfw" in run.prompt)
    name = run.results[0].path.stem.rsplit("-", 1)[0]  # Copies for the page have no more.
    of_results, of_history = page.event("results", "select", 2), page.event("history", "select", 2)
    opened = {"action": "open", "run": run.id, "tip": ""}
    for stream in (
        *(page.press_button("show", run.id, index) for index in (-1, 1, 99, 10**30)),
        *(page.use_as_input(run.id, index) for index in (-1, 0, 1, 99)),
        page.send(of_results, [VISITOR, [f"{run.id}/0"]], **opened),
        page.send(of_history, [VISITOR, {"a": 1}], **opened),
    ):
        assert name not in stream
        assert "Traceback" not in stream

    assert name in page.press_button("show", run.id, 0)  # Which is what uncovers it.
    assert name in page.use_as_input(run.id, 0)
    assert name in page.send(of_history, [VISITOR, None], **opened)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file={outside}",
        "/gradio_api/file={cache}/../data/studio.db",
        "/gradio_api/file={cache}/%2e%2e/data/studio.db",
        "/gradio_api/file={cache}/..%2fdata%2fstudio.db",
        "/gradio_api/file//{outside}",
        "/gradio_api/file/{outside}",
        "/static/../../../../../../../../..{outside}",
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{outside}",
        "/svelte/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{outside}",
        "/gradio_api/proxy=https://127.0.0.1{outside}",
        "/gradio_api/proxy=file://{outside}",
        "/gradio_api/custom_component/1/client/component/..%2f..%2f..%2f..{outside}",
        "/gradio_api/stream/x/1/1/..%2f..%2fstudio.db",
        "/theme.css/..%2f..{outside}",
        "/pwa_icon/..%2f..{outside}",
    ],
)
def test_no_route_leads_out_of_its_folder(page: Page, path: str) -> None:
    outside = page.folder / "data" / "studio.db"
    asked = path.format(outside=outside, cache=page.folder / "cache")
    answer = page._http.get(asked)
    assert answer.status_code >= 400
    assert b"SQLite" not in answer.content
    assert "Traceback" not in answer.text


@pytest.mark.anyio
async def test_a_hundred_submissions_at_once_do_not_pass_the_budget(tmp_path: Path) -> None:
    sandbox, store = Sandbox(seed=7, seconds=(0.1, 0.2)), Store(tmp_path / "studio.db")
    with serve(sandbox) as url:
        async with AsyncClient(KEY, base_url=url, policies=QUICK) as client:
            runner = Runner(client, store, tmp_path, Limits(budget_usd=0.10, parallel=100))
            edit = Edit("sepia", (PHOTOS / "coffee.jpg",))
            started = [runner.start(edit, f"{number:032x}") for number in range(100)]
            ended = await asyncio.gather(*(runner.wait_until_finished(run.id) for run in started))
            await runner.close()
    store.close()
    assert len(sandbox.calls("submit")) == 5
    assert sum(run.cost_usd for run in ended) == pytest.approx(0.10)
    assert sum(run.spent == "no" for run in ended) == 95


@pytest.mark.parametrize("key", ["wrong", "two words", '""', "Bearer", "'", "k\u00e9y"])
def test_a_visitors_bad_key_is_never_replaced_by_the_owners(
    key: str, app_with: AppWith, service: Service
) -> None:
    app = app_with(service)
    headers = httpx.Headers({"X-WaveSpeed-Key": key}, encoding="latin-1")
    with httpx.Client(base_url=app.url, headers=headers, trust_env=False, timeout=60) as http:
        with (PHOTOS / "coffee.jpg").open("rb") as file:
            path = http.post("/gradio_api/upload", files={"files": file}).json()[0]
        data = [[{"path": path}], "make it grey", False, False]
        call = http.post("/gradio_api/call/edit", json={"data": data}).json()
        events = http.get(f"/gradio_api/call/edit/{call['event_id']}").text
    assert "event: error" in events
    assert KEY not in [used for path, used in service.keys if path == MODEL]


def test_what_a_pictures_metadata_says_is_text(tmp_path: Path) -> None:
    recipe = EditMetadata(HOSTILE, HOSTILE, HOSTILE, datetime.now(UTC), (), nsfw=False)
    picture = tmp_path / f"{HOSTILE.replace('/', '_')[:60]}.jpg"
    picture.write_bytes(write((PHOTOS / "coffee.jpg").read_bytes(), recipe))
    found = read(picture)
    assert found is not None
    assert found.prompt == HOSTILE
    drawn = render_strip([picture], [InputPreview(metadata=found)], [False], each=False)
    assert "<img src=x" not in drawn
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
