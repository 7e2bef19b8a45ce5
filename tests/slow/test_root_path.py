"""The page under a path of another site, behind an nginx and a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import nginx
from tests.support.apps import free_port, served
from tests.support.visits import ask

pytestmark = pytest.mark.skipif(not nginx.find(), reason=nginx.MISSING)
CONFIG = """
server {{
    listen {port};
    client_max_body_size 0;
    location /demo/ {{
        proxy_pass {app}/;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_buffering off;
        proxy_read_timeout 1h;
    }}
}}
"""
SETTINGS = {"WAVESPEED_AUTH": "maker:a-long-password", "GRADIO_ROOT_PATH": "/demo"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the page is for the world."""
    port = free_port()
    hosts = f"127.0.0.1:{port},127.0.0.1"
    with served(tmp_path / "app", **SETTINGS, WAVESPEED_HOSTS=hosts) as app:
        config = CONFIG.format(port=port, app=app.url)
        with nginx.running(tmp_path / "nginx", config, port) as url:
            yield f"{url}/demo/"


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("username").fill("maker")
    page.get_by_label("password").fill("a-long-password")
    page.get_by_role("button", name="Login").click()
    expect(page.locator("body[data-ready]")).to_be_attached()


def test_an_edit_is_made_and_taken_away_there(browser: Browser, url: str, tmp_path: Path) -> None:
    with closing(browser.new_context(reduced_motion="reduce")) as context:
        page = context.new_page()
        log_in(page, url)
        ask(page, "sepia")
        result = page.locator("#results [data-testid=result]")
        expect(result).to_be_visible()
        assert result.evaluate("(picture) => picture.complete && picture.naturalWidth > 0")

        page.get_by_role("button", name="Export").click()
        link = page.locator("#exported").get_by_role("link").first
        with page.expect_download() as download:
            link.click()
        file = tmp_path / "edits.zip"
        download.value.save_as(file)
        with ZipFile(file) as pack:
            assert pack.testzip() is None
            assert "manifest.json" in pack.namelist()
        address = str(link.evaluate("(link) => link.href"))
    assert address.startswith(url)
    assert httpx.get(f"{url}config", trust_env=False).status_code == 401
