"""Answers: the envelope, the error bodies in their several shapes, and what faults make of them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .faults import Fault

GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def ok(data: object) -> Response:
    return JSONResponse({"code": 200, "message": "success", "data": data})


def error(
    status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The shape seen with each status: a gateway's page, two kinds of object, or the envelope."""
    body: dict[str, Any]
    match status:
        case 502 | 504:
            title = f"{status} {HTTPStatus(status).phrase}"
            return HTMLResponse(GATEWAY_PAGE.format(title), status, headers)
        case 401 | 403:
            body = {"code": code, "message": message, "error_code": HTTPStatus(status).name}
        case 413 | 500:
            body = {"error": message}
        case _:
            body = {"code": code, "message": message, "data": None}
    return JSONResponse(body, status, headers)


def file_error(status: int, message: str) -> Response:
    """As object stores put it."""
    text = f"<Error><Code>{HTTPStatus(status).name}</Code><Message>{message}</Message></Error>"
    return Response(text, status, media_type="application/xml")


def spoil(answer: Response, fault: Fault) -> Response:
    """The answer that a fault makes of the usual one."""
    if fault.drop:
        return _Severed(answer, after=None)
    if fault.status is not None or fault.body is not None:
        answer = _instead(fault)
    if fault.data:
        body = json.loads(bytes(answer.body))
        body["data"] |= fault.data
        answer = JSONResponse(body, answer.status_code)
    answer.headers.update(fault.headers)
    return answer if fault.cut is None else _Severed(answer, after=fault.cut)


def _instead(fault: Fault) -> Response:
    status = fault.status or 200
    match fault.body:
        case None if status < 400:
            return Response(status_code=status)
        case None:
            return error(status, status, HTTPStatus(status).phrase)
        case bytes() as page:
            return HTMLResponse(page, status)
        case body:
            return JSONResponse(body, status)


class _Severed(Response):
    """Sends the first bytes of an answer that promises more, or nothing, and closes the socket."""

    def __init__(self, answer: Response, *, after: int | None) -> None:
        super().__init__(answer.body, answer.status_code)
        self.raw_headers = answer.raw_headers
        self.after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["state"]["transport"]
        if self.after is None:
            transport.abort()
        else:
            head = {"type": "http.response.start", "status": self.status_code}
            await send({**head, "headers": self.raw_headers})
            part = bytes(self.body[: self.after])
            await send({"type": "http.response.body", "body": part, "more_body": True})
            transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass  # Uvicorn would complain of an answer without an end on a live connection.


def timestamp(seconds: float) -> str:
    """Nine decimals and a Z."""
    whole, nanoseconds = divmod(round(seconds * 1e9), 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
