"""The environment: read once, and one clear line where it makes no sense."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.apps import ROOT, refused
from wavespeed.studio.settings import Settings, SettingsError, from_environment

MALFORMED = [
    ("GRADIO_SERVER_PORT", "abc"),
    ("GRADIO_SERVER_PORT", "0"),
    ("GRADIO_SERVER_PORT", "65536"),
    ("WAVESPEED_BASE_URL", "api.wavespeed.ai"),
    ("WAVESPEED_BASE_URL", "ftp://api.wavespeed.ai"),
    ("WAVESPEED_BASE_URL", "https://"),
    ("WAVESPEED_BASE_URL", "https://x:port"),
    ("WAVESPEED_BASE_URL", "https://user:secret@api.wavespeed.ai"),
    ("WAVESPEED_BASE_URL", "https://api.wavespeed.ai/?a=b"),
    ("WAVESPEED_BASE_URL", "http://api.wavespeed.ai"),
    ("WAVESPEED_DEADLINE_S", "0"),
    ("WAVESPEED_DEADLINE_S", "inf"),
    ("WAVESPEED_BUDGET_USD", "a lot"),
    ("WAVESPEED_BUDGET_USD", "-1"),
    ("WAVESPEED_VISITOR_EDITS", "1.5"),
    ("WAVESPEED_VISITOR_MB", "a lot"),
    ("WAVESPEED_DISK_MB", "-1"),
    ("WAVESPEED_LOG", "loud"),
    ("WAVESPEED_AUTH", "secret"),
    ("WAVESPEED_AUTH", ":secret"),
    ("WAVESPEED_SANDBOX_SECONDS", "fast"),
    ("WAVESPEED_SANDBOX_SECONDS", "3-1"),
    ("WAVESPEED_SANDBOX_SECONDS", "-1"),
]


def test_nothing_set_means_the_sandbox_on_this_machine() -> None:
    assert from_environment({}) == Settings()
    assert from_environment({"WAVESPEED_API_KEY": " ", "GRADIO_SERVER_PORT": ""}) == Settings()
    assert Settings().api_key is None


def test_everything_set_is_taken() -> None:
    settings = from_environment(
        {
            "WAVESPEED_API_KEY": "k",
            "WAVESPEED_BASE_URL": "http://127.0.0.1:9/",
            "WAVESPEED_DATA_DIR": "/somewhere",
            "WAVESPEED_KEEP_DAYS": "30",
            "WAVESPEED_DEADLINE_S": "90",
            "WAVESPEED_BUDGET_USD": "1.5",
            "WAVESPEED_VISITOR_EDITS": "20",
            "WAVESPEED_VISITOR_MB": "300",
            "WAVESPEED_DISK_MB": "None",
            "WAVESPEED_AUTH": "user:pass:word",
            "WAVESPEED_LOG": "DEBUG",
            "WAVESPEED_SANDBOX_SECONDS": "0.1-0.3",
            "GRADIO_SERVER_NAME": "0.0.0.0",
            "GRADIO_SERVER_PORT": "8000",
        }
    )
    assert settings == Settings(
        api_key="k",
        base_url="http://127.0.0.1:9",
        data_dir=Path("/somewhere"),
        keep_days=30.0,
        deadline=90.0,
        budget_usd=1.5,
        visitor_edits=20,
        visitor_mb=300,
        disk_mb=None,
        auth=("user", "pass:word"),
        log="debug",
        sandbox_seconds=(0.1, 0.3),
        server_name="0.0.0.0",
        server_port=8000,
    )
    assert "'k'" not in repr(settings)
    assert "pass:word" not in repr(settings)


def test_a_space_serves_the_page_to_others() -> None:
    settings = from_environment({"SPACE_ID": "someone/image-edit"})
    assert settings.space == "someone/image-edit"
    assert settings.server_name == "0.0.0.0"
    assert from_environment({"SPACE_ID": "x/y", "GRADIO_SERVER_NAME": "::"}).server_name == "::"


def test_a_space_keeps_what_it_has_in_its_bucket_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether `/data` can be written is the machine's, so that the machine is played here."""
    space = {"SPACE_ID": "someone/image-edit"}
    for mounted in (True, False):
        monkeypatch.setattr(os, "access", lambda path, _, is_there=mounted: is_there)
        data = Path("/data" if mounted else "data")
        assert from_environment(space).data_dir == data
        assert from_environment({}).data_dir == Path("data")
        chosen = space | {"WAVESPEED_DATA_DIR": "/mine"}
        assert from_environment(chosen).data_dir == Path("/mine")


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_value_is_named_but_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: value})
    assert name in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("GRADIO_SERVER_PORT", "abc"), ("WAVESPEED_BASE_URL", "nonsense")]
)
def test_the_start_ends_with_one_line_and_no_traceback(name: str, value: str) -> None:
    """Before Gradio is imported, which would die of some of these."""
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert_one_line(done.stderr, name, value)


@pytest.mark.parametrize("key", ["two words", "ws\u00a0secret"])
def test_a_key_that_can_not_be_one_ends_the_start_with_one_line(key: str, tmp_path: Path) -> None:
    assert_one_line(refused(tmp_path, WAVESPEED_API_KEY=key), "WAVESPEED_API_KEY", key)


def assert_one_line(said: str, name: str, value: str) -> None:
    """It names what is wrong, and does not repeat it."""
    assert said.startswith(name)
    assert len(said.strip().splitlines()) == 1
    assert value not in said


def test_two_processes_never_share_a_data_folder(tmp_path: Path) -> None:
    with FileLock(tmp_path / "studio.lock"):
        said = refused(tmp_path, WAVESPEED_DATA_DIR=str(tmp_path)).strip().splitlines()[-1]
    assert said.startswith("WAVESPEED_DATA_DIR is used by another process of this page.")
    assert f"delete {tmp_path / 'studio.lock'} and start again" in said
    assert "Traceback" not in said
