"""What a request says, or `Refusal` with 1400 for what is missing and 1401 for what is wrong.

Fields that nobody asks for here are dropped without a word, as the service does.
"""

import json
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from .tasks import Refusal

MOST_IMAGES = 4
PROMPT_CHARACTERS = 32_000


def parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


async def body_of(request: Request) -> dict[str, Any]:
    body = parsed(await request.body())
    if not isinstance(body, dict):
        raise Refusal(400, 1401, "The body is not a JSON object.")
    return body


def prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if prompt is None or (isinstance(prompt, str) and not prompt.strip()):
        raise Refusal(400, 1400, "prompt is required.")
    if not isinstance(prompt, str) or len(prompt) > PROMPT_CHARACTERS:
        raise Refusal(400, 1401, f"prompt has to be text of at most {PROMPT_CHARACTERS:,} letters.")
    return prompt


def images(body: dict[str, Any]) -> list[str]:
    if not body.get("images"):
        raise Refusal(400, 1400, "images is required.")
    images = strings(body, "images")
    if len(images) > MOST_IMAGES or not all(images):
        raise Refusal(400, 1401, f"images has to be 1 to {MOST_IMAGES} URLs.")
    return images


def strings(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refusal(400, 1401, f"{name} has to be a list of strings.")
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name) or False
    if not isinstance(value, bool):
        raise Refusal(400, 1401, f"{name} has to be true or false.")
    return value


def text(body: dict[str, Any], name: str, usual: str | None = None) -> str:
    value = body.get(name) or usual
    if not isinstance(value, str) or not value.isprintable():
        raise Refusal(400, 1401, f"{name} has to be a line of text.")
    return value


def number(
    body: dict[str, Any], name: str, usual: int | None = None, *, most: int | None = None
) -> int:
    value = body.get(name, usual)
    if not isinstance(value, int) or value < 1 or (most is not None and value > most):
        raise Refusal(400, 1401, f"{name} is out of range.")
    return value


def moment(body: dict[str, Any], name: str) -> datetime | None:
    if not body.get(name):
        return None
    try:
        moment = datetime.fromisoformat(body[name])
    except (TypeError, ValueError) as error:
        raise Refusal(400, 1401, f"{name} has to be a time in ISO 8601.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
