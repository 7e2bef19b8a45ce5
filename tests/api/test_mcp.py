"""The edit as a tool for models: the protocol's own client, over streamable HTTP."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from tests.conftest import PHOTOS, AppWith
from tests.support.apps import App, served
from tests.support.service import MODEL, VISITORS_KEY, Service

pytestmark = pytest.mark.anyio
PICTURE = "data:image/jpeg;base64," + b64encode((PHOTOS / "coffee.jpg").read_bytes()).decode()


@asynccontextmanager
async def model(app: App, **headers: str) -> AsyncIterator[ClientSession]:
    """A model that is connected."""
    url = f"{app.url}/gradio_api/mcp/"
    async with (
        httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def said(result: CallToolResult) -> str:
    return " ".join(part.text for part in result.content if isinstance(part, TextContent))


async def test_there_is_one_tool_and_it_says_what_it_takes_and_costs(app: App) -> None:
    async with model(app) as session:
        [tool] = (await session.list_tools()).tools
        assert not (await session.list_prompts()).prompts
        assert not (await session.list_resources()).resources
    assert tool.name == "edit_picture"
    assert "0.02 USD" in (tool.description or "")
    assert tool.inputSchema["required"] == ["images", "prompt"]
    fields = tool.inputSchema["properties"]
    assert fields["images"]["type"] == "array"
    assert fields["images"]["items"] == {"type": "string"}
    assert fields["prompt"]["type"] == "string"
    assert "https" in fields["images"]["description"]
    assert "What should change" in fields["prompt"]["description"]


async def test_a_model_gets_the_picture_its_flag_and_its_cost(app: App) -> None:
    async with model(app) as session:
        result = await session.call_tool(
            "edit_picture", {"images": [PICTURE], "prompt": "make it grey [[nsfw]]"}
        )
    assert not result.isError
    picture, link, about = result.content
    assert isinstance(picture, ImageContent)
    with Image.open(BytesIO(b64decode(picture.data))) as image:
        assert image.size == (600, 400)
    assert isinstance(link, TextContent)
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(link.text.removeprefix("Image URL: "))
    with Image.open(BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("PNG", (600, 400))
    assert isinstance(about, TextContent)
    details = json.loads(about.text)
    assert details["outputs"][0]["nsfw"] is True
    assert details["cost_usd"] == 0.02


async def test_an_uploaded_file_is_taken_by_its_address(app: App) -> None:
    files = {"files": ("rocket.jpg", (PHOTOS / "rocket.jpg").read_bytes())}
    async with httpx.AsyncClient(trust_env=False) as http:
        [path] = (await http.post(f"{app.url}/gradio_api/upload", files=files)).json()
    async with model(app) as session:
        address = f"{app.url}/gradio_api/file={path}"
        result = await session.call_tool("edit_picture", {"images": [address], "prompt": "warm"})
    assert not result.isError


@pytest.mark.parametrize(
    ("images", "prompt", "problem"),
    [
        ([], "grey", "Add a picture first. Nothing was spent."),
        ([PICTURE] * 5, "grey", "5 pictures are too many"),
        ([PICTURE], " ", "Say what should change. Nothing was spent."),
        ([PICTURE], "grey [[fail]]", "WaveSpeed refunds failed runs within 3 hours"),
        (["data:image/png;base64,@@"], "grey", "has to hold a picture in base64"),
        (["data:text/plain,hello"], "grey", "has to hold a picture in base64"),
        (["data:image/png;base64,aGVsbG8="], "grey", "is no JPEG, PNG"),
        (["/etc/hostname"], "grey", "has to be a file uploaded here"),
        (["file:///etc/hostname"], "grey", "has to be a file uploaded here"),
        (["http://127.0.0.1/"], "grey", "has to be a file uploaded here"),
        (["http://x/gradio_api/file=/etc/hostname"], "grey", "has to be a file uploaded here"),
        (["http://x/gradio_api/file={cache}/../data/studio.db"], "grey", "has to be a file upl"),
    ],
)
async def test_what_can_not_be_done_is_an_error_that_says_what_it_cost(
    app: App, images: list[str], prompt: str, problem: str
) -> None:
    cache = app.log_file.parent / "cache"
    images = [image.replace("{cache}", str(cache)) for image in images]
    async with model(app) as session:
        result = await session.call_tool("edit_picture", {"images": images, "prompt": prompt})
    assert result.isError
    assert problem in said(result)
    assert "Traceback" not in said(result)
    assert str(cache) not in said(result)


async def test_a_models_own_key_goes_into_a_header_and_addresses_to_the_service(
    app_with: AppWith, service: Service
) -> None:
    async with model(app_with(service), **{"X-WaveSpeed-Key": VISITORS_KEY}) as session:
        # Another page of Gradio's has such addresses, too.
        address = "https://example.com/gradio_api/file=/tmp/gradio/cup.jpg"
        result = await session.call_tool(
            "edit_picture", {"images": [PICTURE, address], "prompt": "grey"}
        )
    assert not result.isError, said(result)
    assert [key for path, key in service.keys if path == MODEL] == [VISITORS_KEY]
    assert service.submissions[0]["images"][1] == address


def test_a_page_with_a_login_offers_models_nothing(tmp_path: Path) -> None:
    with served(tmp_path, WAVESPEED_AUTH="me:secret") as app:
        answer = httpx.post(f"{app.url}/gradio_api/mcp/", json={})
    assert answer.status_code in (401, 404, 405)
