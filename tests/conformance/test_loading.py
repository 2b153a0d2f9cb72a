"""Models are updated, unloaded and loaded again while in use."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support.subjects import KINDS, Subject

from motioncast.wire.errors import UnavailableError, UnknownModelError

pytestmark = pytest.mark.asyncio(loop_scope="session")

_X = {"x": np.ones((1, 3), np.float32)}


async def product(subject: Subject, model: str) -> float:
    """Returns the model's output for an input of ones."""
    y = (await subject.engine.infer(model, _X))["y"]
    assert y.shape == (1, 3)
    assert np.ptp(y) == 0
    return float(y[0, 0])


async def test_new_versions_loaded_under_load_fail_no_request(subject: Subject) -> None:
    last = 4
    seen: list[list[float]] = [[] for _ in range(4)]

    async def ask(answers: list[float]) -> None:
        while not answers or answers[-1] != last:
            answers.append(await product(subject, "grows"))

    async with asyncio.timeout(120), asyncio.TaskGroup() as asking:
        tasks = [asking.create_task(ask(answers)) for answers in seen]
        for version in range(2, last + 1):
            subject.write_version("grows", version)
            await subject.load("grows")
        await asyncio.wait(tasks)
    for answers in seen:
        assert answers == sorted(answers)  # never falls back to an older version
        assert set(answers) <= {1, 2, 3, 4}


# KServeEngine on Triton cannot tell such a model from one whose process died, and waits for it.
@pytest.mark.parametrize("subject", sorted({*KINDS} - {"triton"}), indirect=True)
async def test_a_model_that_was_unloaded_is_refused_until_it_is_loaded_again(
    subject: Subject,
) -> None:
    assert await product(subject, "comes") == 1
    await subject.unload("comes")
    with pytest.raises((UnavailableError, UnknownModelError)):
        await product(subject, "comes")
    await subject.load("comes")
    assert await product(subject, "comes") == 1
