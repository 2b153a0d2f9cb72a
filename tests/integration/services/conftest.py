"""The three model services with the closed-form models, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.model_services import ModelsServed, serving_models


@pytest.fixture
async def served(toy_repository: Path) -> AsyncIterator[ModelsServed]:
    async with serving_models(toy_repository) as served:
        yield served
