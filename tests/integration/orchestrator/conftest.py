"""The whole stack on closed-form models, and a client that speaks the contract itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.casting import Stub, open_stub

from motioncast.stack import Stack, StackSettings


@pytest.fixture
async def stack(toy_repository: Path) -> AsyncIterator[Stack]:
    async with Stack(StackSettings(repository=toy_repository, drain_grace_seconds=0.5)) as stack:
        yield stack


@pytest.fixture
def target(stack: Stack) -> str:
    return stack.target


@pytest.fixture
async def stub(stack: Stack) -> AsyncIterator[Stub]:
    async with open_stub(stack.target) as stub:
        yield stub
