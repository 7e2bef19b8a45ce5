"""The start in environments that people have: it serves, or says in one line why not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from tests.conftest import PHOTOS
from tests.support.apps import ROOT, App, refused, served
from wavespeed.studio.media import cache
from wavespeed.studio.settings import Settings, SettingsError, from_environment

ODD_PROXIES = {
    "ALL_PROXY": "socks://127.0.0.1:9/",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "[::1],fd00::/8,10.0.0.0/8,*.internal",
    "NO_PROXY": "[::1]:80",
}


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def edited(app: App) -> str:
    """Where the page serves the result of an edit."""
    client = Client(app.url, download_files=False, verbose=False, analytics_enabled=False)
    picture = handle_file(str(PHOTOS / "coffee.jpg"))
    files, _ = client.predict(images=[picture], prompt="sepia", api_name="/edit")
    return str(files[0]["url"])


def is_served(url: str) -> bool:
    return httpx.get(url, trust_env=False).status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("name", "python"), [("::1", sys.executable), ("[::]", None)])
def test_the_page_is_served_over_ipv6_whatever_the_proxies(
    name: str, python: str | None, tmp_path: Path
) -> None:
    """Once as a user starts it, since Gradio reads the environment while it is imported."""
    settings = {"GRADIO_SERVER_NAME": name, **ODD_PROXIES}
    with served(tmp_path, host="[::1]", python=python, **settings) as app:
        assert is_served(app.url)
        assert "Traceback" not in app.log()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("::", "::"), ("[::]", "::"), ("::1", "::1"), (" [::1] ", "::1"), ("0.0.0.0", "0.0.0.0")],
)
def test_an_address_is_named_with_brackets_and_without(name: str, expected: str) -> None:
    assert from_environment({"GRADIO_SERVER_NAME": name}).server_name == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
        ("SSL_CERT_DIR", "/nowhere"),
        ("ALL_PROXY", "ftp://secret:secret@127.0.0.1:9"),
        ("https_proxy", "http://[secret"),
    ],
)
def test_what_the_network_can_not_use_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: value})
    said = str(caught.value)
    assert said.startswith(name)
    assert len(said.splitlines()) == 1
    assert "secret" not in said


def test_what_the_network_can_not_use_ends_the_start_before_gradio_dies_of_it() -> None:
    bad = {"ALL_PROXY": "ftp://secret:secret@127.0.0.1:9"}
    process = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | bad,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 1
    assert process.stderr.startswith("ALL_PROXY")
    assert len(process.stderr.strip().splitlines()) == 1
    assert "secret" not in process.stderr


def test_a_temporary_folder_that_can_not_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    """One that another user owns; here a file, since root may write everywhere."""
    (tmp_path / "gradio").write_text("of somebody else")
    said = refused(tmp_path, GRADIO_TEMP_DIR=str(tmp_path / "gradio"))
    assert said.strip().splitlines()[-1].startswith("GRADIO_TEMP_DIR can't be written")
    assert "Traceback" not in said


@pytest.mark.slow
def test_without_a_temporary_folder_of_its_own_the_page_keeps_its_copies_in_the_data_folder(
    tmp_path: Path,
) -> None:
    with served(tmp_path, GRADIO_TEMP_DIR="") as app:
        assert is_served(edited(app))
    assert (tmp_path / "data" / "cache").is_dir()


@pytest.mark.slow
def test_two_apps_that_share_a_temporary_folder_leave_each_others_pictures_alone(
    tmp_path: Path,
) -> None:
    shared = {"GRADIO_TEMP_DIR": str(tmp_path / "shared")}
    with served(tmp_path / "one", **shared) as one:
        url = edited(one)
        assert is_served(url)
        with served(tmp_path / "two", **shared) as two:
            assert is_served(edited(two))
            assert is_served(url)
        assert is_served(url)


def test_what_a_killed_process_left_in_its_cache_goes_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "old.png", tmp_path / "b" / "new.png"
    for file in (old, new):
        file.parent.mkdir()
        file.write_bytes(b"x")
    os.utime(old, (time.time() - cache.CACHE_LIFETIME - 60,) * 2)

    cache.prepare(tmp_path, is_own=False)
    assert old.exists()
    cache.prepare(tmp_path, is_own=True)
    assert not old.parent.exists()
    assert new.exists()


def test_other_libraries_read_the_environment_as_they_can() -> None:
    settings = from_environment(ODD_PROXIES | {"GRADIO_SERVER_NAME": "10.1.2.3"})
    environment = {**ODD_PROXIES, "GRADIO_SERVER_NAME": "10.1.2.3", "OTHER": "x"}

    for _ in range(2):  # As often as one likes.
        settings.adjust(environment)
        assert environment == {
            "http_proxy": "socks5://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "::1,internal,127.0.0.1,localhost,10.1.2.3",
            "GRADIO_TEMP_DIR": str(Path("data/cache").resolve()),
            "OTHER": "x",
        }


def test_a_temporary_folder_that_is_set_is_used() -> None:
    assert from_environment({"GRADIO_TEMP_DIR": "/mine"}).cache_dir == Path("/mine")
    assert Settings().cache_dir == Path("data/cache").resolve()


def test_a_setting_that_the_network_needs_is_a_bad_setting_like_others() -> None:
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY"):
        from_environment({"HTTPS_PROXY": "gopher://x"})
