"""Packages of Debian and its children, for what the tests need beside Python's."""

from __future__ import annotations

import shutil
import subprocess


def install(package: str) -> None:
    """Gets a package where there is apt, and the right to use it without a password being asked.
    Elsewhere it does nothing: whoever calls looks for itself what is there then."""
    if not shutil.which("apt-get"):
        return
    sudo = ["sudo", "-n"] if shutil.which("sudo") else []
    subprocess.run([*sudo, "apt-get", "update", "-q"])
    subprocess.run([*sudo, "apt-get", "install", "-q", "-y", package])
