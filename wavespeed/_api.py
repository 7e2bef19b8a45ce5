"""Each call of the API, sent once: what goes where, and what is read from the answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from ._model_refusals import about_model
from ._policies import Timeouts
from ._responses import ApiResponse, address, number, price
from ._transport import Transport
from .errors import (
    AmbiguousSubmit,
    ApiError,
    ConnectionFailed,
    FileUnavailable,
    InvalidResponse,
    PredictionNotFound,
    ServerError,
)
from .types import Image, Prediction

PAGE_SIZE = 100
"""Predictions a page of the list call: the most the service gives (maker)."""


class Api:
    """The service's calls. Each raises `WaveSpeedError`s; none is repeated here."""

    def __init__(self, transport: Transport, timeouts: Timeouts) -> None:
        self._transport = transport
        self._timeouts = timeouts

    @property
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of this machine's, by its last answer; zero before
        the first."""
        return self._transport.clock_offset

    async def upload(self, image: Image) -> str:
        """The address under which the service reads the picture. A new ticket each time."""
        ticket = {
            "filename": image.name,
            "size": len(image.content),
            "content_type": image.content_type,
        }
        answer = await self._transport.request("POST", "/api/v3/media/uploads", ticket)
        if answer.status in (404, 405):
            return await self._upload_older(image)
        data = answer.data()
        order = data.get("upload")
        if not isinstance(order, dict) or order.get("method") != "PUT":
            raise InvalidResponse("upload")
        stored = await self._transport.request_file(
            "PUT",
            address(order.get("url"), "upload.url"),
            content=image.content,
            headers=order.get("headers") or {},
        )
        if stored.status == 412:
            # Written already, by whom is unknown; the next try brings a new ticket.
            raise ConnectionFailed("The upload has to be started afresh.", sent=True)
        stored.file()
        return address(data.get("download_url"), "download_url")

    async def _upload_older(self, image: Image) -> str:
        answer = await self._transport.request(
            "POST",
            "/api/v3/media/upload/binary",
            files={"file": (image.name, image.content, image.content_type)},
            seconds=self._timeouts.transfer,
        )
        return address(answer.data().get("download_url"), "download_url")

    async def submit(self, model: str, body: dict[str, Any]) -> Prediction:
        """The one request that costs money.

        Raises `AmbiguousSubmit` for whatever leaves open if it was taken.
        """
        is_sync = body["enable_sync_mode"]
        seconds = self._timeouts.sync if is_sync else self._timeouts.answer
        try:
            answer = await self._transport.request(
                "POST", f"/api/v3/{model}", body, seconds=seconds
            )
            try:
                return await asyncio.to_thread(
                    lambda: answer.accepted_prediction() or answer.prediction()
                )
            except ApiError as error:
                if missing := about_model(error, answer.content, model, submitted=True):
                    raise missing from error
                raise
        except (ServerError, InvalidResponse) as error:
            raise AmbiguousSubmit(
                "WaveSpeed's answer leaves open whether it took the edit; it may have been billed."
            ) from error
        except ConnectionFailed as error:
            if not error.sent:
                raise
            raise AmbiguousSubmit(
                "WaveSpeed went silent after taking the edit; it may have been billed."
            ) from error

    async def result(self, prediction_id: str) -> Prediction:
        """The task as it stands now."""
        # Built from the id: `urls.get` names the public host, whatever the base URL is (API notes).
        path = f"/api/v3/predictions/{prediction_id}/result"
        answer = await self._transport.request("GET", path)
        try:
            # In a thread: four pictures in base64 take half a second to decode.
            prediction = await asyncio.to_thread(answer.prediction)
        except ApiError as error:
            if 404 in (error.status, error.service_code):
                raise PredictionNotFound(
                    str(error), status=error.status, service_code=error.service_code
                ) from None
            raise
        if prediction.id != prediction_id:
            raise InvalidResponse("id", prediction_id=prediction_id)
        return prediction

    async def download(self, url: str) -> bytes:
        """A file's bytes."""
        answer = await self._transport.request_file("GET", url)
        if answer.status in (401, 403, 404, 410):  # Not there yet, or an address that has expired.
            message = f"The picture is not at its address (answer {answer.status})."
            raise FileUnavailable(message, status=answer.status)
        content = answer.file()
        if not content:
            raise ConnectionFailed("The picture arrived empty.", sent=True)
        return content

    async def balance(self) -> float:
        """USD."""
        answer = await self._first_known("GET", "/api/v3/balance", "/api/v3/account/balance")
        return number(answer.data(), "balance")

    async def price(self, model: str) -> float:
        """USD for one edit."""
        body = {"model_id": model, "inputs": {}}
        answer = await self._first_known(
            "POST", "/api/v3/model/price", "/api/v3/model/pricing", body
        )
        try:
            data = answer.data()
        except ApiError as error:
            if missing := about_model(error, answer.content, model, submitted=False):
                raise missing from error
            raise
        return price(data)

    async def list_predictions(
        self, model: str, created_after: datetime, created_before: datetime | None, page: int
    ) -> list[Prediction]:
        """A page (from 1) of this account's predictions of the model."""
        query = {
            "page": page,
            "page_size": PAGE_SIZE,
            "created_after": _wire_time(created_after),
            "model": model,
        }
        if created_before is not None:
            query["created_before"] = _wire_time(created_before)
        answer = await self._transport.request("POST", "/api/v3/predictions", query)
        items = answer.data().get("items") or []
        if not isinstance(items, list):
            raise InvalidResponse("items")
        return [task for item in items if (task := _prediction_or_none(item))]

    async def delete(self, prediction_ids: list[str]) -> int:
        """How many tasks were deleted."""
        body = {"ids": prediction_ids}
        answer = await self._transport.request("POST", "/api/v3/predictions/delete", body)
        return int(number(answer.data(), "deleted_count"))

    async def _first_known(
        self, method: str, path: str, older: str, body: dict[str, Any] | None = None
    ) -> ApiResponse:
        """Of two documented paths for one thing, the second where the first is not known."""
        answer = await self._transport.request(method, path, body)
        if answer.status in (404, 405):
            answer = await self._transport.request(method, older, body)
        return answer


def _wire_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _prediction_or_none(item: object) -> Prediction | None:
    """One odd item of a list must not hide the others."""
    try:
        return Prediction.from_json(item)
    except InvalidResponse:
        return None
