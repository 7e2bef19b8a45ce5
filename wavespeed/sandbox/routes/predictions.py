"""The endpoints of predictions: submit, result, delete, and the list of the recent ones."""

import asyncio
import base64
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wavespeed.sandbox import validation
from wavespeed.sandbox.responses import ok, timestamp
from wavespeed.sandbox.tasks import Failure, Refusal, Sandbox, Task

ENDED = ("completed", "failed")
PUBLIC_HOST = "https://api.wavespeed.ai"
SYNC_TICK_SECONDS = 0.02
SETTLE_SECONDS = 1.0


async def submit(sandbox: Sandbox, request: Request) -> Response:
    body = await validation.body_of(request)
    sandbox.check_model(request.path_params["model"])
    prompt, images = validation.prompt(body), validation.images(body)
    as_base64 = validation.flag(body, "enable_base64_output")
    sync = validation.flag(body, "enable_sync_mode")
    if as_base64 and request.query_params.get("webhook"):
        return JSONResponse({"error": "Base64 output cannot go with a webhook."}, 400)
    task = sandbox.submit(prompt, images, base64=as_base64)
    if sync and not await _finished(sandbox, task):
        return ok(_prediction(sandbox, task) | _sync_timeout(sandbox))
    return ok(_prediction(sandbox, task))


async def _finished(sandbox: Sandbox, task: Task) -> bool:
    """Waits for the end of the task, or for the limit of sync mode. Which of the two came?"""
    limit = task.created + sandbox.sync_limit
    while task.status(now := sandbox.clock()) not in ENDED:
        if now >= limit:
            return False
        await asyncio.sleep(SYNC_TICK_SECONDS)
    return True


def _sync_timeout(sandbox: Sandbox) -> dict[str, Any]:
    text = f"Sync mode timed out after {sandbox.sync_limit:g} seconds; the task is still running."
    return {"status": "processing", "code": 5004, "error": text}


async def result(sandbox: Sandbox, request: Request) -> Response:
    task = sandbox.tasks.get(request.path_params["id"])
    if task is None:
        raise Refusal(404, 404, "There is no such prediction.")
    await _settle(sandbox, [task])
    return ok(_prediction(sandbox, task))


async def delete(sandbox: Sandbox, request: Request) -> Response:
    ids = validation.strings(await validation.body_of(request), "ids")
    return ok({"deleted_count": sandbox.forget(ids)})


async def recent(sandbox: Sandbox, request: Request) -> Response:
    """Newest first; every filter is optional, both moments inclusive."""
    body = await validation.body_of(request)
    page, size = (
        validation.number(body, "page", 1),
        validation.number(body, "page_size", 20, most=100),
    )
    after, before = (
        validation.moment(body, "created_after"),
        validation.moment(body, "created_before"),
    )
    await _settle(sandbox, sandbox.tasks.values())
    found = [
        task
        for task in reversed(sandbox.tasks.values())
        if (after is None or _created(task) >= after)
        and (before is None or _created(task) <= before)
        and body.get("model") in (None, "", sandbox.model)
        and body.get("status") in (None, "", task.status(sandbox.clock()))
    ]
    items = [_item(sandbox, task) for task in found[(page - 1) * size : page * size]]
    return ok({"page": page, "items": items, "total": len(found)})


async def _settle(sandbox: Sandbox, tasks: Iterable[Task]) -> None:
    """Waits for the pictures of tasks that are past their end, so that they show as ended."""
    now = sandbox.clock()
    late = [task.outcome for task in tasks if now >= task.ends and not task.outcome.done()]
    if late:
        await asyncio.wait(map(asyncio.wrap_future, late), timeout=SETTLE_SECONDS)


def _prediction(sandbox: Sandbox, task: Task) -> dict[str, Any]:
    now = sandbox.clock()
    status = task.status(now)
    ended = status in ENDED
    data: dict[str, Any] = {
        "id": task.id,
        "model": sandbox.model,
        "status": status,
        "outputs": [],
        "urls": {"get": f"{PUBLIC_HOST}/api/v3/predictions/{task.id}/result"},
        "has_nsfw_contents": [],
        "created_at": timestamp(task.created),
        "error": "",
        "executionTime": round((task.ends - task.created) * 1000) if ended else 0,
        "timings": {"inference": round((task.ends - task.begins) * 1000) if ended else 0},
    }
    if status == "completed":
        png = task.picture()
        encoded = base64.b64encode(png).decode() if task.base64 else _output_url(sandbox, task)
        data |= {"outputs": [encoded], "has_nsfw_contents": [task.nsfw]}
    if status == "failed" and isinstance(failure := task.outcome.result(), Failure):
        data |= {"error": failure.error, "code": failure.code}
    return data


def _item(sandbox: Sandbox, task: Task) -> dict[str, Any]:
    """A line of the list: outputs are always URLs here."""
    data = _prediction(sandbox, task)
    names = ("id", "model", "status", "outputs", "created_at", "has_nsfw_contents")
    item = {name: data[name] for name in names} | {"execution_time": data["executionTime"]}
    return item | ({"outputs": [_output_url(sandbox, task)]} if data["outputs"] else {})


def _output_url(sandbox: Sandbox, task: Task) -> str:
    return f"{sandbox.file_host}/outputs/{task.id}.png"


def _created(task: Task) -> datetime:
    return datetime.fromisoformat(timestamp(task.created))
