"""What an account is asked: the price, the balance, deletion; and who may see it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import gradio as gr
import pytest
from starlette.datastructures import Headers

from tests.conftest import QUICK
from wavespeed import AsyncClient, Edit
from wavespeed.errors import (
    ApiError,
    InactiveApiKey,
    InsufficientCredit,
    InvalidApiKey,
    InvalidEdit,
    PermissionDenied,
)
from wavespeed.sandbox import Sandbox
from wavespeed.studio.runs.account import Account
from wavespeed.studio.runs.errors import ApiKeyRequired
from wavespeed.studio.runs.run import Run
from wavespeed.studio.sessions import is_owner, visitor_id
from wavespeed.studio.text import errors, formatting

pytestmark = pytest.mark.anyio


def made(task_id: str, edit: Edit, *, uses_visitor_key: bool = False) -> Run:
    """A run that made the task."""
    from wavespeed import Prediction
    from wavespeed.studio.runs.run import Recovered

    run = Run(
        id="r",
        visitor_id="v",
        edit=edit,
        started_at=datetime.now(UTC),
        uses_visitor_key=uses_visitor_key,
    )
    return run.apply(Recovered(1.0, Prediction(task_id, "completed")))


async def learnt(account: Account) -> float:
    with suppress(TimeoutError):
        await asyncio.wait_for(account.learn_price(), 0.5)
    return account.price_usd


async def test_the_price_is_the_services_not_ours(client: AsyncClient, sandbox: Sandbox) -> None:
    sandbox.fail("price", data={"price": 0.05, "discounted_price": 0.018})
    account = Account(client)
    assert account.price_usd == 0.02
    assert await learnt(account) == 0.018


async def test_a_price_that_can_not_be_asked_is_the_one_of_the_models_page(
    client: AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.fail("price", status=503, times=QUICK.retry.tries)
    assert await learnt(Account(client)) == 0.02


async def test_what_a_run_made_is_deleted_at_the_service(
    client: AsyncClient, sandbox: Sandbox, edit: Edit
) -> None:
    task = await client.submit(edit, ["https://example.com/cup.png"])
    await Account(client).delete(made(task.id, edit))
    assert sandbox.tasks == {}


async def test_what_a_visitors_key_made_is_deleted_with_that_key_alone(
    client: AsyncClient, sandbox: Sandbox, edit: Edit
) -> None:
    with pytest.raises(ApiKeyRequired):
        await Account(client).delete(made("p1", edit, uses_visitor_key=True))
    assert not sandbox.calls("delete")


async def test_an_id_that_is_none_is_not_even_asked_for(
    client: AsyncClient, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidEdit, match="not a prediction id"):
        await Account(client).find_prediction("../balance")
    assert not sandbox.calls()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Invalid API key", InvalidApiKey),
        (401, "API key is not active. Top up your account to activate it.", InactiveApiKey),
        (401, "This key is inactive", InactiveApiKey),
        (401, "Invalid or inactive API key", InvalidApiKey),
        (402, "Payment required", InsufficientCredit),
        (403, "Insufficient balance", InsufficientCredit),
        (403, "Account suspended", PermissionDenied),
    ],
)
async def test_four_troubles_with_a_key_are_told_apart(
    client: AsyncClient, sandbox: Sandbox, status: int, message: str, kind: type[InvalidApiKey]
) -> None:
    sandbox.fail("price", status=status, body={"code": status, "message": message})
    with pytest.raises(kind) as caught:
        await Account(client).price()
    assert type(caught.value) is kind
    told = {
        errors.key_error(error("x", status=1))
        for error in (InvalidApiKey, InactiveApiKey, InsufficientCredit, PermissionDenied)
    }
    assert len(told) == 4
    assert errors.key_error(caught.value) in told


async def test_a_white_balance_is_no_empty_account(client: AsyncClient, sandbox: Sandbox) -> None:
    sandbox.fail("price", status=400, body={"message": "The white balance can't be read."})
    with pytest.raises(ApiError) as caught:
        await Account(client).price()
    assert type(caught.value) is ApiError


LOCAL, AWAY = "127.0.0.1", "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "headers", "owner"),
    [
        (LOCAL, {"host": "localhost:7860", "origin": "http://localhost:7860"}, True),
        (LOCAL, {"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"}, True),
        (LOCAL, {"host": "127.0.0.1:7860"}, False),
        ("::1", {"host": "[::1]:7860", "origin": "http://[::1]:7860"}, True),
        (AWAY, {"host": "localhost:7860", "origin": "http://localhost:7860"}, False),
        (LOCAL, {"host": "demo.example.com"}, False),
        # A proxy on the same machine that passes nothing on: the browser's origin gives it away.
        (LOCAL, {"host": "127.0.0.1:7860", "origin": "https://demo.example.com"}, False),
        (LOCAL, {"host": "localhost:7860", "x-forwarded-for": AWAY}, False),
        (LOCAL, {"host": "localhost:7860", "forwarded": "for=203.0.113.9"}, False),
        (LOCAL, {"host": "localhost.example.com"}, False),
        ("", {"host": "localhost"}, False),
    ],
)
def test_the_owner_is_who_sits_at_the_machine(
    address: str, headers: dict[str, str], owner: bool
) -> None:
    class Client:
        host = address

    class Request(gr.Request):
        client = Client()

        def __init__(self) -> None:
            self.headers = Headers(headers)

    assert is_owner(Request()) is owner


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0.02, "$0.02"), (0.2, "$0.20"), (0.018, "$0.018"), (0, "$0.00"), (1250.5, "$1,250.50")],
)
def test_money_has_as_many_decimals_as_say_something(usd: float, text: str) -> None:
    assert formatting.dollars(usd) == text


def test_a_page_that_does_not_know_its_visitor_yet_has_one_all_the_same() -> None:
    """What someone starts within the first moments must be found when the id has come."""

    class Request(gr.Request):
        def __init__(self, session_hash: str | None) -> None:
            self.session_hash = session_hash

    early = visitor_id(None, Request("page-1"))
    assert visitor_id("not an id", Request("page-1")) == early
    assert visitor_id(early, Request("page-2")) == early
    assert visitor_id(None, Request("page-2")) != early
    assert visitor_id(None, Request(None)) != visitor_id(None, Request(None))
