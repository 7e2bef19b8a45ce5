"""The REST API as a Starlette app, and the file host as another.

Reproduced clause by clause from the service's documentation and from the clients its maker
publishes. Where those disagree: uploads end at 20 MB, the strictest limit; `urls.get` names the
public host, as it does at the service; every status has the shape of error body seen with it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wavespeed.sandbox.routes import files, predictions

from . import validation
from .faults import Call
from .responses import error, ok, spoil
from .tasks import PRICE_CENTS, Refusal, Sandbox

PRICE = PRICE_CENTS / 100
REQUEST_BYTES = 128 * 1024 * 1024  # Four images as data URIs, and some.
JOURNALED_BYTES = 1024 * 1024

REQUEST_SCHEMA = {
    "type": "object",
    "required": ["prompt", "images"],
    "properties": {
        "prompt": {"type": "string", "description": "What to change."},
        "images": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": validation.MOST_IMAGES,
        },
        "enable_sync_mode": {"type": "boolean", "default": False},
        "enable_base64_output": {"type": "boolean", "default": False},
    },
}

Handler = Callable[[Sandbox, Request], Awaitable[Response]]


def api(sandbox: Sandbox) -> Starlette:
    """Every endpoint that wants the key."""
    operations: list[tuple[str, str, str, Handler]] = [
        ("GET", "/api/v3/predictions/{id}/result", "result", predictions.result),
        ("GET", "/api/v3/predictions/{id}", "result", predictions.result),
        ("POST", "/api/v3/predictions/delete", "delete", predictions.delete),
        ("POST", "/api/v3/predictions", "recent", predictions.recent),
        ("POST", "/api/v3/media/uploads", "ticket", files.ticket),
        ("POST", "/api/v3/media/upload/binary", "upload", files.upload),
        ("GET", "/api/v3/balance", "balance", _balance),
        ("GET", "/api/v3/account/balance", "balance", _balance),
        ("POST", "/api/v3/model/price", "price", _price),
        ("POST", "/api/v3/model/pricing", "price", _unit_price),
        ("GET", "/api/v3/models", "models", _models),
        ("GET", "/api/v3/webhook/secret", "webhook_secret", _webhook_secret),
        ("POST", "/api/v3/{model:path}", "submit", predictions.submit),
    ]
    routes = [
        Route(path, _endpoint(sandbox, name, _with_key(handler)), methods=[method])
        for method, path, name, handler in operations
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_endpoint})


def file_host(sandbox: Sandbox) -> Starlette:
    """Where files lie, open to everyone who knows their name. No endpoint of the API is here."""
    operations: list[tuple[str, str, str, Handler]] = [
        ("PUT", "/put/{name}", "put", files.put),
        ("GET", "/uploads/{name}", "download", files.download_upload),
        ("GET", "/outputs/{id}.png", "download", files.download_output),
    ]
    return Starlette(
        routes=[
            Route(path, _endpoint(sandbox, name, handler), methods=[method])
            for method, path, name, handler in operations
        ]
    )


def _endpoint(
    sandbox: Sandbox, operation: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """Around every handler: the journal first, then the fault that waits for this operation."""

    async def endpoint(request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > REQUEST_BYTES:
            return error(413, 413, "The request is too large.")
        fault = sandbox.meet(await _call(sandbox, operation, request))
        if fault is None:
            return await _answer(sandbox, handler, request)
        answer = await _answer(sandbox, handler, request) if fault.takes_effect else Response()
        await asyncio.sleep(fault.delay)
        return spoil(answer, fault)

    return endpoint


async def _call(sandbox: Sandbox, operation: str, request: Request) -> Call:
    raw = await request.body()
    body = None
    if len(raw) <= JOURNALED_BYTES and "json" in request.headers.get("content-type", ""):
        body = validation.parsed(raw)
    return Call(
        operation=operation,
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        body=body,
        at=sandbox.clock(),
    )


async def _answer(sandbox: Sandbox, handler: Handler, request: Request) -> Response:
    try:
        return await handler(sandbox, request)
    except Refusal as refusal:
        return error(refusal.status, refusal.code, str(refusal), refusal.headers)


def _with_key(handler: Handler) -> Handler:
    """`X-API-Key` is not taken, as the documentation says."""

    async def guarded(sandbox: Sandbox, request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key.strip() in ("", "invalid"):
            raise Refusal(401, 401, "The API key is missing or not valid.")
        return await handler(sandbox, request)

    return guarded


async def _no_such_endpoint(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    return error(exception.status_code, exception.status_code, exception.detail)


# Account and models


async def _balance(sandbox: Sandbox, request: Request) -> Response:
    return ok({"balance": sandbox.balance()})


async def _price(sandbox: Sandbox, request: Request) -> Response:
    await _check_model(sandbox, request)
    price = {"price": PRICE, "discounted_price": PRICE, "currency": "USD"}
    return ok({"model_id": sandbox.model} | price)


async def _unit_price(sandbox: Sandbox, request: Request) -> Response:
    await _check_model(sandbox, request)
    return ok({"unit_price": PRICE})


async def _check_model(sandbox: Sandbox, request: Request) -> None:
    sandbox.check_model((await validation.body_of(request)).get("model_id"))


async def _models(sandbox: Sandbox, request: Request) -> Response:
    schemas = [{"type": "model_run", "request_schema": REQUEST_SCHEMA}]
    schema = {"api_schemas": schemas}
    model = {"model_id": sandbox.model, "name": sandbox.model}
    return ok([model | {"base_price": PRICE, "api_schema": schema}])


async def _webhook_secret(sandbox: Sandbox, request: Request) -> Response:
    return ok({"secret": "whsec_of_the_sandbox"})
