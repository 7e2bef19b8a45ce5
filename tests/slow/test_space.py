"""A Hugging Face Space: the repository as it is pushed, nothing but its requirements installed,
behind a proxy that serves it under a path."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PHOTOS
from tests.support import nginx
from tests.support.apps import ROOT, free_port, served
from tests.support.service import KEY, MODEL, Service, running
from tests.support.visits import ask, tab

SPACE = "someone/image-edit"
PATH = "/proxied/demo"
# As a Space's container has it; https://huggingface.co/docs/hub/spaces-overview.
ENVIRONMENT = {
    "SYSTEM": "spaces",
    "SPACE_ID": SPACE,
    "SPACE_AUTHOR_NAME": "someone",
    "SPACE_REPO_NAME": "image-edit",
    "SPACE_HOST": "someone-image-edit.hf.space",
    "SPACES_ZERO_GPU": "",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SSR_MODE": "true",
    "GRADIO_ROOT_PATH": PATH,
}
PROXY = """
    server {{
        listen {port};
        location {path}/ {{
            proxy_pass http://127.0.0.1:{app}/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_buffering off;
            client_max_body_size 0;
        }}
        location / {{ return 404; }}
    }}
"""
# What the badge in the corner shows, and where it and its fonts come from.
BADGE = {"id": SPACE, "author": "someone", "likes": 7}
BADGES = {"huggingface.co", "fonts.googleapis.com"}
# What the Hub takes: https://huggingface.co/docs/hub/spaces-config-reference.
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
CPU = {"cpu-basic", "cpu-upgrade"}
STEPS = ["Prepare", "Upload", "Queue", "Process", "Save"]


def pushed(to: Path) -> Path:
    """What a push takes along: the files that git knows, without what lies about."""
    git = ["git", "ls-files", "-z"] if shutil.which("git") else ["false"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:  # Somebody's archive of the sources.
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").replace("/", "").split()
        ignore = shutil.ignore_patterns(".git", *ignored)
        return Path(shutil.copytree(ROOT, to, ignore=ignore))
    for name in filter(None, listed.stdout.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to / name)
    return to


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address at the proxy."""
    if not nginx.find():
        pytest.skip(nginx.MISSING)
    folder = tmp_path_factory.mktemp("space")
    root = pushed(folder / "repository")
    venv.create(folder / "venv")
    python = str(folder / "venv" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    install = [*pip, "install", "-qq", "--no-compile", "-r", "requirements.txt"]
    subprocess.run(install, cwd=root, check=True)
    port, app_port = free_port(), free_port()
    config = PROXY.format(port=port, path=PATH, app=app_port)
    space = served(folder, port=app_port, python=python, root=root, **ENVIRONMENT)
    with space, nginx.running(folder / "nginx", config, port) as proxy:
        yield f"{proxy}{PATH}"


@pytest.fixture
def page(url: str, browser: Browser) -> Iterator[Page]:
    """A visitor's page; nothing that it asks for is missing, or lies outside of the path."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    asked: list[str] = []
    wrong: list[str] = []
    # Gradio's badge of a Space asks the Hub for its likes.
    context.route(re.compile("^https:"), lambda route: route.fulfill(json=BADGE))
    context.on("request", lambda request: asked.append(request.url))
    context.on(
        "response",
        lambda answer: answer.status >= 400 and wrong.append(f"{answer.status} {answer.url}"),
    )
    with tab(context, f"{url}/") as page:
        yield page
    context.close()
    assert not wrong
    assert not [one for one in asked if one.startswith("http:") and not one.startswith(url)]
    assert {urlsplit(one).hostname for one in asked if one.startswith("https:")} <= BADGES


def card() -> dict[str, Any]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return dict(yaml.safe_load(readme.split("---\n")[1]))


def pin(package: str) -> str:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    [version] = re.findall(rf"^{package}==(\S+)", requirements, re.MULTILINE)
    return str(version)


def test_the_card_is_what_the_hub_takes() -> None:
    fields = card()
    assert fields["title"]
    assert len(fields["emoji"].rstrip("\ufe0f")) == 1
    assert ord(fields["emoji"][0]) > 0x2000
    assert {fields["colorFrom"], fields["colorTo"]} <= COLOURS
    assert fields["sdk"] == "gradio"
    assert (ROOT / fields["app_file"]).is_file()
    assert fields["suggested_hardware"] in CPU
    assert fields["pinned"] is False
    assert 0 < len(fields["short_description"]) <= 60
    assert all(isinstance(tag, str) for tag in fields["tags"])
    assert "MIT" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert fields["license"] == "mit"
    assert "thumbnail" not in fields or urlsplit(fields["thumbnail"]).scheme == "https"


def test_the_card_and_the_requirements_say_the_same() -> None:
    assert card()["sdk_version"] == pin("gradio")
    python = card()["python_version"]
    assert isinstance(python, str), "3.10 would be the number 3.1"
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    everything = f'{{ python: "{python}", command: .ci/run }}'
    assert everything in workflow, "all tests run with the Space's Python"


def test_what_the_hub_installs_itself_leaves_the_pins_alone() -> None:
    """Beside requirements.txt it installs these, with the version of the card."""
    own = [f"gradio[oauth,mcp]=={card()['sdk_version']}", "uvicorn>=0.14.0", "websockets>=10.4"]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "-qq"]
    command = [*pip, *own, "-r", "requirements.txt"]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr


def test_an_edit_streams_through_the_proxy_and_its_files_are_there(page: Page) -> None:
    page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const step = document.querySelector("#status [data-testid=step-run]")?.innerText.match(/[A-Z][a-z]+/)?.[0];
                if (step && step !== window.seen.at(-1)?.[0]) window.seen.push([step, performance.now()]);
            };
            new MutationObserver(look).observe(document.getElementById("status"), { childList: true, subtree: true });
        }"""  # noqa: E501 - JavaScript
    )
    ask(page, "sepia", PHOTOS / "coffee.jpg", PHOTOS / "rocket.jpg")
    picture = page.locator("#results [data-testid=result]")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("picture => picture.naturalWidth") == 600
    seen = page.evaluate("window.seen")
    steps = [step for step, _ in seen]
    assert steps == [step for step in STEPS if step in steps]
    # One by one: a proxy that holds the answer back would hand over all in the same moment.
    assert len(steps) > 1
    assert seen[-1][1] - seen[0][1] > 500

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    with Image.open(downloading.value.path()) as downloaded:
        assert downloaded.size == (600, 400)
    page.reload()
    expect(picture).to_be_visible()
    expect(page.locator("#history li img")).to_have_js_property("complete", True)
    assert page.locator("#history li img").evaluate("picture => picture.naturalWidth") > 0


def test_a_space_without_a_key_asks_for_the_visitors_and_can_be_duplicated(page: Page) -> None:
    expect(page.locator("#engine")).to_contain_text("Sandbox")
    expect(page.get_by_label("Your WaveSpeed key")).to_be_visible()
    expect(page.locator("#huggingface-space-header")).to_be_visible()  # It covers no button.
    page.evaluate("window.open = (address) => { window.opened = address; }")
    page.get_by_role("button", name="Duplicate").click()
    page.wait_for_function("window.opened")
    address = f"https://huggingface.co/spaces/{SPACE}?duplicate=true"
    assert page.evaluate("window.opened") == address


def test_a_script_calls_it_under_its_path(url: str, tmp_path: Path) -> None:
    client = Client(f"{url}/", verbose=False, analytics_enabled=False, download_files=tmp_path)
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    [file], details = client.predict(images=[picture], prompt="sepia", api_name="/edit")
    assert details["status"] == "completed"
    with Image.open(file) as result:
        assert result.size == (600, 400)


def test_a_key_among_the_spaces_secrets_pays(tmp_path: Path) -> None:
    service = Service(seconds=0.3)
    with running(service) as api:
        secrets = {"WAVESPEED_API_KEY": KEY, "WAVESPEED_BASE_URL": api}
        space = ENVIRONMENT | secrets | {"GRADIO_ROOT_PATH": ""}
        with served(tmp_path, **space) as app:
            client = Client(
                app.url, verbose=False, analytics_enabled=False, download_files=tmp_path
            )
            picture = handle_file(str(PHOTOS / "coffee.jpg"))
            client.predict(images=[picture], prompt="grey", api_name="/edit")
            page = httpx.get(app.url).text
    assert "Key: from the server" in page
    assert KEY not in page
    assert [key for path, key in service.keys if path == MODEL] == [KEY]
