"""A Space is a frame of the Hub's: links name the Hub, which hands its query on to the frame."""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from tests.conftest import AppWith
from tests.support.apps import PHOTOS, App
from tests.support.visits import answered

SPACE = "someone/image-edit"
pytestmark = pytest.mark.slow
HUB = f"https://huggingface.co/spaces/{SPACE}"


@pytest.fixture
def app(app_with: AppWith) -> App:
    return app_with(SPACE_ID=SPACE)


@pytest.fixture
def hub(app: App) -> Iterator[str]:
    """Another site (a browser takes `localhost` and `127.0.0.1` for two), whose page has the app in
    a frame, as the Hub's has."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = urlsplit(self.path).query
            inner = html.escape(f"{app.url}/?{query}")
            allowed = "clipboard-read; clipboard-write"
            body = f'<iframe src="{inner}" allow="{allowed}" width="1400" height="880">'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def context(app: App, hub: str, browser: Browser) -> Iterator[BrowserContext]:
    """A visitor's browser that takes the hub for the one that may frame a Space."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")

    def as_the_hub(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        policy = answer.headers["content-security-policy"]
        assert "https://huggingface.co" in policy
        framed = policy.replace("https://huggingface.co", hub)
        headers = answer.headers | {"content-security-policy": framed}
        route.fulfill(response=answer, headers=headers)  # type: ignore[attr-defined]

    context.route(lambda url: url.startswith(f"{app.url}/?"), as_the_hub)
    yield context
    context.close()


def inside(page: Page, address: str) -> FrameLocator:
    page.goto(address)
    frame = page.frame_locator("iframe")
    expect(frame.locator("body[data-ready]")).to_be_attached()
    return frame


def edit(frame: FrameLocator, prompt: str) -> None:
    frame.locator("#inputs input[type=file]").first.set_input_files(str(PHOTOS / "coffee.jpg"))
    expect(frame.locator("#inputs img")).to_have_count(1)
    frame.locator("#prompt textarea").fill(prompt)
    frame.locator("#edit").click()


def see(frame: FrameLocator, prompt: str) -> None:
    expect(frame.get_by_alt_text(f"Result: {prompt}", exact=True)).to_be_visible()
    expect(frame.locator("#status [data-state=done]")).to_be_attached()


def test_links_of_a_space_lead_through_the_hub_to_the_run_and_the_words(
    app: App, hub: str, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    frame = inside(page, hub)
    edit(frame, "make it red")
    see(frame, "make it red")
    frame.locator("[data-testid=details] summary").click()
    links = frame.get_by_role("button", name="Copy link to this")
    expect(links).to_have_count(2)
    copied = []
    for one in links.all():
        one.click()
        expect(one).to_have_attribute("data-copied", "")
        copied.append(str(page.evaluate("navigator.clipboard.readText()")))
    run, prompt = copied
    assert run.startswith(f"{HUB}?run=")
    assert prompt == f"{HUB}?prompt=make%20it%20red"

    edit(frame, "make it blue")
    see(frame, "make it blue")
    frame = inside(page, run.replace(HUB, hub + "/"))
    see(frame, "make it red")
    frame = inside(page, prompt.replace(HUB, hub + "/"))
    expect(frame.locator("#prompt textarea")).to_have_value("make it red")


def test_the_server_reads_the_frames_own_address(hub: str, context: BrowserContext) -> None:
    """What only an audience must not see, the server decides, by the address that a request names
    as the one it came from."""
    page = context.new_page()
    frame = inside(page, hub)
    edit(frame, "warm [[nsfw]]")
    cover = frame.locator("#results [data-testid=cover]").first
    expect(cover).to_be_visible()
    expect(frame.get_by_role("button", name="Show anyway")).to_be_visible()
    frame = inside(page, f"{hub}/?show=1")
    cover = frame.locator("#results [data-testid=cover]").first
    expect(cover).to_be_visible()
    expect(frame.locator("#tally")).to_be_hidden()
    with answered(page):
        frame.locator("#results [data-testid=uncover]").first.dispatch_event("click")
    expect(cover).to_be_visible()
