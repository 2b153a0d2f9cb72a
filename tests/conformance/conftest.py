"""Parametrises every test of the suite over all subjects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.subjects import KINDS, Subject, build_repository, opened


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=KINDS)
async def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Subject]:
    repository = tmp_path_factory.mktemp(request.param)
    await build_repository(repository)
    async with opened(request.param, repository) as subject:
        yield subject
