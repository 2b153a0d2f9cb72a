"""Runs through shared memory return the same results and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.subjects import Subject
from support.toy_models import image_with_points, keypoints_of_points, toy_frame
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.wire.errors import UnavailableError

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("subject", ["kserve", "triton"], indirect=True),
    pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is a file on Linux"),
]


def names() -> set[str]:
    """Returns the names of this process's regions in the file system."""
    return {file.name for file in Path("/dev/shm").glob(f"motioncast_run_{os.getpid()}_*")}


async def registered(subject: Subject) -> int:
    """Returns the number of regions mapped by the server."""
    assert subject.address is not None
    async with InferenceServerClient(subject.address) as client:
        status = await client.get_system_shared_memory_status(headers=subject.headers)
    return len(status.regions)


async def unregister_all(subject: Subject) -> None:
    """Unregisters all of a server's regions, retrying as Triton keeps one until its run ends."""
    assert subject.address is not None
    async with asyncio.timeout(60), InferenceServerClient(subject.address) as client:
        while True:
            try:
                await client.unregister_system_shared_memory(headers=subject.headers)
                return
            except InferenceServerException:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sharing(subject: Subject) -> AsyncIterator[KServeEngine]:
    """Yields an engine whose runs all use shared memory where possible."""
    assert subject.address is not None
    settings = KServeSettings(
        subject.address, shared_memory_bytes=0, retry_seconds=60, secret=subject.secret
    )
    async with KServeEngine(settings) as engine:
        yield engine
        assert names() == set()  # unlinked even while in use
    async with asyncio.timeout(60):  # Triton keeps a run's regions until the run has ended
        while await registered(subject):
            pass


async def test_outputs_are_the_same_and_come_through_shared_memory(subject: Subject) -> None:
    driving = np.linspace(0, 0.5, 24, dtype=np.float32).reshape(1, 4, 2, 3)
    inputs: dict[str, NDArray[Any]] = {
        "source_image": image_with_points((3, 4), (5, 6))[np.newaxis],
        "source_keypoints": keypoints_of_points((3, 4), (5, 6))[np.newaxis],
        "driving_keypoints": driving,
    }
    async with sharing(subject) as engine:
        for _ in range(3):
            run = await engine.infer("toy_synthesis", inputs)
            np.testing.assert_array_equal(run["image"][0], [toy_frame(each) for each in driving[0]])
        assert await registered(subject) == 1


async def test_many_callers_at_once_each_get_their_own_answer(subject: Subject) -> None:
    async with sharing(subject) as engine:

        async def ask(n: int) -> None:
            images = np.stack([image_with_points((n % 16, n // 16), (3, 4))] * (1 + n % 3))
            for _ in range(2):
                run = await engine.infer("toy_keypoint", {"image": images})
                expected = keypoints_of_points((n % 16, n // 16), (3, 4))
                for keypoints in run["keypoints"]:
                    np.testing.assert_allclose(keypoints, expected, atol=1e-6)

        await asyncio.gather(*map(ask, range(60)))
        assert await registered(subject) > 1


async def test_outputs_stay_as_they_are_when_the_memory_is_used_again(subject: Subject) -> None:
    async with sharing(subject) as engine:
        runs = [
            await engine.infer("double", {"x": np.full((1, 2), n, np.float32)}) for n in range(4)
        ]
    assert [run["y"].tolist() for run in runs] == [[[2 * n, 2 * n]] for n in range(4)]


async def test_a_run_that_is_given_up_keeps_its_memory_from_others(subject: Subject) -> None:
    one, endless = np.array([[1]], np.int64), np.array([[10**15]], np.int64)
    async with sharing(subject) as engine:
        for _ in range(2):
            assert (await engine.infer("turns", {"turns": one}))["after"] == [[1]]
        run = asyncio.ensure_future(engine.infer("turns", {"turns": endless}))
        await asyncio.wait([run], timeout=0.3)
        run.cancel()
        async with asyncio.timeout(60):
            assert (await engine.infer("turns", {"turns": one}))["after"] == [[1]]
        assert await registered(subject) == 2


async def test_leaving_while_a_run_uses_the_memory_leaves_the_server_well(subject: Subject) -> None:
    one, endless = np.array([[1]], np.int64), np.array([[10**15]], np.int64)
    async with sharing(subject) as engine:
        await engine.infer("turns", {"turns": one})
        run = asyncio.ensure_future(engine.infer("turns", {"turns": endless}))
        await asyncio.wait([run], timeout=0.3)
    with pytest.raises(UnavailableError, match=r"^engine: closed before the run ended$"):
        await run
    async with asyncio.timeout(60):
        assert (await subject.engine.infer("turns", {"turns": one}))["after"] == [[1]]


async def test_a_run_goes_on_without_memory_that_the_server_has_forgotten(
    subject: Subject,
) -> None:
    assert subject.address is not None
    async with sharing(subject) as engine:
        for n in range(4):
            run = await engine.infer("double", {"x": np.full((1, 3), n, np.float32)})
            assert run["y"].tolist() == [[2 * n] * 3]
            if n == 1:
                await unregister_all(subject)
