"""The maker's own SDK runs against the sandbox: the judge of the wire who has not read our notes.

It lives in a folder of its own and runs in a process of its own, for its import name is ours.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from wavespeed.sandbox import Sandbox, serve

SDK = Path(__file__).parent.parent.parent / ".venv" / "sdk"

SCRIPT = """
import json, sys, urllib.request
from wavespeed import Client
import wavespeed

url, photo = sys.argv[1:]
model = "openai/gpt-image-1-mini/edit"
client = Client(api_key="sdk", base_url=url)
uploaded = client.upload(photo)
edit = {"prompt": "black and white", "images": [uploaded]}
later = client.run(model, edit, poll_interval=0.02)
at_once = client.run(model, edit, enable_sync_mode=True)
failed = client.run_no_throw(model, {**edit, "prompt": "[[fail]]"}, poll_interval=0.02)
late = client.run_no_throw(model, {**edit, "prompt": "[[stuck]]"}, enable_sync_mode=True)
again = client.get_result(late["task_id"])["data"]["status"]
with urllib.request.urlopen(later["outputs"][0]) as answer:
    picture = answer.read(8).hex()
print(json.dumps([wavespeed.__version__, len(at_once["outputs"]), failed, late, again, picture]))
"""


@pytest.fixture
def sdk() -> str:
    if not (SDK / "wavespeed").is_dir():
        pytest.fail(
            "The maker's SDK is not installed. "
            "Run: pip install --target .venv/sdk -r tests/sdk-requirements.txt"
        )
    return str(SDK)


def test_the_makers_sdk_uploads_and_edits_in_both_modes(sdk: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "teal").save(photo)
    sandbox = Sandbox(seconds=(0.02, 0.05), sync_limit=0.3)

    with serve(sandbox) as url:
        done = subprocess.run(
            [sys.executable, "-P", "-c", SCRIPT, url, str(photo)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": sdk, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    version, outputs, failed, late, again, picture = json.loads(done.stdout)
    assert version == "2.0.5"
    assert outputs == 1
    assert picture == b"\x89PNG\r\n\x1a\n".hex()
    assert failed["status"] == "failed"
    assert "Sync mode timed out" in late["error"]
    assert late["status"] == again == "processing"
    assert len(sandbox.calls("put")) == 1
    assert "authorization" not in sandbox.calls("put")[0].headers
