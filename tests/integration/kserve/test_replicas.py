"""An engine with several equivalent servers, some of which vanish, hang, recover or differ."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from support.kserve_server import serving_kserve
from support.scripted_server import echo, serving_script
from support.toy_models import write_model

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.replicas import ReplicaMetrics
from motioncast.serving import Context, ServerSettings
from motioncast.wire.errors import UnavailableError

TIMES_TWO = "m (float[B, N] x) => (float[B, N] y) { y = Add(x, x) }"
X = np.ones((1, 3), np.float32)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_model(tmp_path, "double", TIMES_TWO)
    return tmp_path


async def double(engine: KServeEngine) -> None:
    run = await engine.infer("double", {"x": X})
    np.testing.assert_array_equal(run["y"], 2 * X)


def is_out(registry: CollectorRegistry) -> float | None:
    labels = {"service": "models", "state": "out"}
    return registry.get_sample_value("motioncast_backend_replicas", labels)


@asynccontextmanager
async def opened(*addresses: str, **values: Any) -> AsyncIterator[tuple[KServeEngine, Any]]:
    registry = CollectorRegistry()
    settings = KServeSettings(",".join(addresses), **values)
    async with KServeEngine(settings, ReplicaMetrics(registry)) as engine:
        yield engine, registry


async def test_a_server_that_is_gone_is_left_out_and_found_again(repository: Path) -> None:
    async with AsyncExitStack() as exits:
        other = await exits.enter_async_context(serving_kserve(repository))
        async with serving_kserve(repository) as one:
            both = opened(
                one.server.address, other.server.address, retry_seconds=0, slow_seconds=600
            )
            engine, registry = await exits.enter_async_context(both)
            port = one.server.port
            await double(engine)
            await double(engine)
        for _ in range(4):  # no call is retried on a server that does not answer
            await double(engine)
        assert is_out(registry) == 1
        assert await engine.ready()
        async with serving_kserve(repository, ServerSettings(port=port)):
            async with asyncio.timeout(60):
                while is_out(registry):
                    await double(engine)


async def test_one_server_of_two_is_enough_to_begin(repository: Path) -> None:
    async with serving_kserve(repository) as gone:
        nowhere = gone.server.address
    async with serving_kserve(repository) as one:
        for order in ((nowhere, one.server.address), (one.server.address, nowhere)):
            async with opened(*order, connect_seconds=0) as (engine, _):
                assert engine.models() == ("double",)
                await double(engine)
        with pytest.raises(UnavailableError, match="does not answer"):
            async with opened(nowhere, nowhere, connect_seconds=0):
                pass


async def test_a_server_that_is_well_and_runs_nothing_is_left_out_until_it_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Triton reports itself healthy while a model's process hangs."""
    goes_on = asyncio.Event()

    async def late(request: Any, context: Context) -> Any:
        await goes_on.wait()
        return await echo(request, context)

    async with (
        serving_script(late) as hanging,
        serving_script(echo) as well,
        opened(hanging, well, slow_seconds=0.2) as (engine, registry),
    ):
        with caplog.at_level(logging.WARNING, "motioncast.replicas"):
            for _ in range(6):
                await echoed(engine)
        # On a busy machine the other may also be slow for a while.
        assert is_out(registry)
        assert caplog.text.count(f"{hanging} is excluded: it was slow") == 1
        goes_on.set()
        async with asyncio.timeout(60):
            while is_out(registry):
                await echoed(engine)


async def echoed(engine: KServeEngine) -> None:
    run = await engine.infer("echo", {"x": X[0]})
    np.testing.assert_array_equal(run["y"], X[0])


async def never(request: Any, context: Context) -> Any:
    """Answers no run."""
    await asyncio.Event().wait()


async def test_a_run_in_a_model_that_is_reloaded_meanwhile_goes_to_another_server() -> None:
    """When a model's process dies, Triton keeps the runs in it for up to five seconds."""
    async with (
        serving_script(never, lambda: False) as reloading,
        serving_script(echo, lambda: True) as well,
        opened(reloading, well, slow_seconds=600) as (engine, registry),
    ):
        async with asyncio.timeout(60):
            for _ in range(2):
                await echoed(engine)
        assert is_out(registry) == 1


@pytest.mark.parametrize("answer", [True, None])
async def test_a_server_with_the_model_or_that_cannot_be_asked_is_given_time(
    answer: bool | None,
) -> None:
    runs, questions, goes_on = 0, 0, asyncio.Event()

    async def late(request: Any, context: Context) -> Any:
        nonlocal runs
        runs += 1
        await goes_on.wait()
        return await echo(request, context)

    def ready() -> bool | None:
        nonlocal questions
        questions += 1
        if questions == 2:
            goes_on.set()
        return answer

    async with (
        serving_script(late, ready) as one,
        serving_script(late, ready) as other,
        opened(one, other, slow_seconds=600) as (engine, registry),
    ):
        async with asyncio.timeout(60):
            await echoed(engine)
        assert runs == 1
        assert is_out(registry) == 0


async def test_a_name_is_every_server_that_it_has(repository: Path) -> None:
    async with (
        serving_kserve(repository) as one,
        KServeEngine(KServeSettings(f"dns:///localhost:{one.server.port}")) as engine,
    ):
        await double(engine)
