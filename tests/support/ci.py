"""Under CI nothing is skipped in silence: a run on Linux that skipped a test has failed.

Elsewhere a test that can't run on the machine says why in one line (`-rs`), and that is all.
"""

from __future__ import annotations

import os
import sys

import pytest


def _skipped(config: pytest.Config) -> int:
    """How many were skipped; none in a worker of xdist's, whose reports all reach the process that
    started it."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    is_ci = sys.platform == "linux" and bool(os.environ.get("CI"))
    return len(reporter.stats.get("skipped", [])) if reporter and is_ci else 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if skipped := _skipped(config):
        terminalreporter.line(f"{skipped} skipped: under CI every test has to run.", red=True)
