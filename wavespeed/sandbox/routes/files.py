"""The endpoints of files: both forms of upload, and the host that keeps and gives them."""

from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wavespeed.sandbox import validation
from wavespeed.sandbox.responses import file_error, ok, timestamp
from wavespeed.sandbox.tasks import Refusal, Sandbox, Upload

UPLOAD_BYTES = 20 * 1024 * 1024
TICKET_SECONDS = 3600


async def ticket(sandbox: Sandbox, request: Request) -> Response:
    body = await validation.body_of(request)
    filename, size = validation.text(body, "filename"), validation.number(body, "size")
    content_type = validation.text(body, "content_type", "application/octet-stream")
    _refuse_large(size)
    name = sandbox.add_upload(Upload(content_type))
    instruction = {
        "method": "PUT",
        "url": f"{sandbox.file_host}/put/{name}",
        "headers": {"Content-Type": content_type, "If-None-Match": "*"},
        "expires_at": timestamp(sandbox.clock() + TICKET_SECONDS),
    }
    return ok(_file(sandbox, name, filename, size) | {"upload": instruction})


async def put(sandbox: Sandbox, request: Request) -> Response:
    """Like an object store's signed URL: only the very request that was signed, and once."""
    upload = sandbox.uploads.get(request.path_params["name"])
    if upload is None:
        return file_error(404, "There is no such ticket.")
    if "authorization" in request.headers:
        return file_error(400, "Only one way to prove who you are: the URL is signed.")
    if request.headers.get("content-type") != upload.content_type:
        return file_error(403, "Content-Type is not the one that was signed.")
    if request.headers.get("if-none-match") != "*":
        return file_error(403, "If-None-Match is not the one that was signed.")
    if upload.content is not None:
        return file_error(412, "The object exists.")
    content = await request.body()
    if len(content) > UPLOAD_BYTES:
        return file_error(413, "The object is too large.")
    sandbox.fill(upload, content)
    return Response()


async def upload(sandbox: Sandbox, request: Request) -> Response:
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Refusal(400, 1400, "The field `request_file` is missing.")
            content = await file.read()
    except HTTPException as malformed:
        raise Refusal(400, 1401, malformed.detail) from malformed
    _refuse_large(len(content))
    name = sandbox.add_upload(Upload(file.content_type or "application/octet-stream", content))
    return ok(_file(sandbox, name, file.filename or name, len(content)))


async def download_upload(sandbox: Sandbox, request: Request) -> Response:
    upload = sandbox.uploads.get(request.path_params["name"])
    if upload is None or upload.content is None:
        return file_error(404, "There is no such file.")
    return Response(upload.content, media_type=upload.content_type)


async def download_output(sandbox: Sandbox, request: Request) -> Response:
    task = sandbox.tasks.get(request.path_params["id"])
    if task is None or task.status(sandbox.clock()) != "completed":
        return file_error(404, "There is no such file.")
    return Response(task.picture(), media_type="image/png")


def _refuse_large(size: int) -> None:
    if size > UPLOAD_BYTES:
        raise Refusal(413, 413, "The file is larger than 20 MB.")


def _file(sandbox: Sandbox, name: str, filename: str, size: int) -> dict[str, Any]:
    url = f"{sandbox.file_host}/uploads/{name}"
    return {"type": "image", "download_url": url, "filename": filename, "size": size}
