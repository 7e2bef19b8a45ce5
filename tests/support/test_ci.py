"""A test that can't run is skipped on a person's machine, and fails the run under CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apps import ROOT

SKIPS = """
import pytest

def test_that_runs():
    pass

@pytest.mark.skipif(True, reason="this machine has no wings")
def test_that_does_not():
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="CI runs on Linux")
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_skipped_test_fails_the_run_under_ci_alone(tmp_path: Path, ci: str, code: int) -> None:
    (tmp_path / "test_wings.py").write_text(SKIPS)
    plugins = ["-p", "tests.support.ci", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", *plugins, str(tmp_path), "-c", os.devnull],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout
    assert "this machine has no wings" in done.stdout
    assert ("under CI every test has to run" in done.stdout) == bool(code)
