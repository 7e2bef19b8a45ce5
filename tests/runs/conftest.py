"""A runner over the sandbox, and its store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import QUICK
from wavespeed import AsyncClient
from wavespeed.studio.runs.runner import Runner
from wavespeed.studio.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "studio.db")
    yield store
    store.close()


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavespeed.studio.runs.executor.RECOVERY_DELAYS", (0.2, 0.3))


@pytest.fixture
async def runner(client: AsyncClient, store: Store, tmp_path: Path) -> AsyncIterator[Runner]:
    runner = Runner(client, store, tmp_path)
    yield runner
    await runner.close()


@pytest.fixture
async def visitors_own(base_url: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient("visitors-own-key-0123", base_url=base_url, policies=QUICK) as client:
        yield client
