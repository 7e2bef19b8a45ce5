"""Finds an nginx for the tests of what stands behind one; as a program, gets Debian's package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.apps import ROOT

from . import apt

MISSING = "No nginx was found, and none could be installed"

# All that nginx would write elsewhere goes into a folder of the test, so that anybody may run it.
AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


def find() -> str | None:
    """The path of nginx, which may lie where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def recipe(heading: str) -> str:
    """The configuration that stands in the README under a heading."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```nginx\n(.*?)```", section, re.DOTALL)
    assert found, f"no nginx configuration under {heading}"
    return found[1]


@contextmanager
def running(folder: Path, http: str, port: int) -> Iterator[str]:
    """Serves with what belongs into `http { }`; the address. It has to listen on `port`."""
    program = find()
    assert program, MISSING
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(AROUND.format(folder=folder, http=http))
    process = subprocess.Popen([program, "-e", str(folder / "error.log"), "-c", str(config)])
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 20
    try:
        while True:
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                errors = (folder / "error.log").read_text() if process.poll() is not None else ""
                assert process.poll() is None, f"nginx did not start: {errors}"
                assert time.monotonic() < deadline, "nginx does not answer"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    if not find():
        print("Getting an nginx for the tests behind one", flush=True)  # noqa: T201
        # It may begin to serve its own page, which is none of our business.
        apt.install("nginx-light")
    sys.exit(None if find() else f"{MISSING}: the tests behind one are skipped.")
