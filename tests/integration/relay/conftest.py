"""A service with the toy models and their tables, and a receiver's models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.codec_tables import add_tables, turned_tables
from support.toy_models import build_toy_repository

from motioncast.client import ReceiverModels
from motioncast.local import LocalServices, LocalSettings


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = build_toy_repository(tmp_path_factory.mktemp("relay"))
    add_tables(repository, turned_tables(2, 6))
    return repository


@pytest.fixture(scope="session")
def models(repository: Path) -> ReceiverModels:
    return ReceiverModels.of(repository, "toy", threads=1)


@pytest.fixture
async def local(repository: Path) -> AsyncIterator[LocalServices]:
    # No client is dropped for silence on a slow machine.
    settings = LocalSettings(repository=repository, drain_grace_seconds=0.5, silence_seconds=600)
    async with LocalServices(settings) as local:
        yield local


@pytest.fixture
def target(local: LocalServices) -> str:
    return local.target
