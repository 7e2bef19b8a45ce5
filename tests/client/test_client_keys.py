"""The key goes to the API alone, and shows nowhere."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from tests.conftest import KEY, QUICK, story
from wavespeed import AsyncClient, Edit, WaveSpeedError
from wavespeed.errors import InvalidApiKey, InvalidResponse
from wavespeed.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def test_a_service_that_repeats_the_key_is_not_quoted_with_it(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    message = f"bad key {KEY}, see https://wavespeed.ai/keys?key={KEY}"
    sandbox.fail("balance", status=401, body={"code": 401, "message": message})
    with pytest.raises(InvalidApiKey) as caught:
        await client.balance()
    assert KEY not in str(caught.value)
    assert "https://" not in str(caught.value)


def test_not_even_the_traceback_of_a_bad_key_knows_it() -> None:
    key = "almost a key"
    with pytest.raises(InvalidApiKey) as caught:
        AsyncClient(key)
    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    below = [frame for frame in error.stack if Path(__file__).name not in frame.filename]
    assert below
    assert key not in str([frame.locals for frame in below])


async def test_the_key_goes_to_the_api_and_never_to_a_file_host(
    sandbox: Sandbox, client: AsyncClient, edit: Edit
) -> None:
    await story(client, edit)
    await client.balance()

    for operation in ("ticket", "submit", "result", "balance"):
        for call in sandbox.calls(operation):
            assert call.headers["authorization"] == f"Bearer {KEY}"
    for operation in ("put", "download"):
        assert sandbox.calls(operation)
        for call in sandbox.calls(operation):
            assert KEY not in str(call.headers)


@pytest.mark.parametrize(
    "pasted",
    [f" {KEY}\n", f'"{KEY}"', f"'{KEY}'", f"Bearer {KEY}", f" bearer  {KEY} ", f'Bearer "{KEY}"'],
)
async def test_what_is_pasted_along_with_a_key_is_taken_off(
    sandbox: Sandbox, base_url: str, pasted: str
) -> None:
    async with AsyncClient(pasted, base_url=base_url, policies=QUICK) as client:
        await client.balance()

    assert sandbox.calls("balance")[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["", "  ", "Bearer ", "two words", "schlüssel", "a\nb", "a\x00b"])
def test_what_can_not_be_a_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        AsyncClient(key)
    assert not key.strip() or key not in str(caught.value)


async def test_the_key_shows_in_no_error_log_repr_or_traceback(
    sandbox: Sandbox,
    base_url: str,
    edit: Edit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clients = [AsyncClient(KEY, base_url=base_url, policies=QUICK)]
    clients.append(AsyncClient(KEY, base_url="http://127.0.0.1:9", policies=QUICK))
    sandbox.fail("submit", drop=True)
    sandbox.fail("balance", status=401)
    shown = [repr(client) + str(vars(client)) for client in clients]
    for call in (
        lambda: story(clients[0], edit),
        clients[0].balance,
        clients[1].balance,
        lambda: clients[0].result("no such id"),
    ):
        with pytest.raises(WaveSpeedError) as caught:
            await call()
        error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        # This test's own frames know the key; what happened below them must not.
        ours = [line for line in error.format() if Path(__file__).name not in line]
        shown += [*ours, repr(caught.value), str(caught.value)]
    for client in clients:
        await client.__aexit__(None, None, None)

    assert KEY not in "".join(shown)
    assert KEY not in caplog.text


async def test_an_api_that_redirects_does_not_get_the_key_carried_along(
    sandbox: Sandbox, client: AsyncClient
) -> None:
    sandbox.fail("balance", status=307, headers={"Location": "/elsewhere"}, body=b"", times=3)

    with pytest.raises(InvalidResponse):
        await client.balance()

    assert len(sandbox.calls("balance")) == 3
