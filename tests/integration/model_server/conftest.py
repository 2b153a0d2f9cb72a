"""The toy models on a KServe v2 server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.kserve_server import KServeServed, serving_kserve


@pytest.fixture
async def served(toy_repository: Path) -> AsyncIterator[KServeServed]:
    async with serving_kserve(toy_repository) as served:
        yield served
