"""All services on closed-form models, and a client that uses the API directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.raw_sessions import Stub, open_stub

from motioncast.local import LocalServices, LocalSettings


@pytest.fixture
async def local(toy_repository: Path) -> AsyncIterator[LocalServices]:
    async with LocalServices(
        LocalSettings(repository=toy_repository, drain_grace_seconds=0.5)
    ) as local:
        yield local


@pytest.fixture
def target(local: LocalServices) -> str:
    return local.target


@pytest.fixture
async def stub(local: LocalServices) -> AsyncIterator[Stub]:
    async with open_stub(local.target) as stub:
        yield stub
