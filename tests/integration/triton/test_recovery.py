"""The supervisor replaces dead, hanging and crashed processes while clients continue."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from support.toy_configs import write_config
from support.toy_models import write_model
from support.triton_server import ask, children, is_alive, skip_without_triton
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.triton import EmbeddedTriton, TritonSettings
from motioncast.triton.stubs import Stub, find_stubs

pytestmark = pytest.mark.asyncio(loop_scope="module")

_TIMES_TWO = "m (float[B, N] x) => (float[B, N] y) { y = Add(x, x) }"
_TIMES_FOUR = "m (float[B, N] x) => (float[B, N] y) { two = Add(x, x) y = Add(two, two) }"
_ENSEMBLE = """
name: "four" platform: "ensemble" max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [-1] }
output { name: "y" data_type: TYPE_FP32 dims: [-1] }
ensemble_scheduling {
  step { model_name: "double" model_version: -1
    input_map { key: "x" value: "x" } output_map { key: "y" value: "between" } }
  step { model_name: "double" model_version: -1
    input_map { key: "x" value: "between" } output_map { key: "y" value: "y" } }
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedTriton]:
    skip_without_triton()
    root = tmp_path_factory.mktemp("recovery")
    for name in ("double", "growing"):
        write_model(root, name, _TIMES_TWO)
        write_config(root, name)
    (root / "four" / "1").mkdir(parents=True)
    (root / "four" / "config.pbtxt").write_text(_ENSEMBLE)
    settings = TritonSettings(root, canary_seconds=0.5, canary_limit_seconds=5, drain_seconds=1)
    async with EmbeddedTriton(settings) as triton:
        yield triton


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(triton: EmbeddedTriton) -> AsyncIterator[InferenceServerClient]:
    async with InferenceServerClient(triton.address) as client:
        yield client


@pytest.fixture(scope="module")
def headers(triton: EmbeddedTriton) -> dict[str, str]:
    return triton.headers


async def test_a_killed_process_is_replaced_under_load(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    killed = _process(triton, "double")
    with _load(client, "double", clients=4) as answers:
        await answers.wait_for(20)
        os.kill(killed.pid, signal.SIGKILL)
        await _until_replaced(triton, killed)
        await answers.wait_for(20)
    assert answers.wrong == 0
    assert not killed.region.exists()
    assert answers.failures <= {"StatusCode.INTERNAL", "StatusCode.NOT_FOUND"}


async def test_a_process_killed_before_it_has_loaded_its_model_is_replaced_in_the_end(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    first = _process(triton, "double")
    os.kill(first.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while (second := _newer(triton, first)) is None:
            await asyncio.sleep(0.01)
    os.kill(second.pid, signal.SIGKILL)  # now Triton waits for it for ever
    await _until_replaced(triton, second)
    answer = await ask(client, "double", x=np.ones((1, 1), np.float32))
    assert answer.as_numpy("y") == [[2]]


async def test_an_ensemble_is_served_again_with_the_model_that_it_runs(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    killed = _process(triton, "double")
    os.kill(killed.pid, signal.SIGKILL)
    await _until_replaced(triton, killed)
    answer = await ask(client, "four", x=np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(answer.as_numpy("y"), np.full((1, 3), 4, np.float32))


async def test_no_run_of_an_ensemble_fails_when_a_model_that_it_runs_is_killed(
    triton: EmbeddedTriton,
) -> None:
    settings = KServeSettings(triton.address, retry_seconds=30, secret=triton.secret)
    async with KServeEngine(settings) as engine:

        async def ask_often(number: int) -> None:
            asked = np.full((1, 3), number, np.float32)
            for _ in range(30):
                run = await engine.infer("four", {"x": asked})
                np.testing.assert_array_equal(run["y"], 4 * asked)

        asking = asyncio.gather(*(ask_often(number) for number in range(4)))
        await engine.infer("four", {"x": np.ones((1, 3), np.float32)})
        killed = _process(triton, "double")
        os.kill(killed.pid, signal.SIGKILL)
        await asking
    await _until_replaced(triton, killed)


async def test_a_process_that_hangs_is_replaced(
    triton: EmbeddedTriton, client: InferenceServerClient
) -> None:
    hanging = _process(triton, "double")
    os.kill(hanging.pid, signal.SIGSTOP)
    await _until_replaced(triton, hanging)
    answer = await ask(client, "double", x=np.ones((1, 1), np.float32))
    assert answer.as_numpy("y") == [[2]]


async def test_a_new_version_is_swapped_in_without_a_failed_request(
    triton: EmbeddedTriton, client: InferenceServerClient, headers: dict[str, str]
) -> None:
    root = triton.settings.repository
    with _load(client, "growing", clients=6, factors=(2, 4)) as answers:
        await answers.wait_for(20)
        for version, text in ((2, _TIMES_FOUR), (3, _TIMES_TWO), (4, _TIMES_FOUR)):
            write_model(root, "growing", text, version)
            await client.load_model("growing", headers=headers)
            await answers.wait_for(20)
    assert answers.failures == set()
    assert answers.wrong == 0
    answer = await ask(client, "growing", x=np.ones((1, 1), np.float32))
    assert answer.as_numpy("y") == [[4]]


async def test_the_version_before_stays_when_a_new_one_cannot_be_loaded(
    triton: EmbeddedTriton, client: InferenceServerClient, headers: dict[str, str]
) -> None:
    broken = triton.settings.repository / "growing" / "5"
    broken.mkdir()
    (broken / "model.onnx").write_bytes(b"no model")
    with pytest.raises(InferenceServerException, match=r"load failed for model .growing."):
        await client.load_model("growing", headers=headers)
    answer = await ask(client, "growing", x=np.ones((1, 1), np.float32))
    assert answer.as_numpy("y") == [[4]]
    shutil.rmtree(broken)


async def test_a_model_that_a_client_unloads_stays_unloaded(
    triton: EmbeddedTriton, client: InferenceServerClient, headers: dict[str, str]
) -> None:
    process = _process(triton, "growing")
    await client.unload_model("growing", headers=headers)
    async with asyncio.timeout(60):
        while is_alive(process.pid):
            await client.is_server_live()
    # Failures are handled in order, so by then the supervisor has handled the previous one.
    killed = _process(triton, "double")
    os.kill(killed.pid, signal.SIGKILL)
    await _until_replaced(triton, killed)
    assert not await client.is_model_ready("growing")
    assert triton.ready
    await client.load_model("growing", headers=headers)


@pytest.mark.parametrize(
    ("victim", "by"),
    [("server", signal.SIGKILL), ("reaper", signal.SIGKILL), ("server", signal.SIGSTOP)],
)
async def test_a_server_that_crashes_or_hangs_is_started_anew_on_its_port(
    triton: EmbeddedTriton, client: InferenceServerClient, victim: str, by: signal.Signals
) -> None:
    assert triton.pid is not None
    server, regions = triton.pid, _regions(triton)
    [reaper] = [pid for pid in children(os.getpid()) if server in children(pid)]
    os.kill(server if victim == "server" else reaper, by)
    async with asyncio.timeout(60):
        while triton.pid == server or not triton.ready:
            await asyncio.sleep(0.05)
    assert not is_alive(server)
    assert not any(region.exists() for region in regions)
    answer = await ask(client, "double", x=np.ones((1, 1), np.float32))
    assert answer.as_numpy("y") == [[2]]


class _Answers:
    """Answers received by clients that send requests repeatedly."""

    def __init__(self) -> None:
        self.right = 0
        self.wrong = 0
        self.failures: set[str | None] = set()

    async def wait_for(self, more: int) -> None:
        """Waits for a number of further correct answers."""
        enough = self.right + more
        async with asyncio.timeout(60):
            while self.right < enough:
                await asyncio.sleep(0.01)


@contextmanager
def _load(
    client: InferenceServerClient, model: str, clients: int, factors: tuple[int, ...] = (2,)
) -> Iterator[_Answers]:
    """Runs clients that keep requesting multiples of their numbers during the block."""
    answers = _Answers()

    async def ask_on(number: int) -> None:
        asked = np.full((1, 3), number, np.float32)
        while True:
            try:
                told = (await ask(client, model, x=asked)).as_numpy("y")
            except InferenceServerException as error:
                answers.failures.add(error.status())
                await asyncio.sleep(0.01)
                continue
            if any(np.array_equal(told, factor * asked) for factor in factors):
                answers.right += 1
            else:
                answers.wrong += 1

    tasks = [asyncio.create_task(ask_on(number)) for number in range(1, clients + 1)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()


def _process(triton: EmbeddedTriton, model: str) -> Stub:
    assert triton.pid is not None
    stubs = [stub for stub in find_stubs(triton.pid) if stub.model == model]
    return max(stubs, key=lambda stub: int(stub.version))  # an older one may still be shutting down


def _newer(triton: EmbeddedTriton, old: Stub) -> Stub | None:
    """Returns a newer live process of the same model; None if there is none."""
    stubs = find_stubs(triton.pid) if triton.pid is not None else []
    return next((it for it in stubs if it.model == old.model and it.region != old.region), None)


def _regions(triton: EmbeddedTriton) -> list[Path]:
    assert triton.pid is not None
    return [stub.region for stub in find_stubs(triton.pid)]


async def _until_replaced(triton: EmbeddedTriton, old: Stub) -> None:
    """Waits until the model runs in another process and the server is ready."""
    async with asyncio.timeout(60):
        while not triton.ready or is_alive(old.pid) or _newer(triton, old) is None:
            await asyncio.sleep(0.05)
