"""Addresses that come from outside: what is fetched, and what is not."""

from __future__ import annotations

import pytest

from tests.conftest import KEY, QUICK, story
from wavespeed import AsyncClient, Edit, Output
from wavespeed.errors import InvalidResponse
from wavespeed.events import Finished
from wavespeed.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9/x.png",
        "https://127.0.0.1:9/x.png",
        "https://localhost:9/x.png",
        "https://[::1]:9/x.png",
        "https://10.0.0.1/x.png",
        "https://192.168.1.1/x.png",
        "http://93.184.215.14/x.png",
    ],
)
async def test_an_output_on_a_private_address_or_in_the_clear_is_not_fetched(url: str) -> None:
    async with AsyncClient(KEY, base_url="https://api.wavespeed.ai", policies=QUICK) as client:
        with pytest.raises(InvalidResponse):
            await client.download(Output(url=url))


@pytest.mark.parametrize("location", ["http://10.1.2.3/x.png", "https://10.1.2.3/", "file:///etc"])
async def test_nor_is_it_after_a_redirect(
    sandbox: Sandbox, client: AsyncClient, edit: Edit, location: str
) -> None:
    sandbox.fail("download", status=302, headers={"Location": location}, body=b"")

    with pytest.raises(InvalidResponse):
        await story(client, edit)


async def test_a_redirect_to_where_files_may_be_is_followed(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    prediction = (await story(client, edit))[-1]
    assert isinstance(prediction, Finished)
    url = prediction.prediction.outputs[0].url
    assert url
    sandbox.fail("download", status=302, headers={"Location": url}, body=b"")

    assert await client.download(Output(url=url))
