"""A submission as one would send it oneself."""

from __future__ import annotations

import json
import shlex
from typing import Any

from wavespeed.studio.runs.run import Run


def request_snippets(run: Run, api_url: str) -> dict[str, str]:
    """The request in curl and in Python, by the language's name, without the key; nothing of what
    was not sent."""
    if run.edit is None or not run.urls:
        return {}
    body: dict[str, Any] = {
        "prompt": run.prompt,
        "images": list(run.urls),
        "enable_sync_mode": run.edit.sync_mode,
        "enable_base64_output": run.edit.base64_output,
    }
    url = f"{api_url}/api/v3/{run.edit.model}"
    curl = (
        f"curl {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $WAVESPEED_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
    python = (
        "import os, httpx\n\n"
        f"answer = httpx.post(\n    {url!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'WAVESPEED_API_KEY\']}"},\n'
        f"    json={body!r},\n    timeout=120,\n)\nprint(answer.json())"
    )
    return {"curl": curl, "Python": python}
