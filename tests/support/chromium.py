"""Finds a Chromium for the browser tests; as a program, it gets one where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from . import apt

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--no-opt",  # A page of a test does not live long enough to be worth optimizing.
    # A camera that shows a test picture.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
NAMES = (
    "chromium-headless-shell",  # The same engine without the browser around it: half the time.
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
APPLICATIONS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
MISSING = "No Chrome or Chromium was found, and none could be installed"


def find() -> str | None:
    """The path of a browser: one of this machine's, or Playwright's own download."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    for application in APPLICATIONS:
        if application.exists():
            return str(application)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.exists() and _runs(own) else None


def _runs(browser: Path) -> bool:
    """A download can lack the system's libraries; then Debian's package is the way."""
    return subprocess.run([browser, "--version"], capture_output=True).returncode == 0


def get() -> None:
    """Playwright's download where that works, else Debian's package."""
    fetched = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if fetched.returncode or not find():
        apt.install("chromium-headless-shell")


if __name__ == "__main__":
    if not find():
        print("Getting a Chromium for the tests in a browser", flush=True)  # noqa: T201
        get()
    sys.exit(None if find() else f"{MISSING}: the tests in a browser are skipped.")
