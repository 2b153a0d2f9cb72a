"""Fixtures and settings shared by all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.toy_models import build_toy_repository

# Slow machines must not fail tests, and every run tries the same examples.
hypothesis.settings.register_profile(
    "motioncast",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("motioncast")


@pytest.fixture(scope="session")
def toy_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a model repository with the closed-form models of `support.toy_models`."""
    return build_toy_repository(tmp_path_factory.mktemp("toy_repository"))


@pytest.fixture(scope="session", autouse=True)
def _no_models_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps models trained by the person running the tests from being served."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTIONCAST_USER_MODELS", str(tmp_path_factory.mktemp("user") / "models"))
        yield


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Restores logging after a test whose `motioncast serve` sent the log to its own stderr."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
