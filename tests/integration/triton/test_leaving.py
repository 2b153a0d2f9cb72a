"""Nothing is left of an embedded Triton, however it ends, and nothing begun where it cannot run."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from select import poll

import numpy as np
import pytest
from support.toy_configs import write_config
from support.toy_models import write_model
from support.triton_served import (
    ask,
    children,
    is_alive,
    processor_seconds,
    skip_without_triton,
    traces,
)
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.triton import EmbeddedTriton, TritonSettings
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import InvalidInputError, UnavailableError

# Takes as many turns as it is told.
_TURNS = """
m (int64[B, 1] turns) => (int64[B, 1] after) <bool yes = {1}>
{
    count = ReduceMax<keepdims = 0>(turns)
    after = Loop<
        body = turn (int64 i, bool go, int64[B, 1] before) => (bool go_on, int64[B, 1] next)
        { next = Identity(before) go_on = Identity(go) }
    >(count, yes, turns)
}
"""
_PROGRAM = """
import asyncio, sys
from pathlib import Path
from motioncast.triton import EmbeddedTriton, TritonSettings

async def main():
    async with EmbeddedTriton(TritonSettings(Path(sys.argv[1]), drain_seconds=1)) as triton:
        print(triton.pid, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_triton()
    root = tmp_path_factory.mktemp("leaving")
    write_model(root, "turns", _TURNS)
    write_config(root, "turns")
    return root


async def test_a_call_that_does_not_end_is_ended_by_force_and_nothing_is_left(
    repository: Path,
) -> None:
    before = traces()
    async with EmbeddedTriton(TritonSettings(repository, drain_seconds=0.5)) as triton:
        assert triton.pid is not None
        [stub] = find_stubs(triton.pid)
        server, started = triton.pid, processor_seconds(stub.pid)
        assert len(traces() - before) == 2  # a folder, and a region of shared memory
        client = InferenceServerClient(triton.address)
        endless = asyncio.create_task(ask(client, "turns", turns=np.array([[10**15]], np.int64)))
        while processor_seconds(stub.pid) < started + 0.2:  # nothing but the run keeps it busy
            await client.is_server_live()
    with pytest.raises(InferenceServerException):
        await endless
    await client.close()
    assert not is_alive(server)
    assert not is_alive(stub.pid)
    assert traces() == before


async def test_nothing_is_left_when_the_supervising_process_is_killed(repository: Path) -> None:
    before = traces()
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, str(repository)), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    server = int(await supervisor.stdout.readline())
    [keeper] = children(supervisor.pid)
    processes = {server, *(stub.pid for stub in find_stubs(server))}
    ended = os.pidfd_open(keeper)
    supervisor.kill()
    await supervisor.wait()
    looking = poll()
    looking.register(ended)
    assert await asyncio.to_thread(looking.poll, 30_000)  # the keeper has done its work
    os.close(ended)
    assert not any(map(is_alive, processes))
    assert traces() == before


@pytest.mark.parametrize("field", ["port", "metrics_port"])
async def test_a_port_that_is_taken_is_told_at_once(repository: Path, field: str) -> None:
    before = traces()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"^{field}: cannot listen on .*:{taken} "):
            async with EmbeddedTriton(TritonSettings(repository, **{field: taken})):
                pass
    assert traces() == before


async def test_a_repository_without_a_whole_model_is_refused_and_nothing_left(
    tmp_path: Path,
) -> None:
    skip_without_triton()
    before = traces()
    write_model(tmp_path, "turns", _TURNS)
    write_config(tmp_path, "turns")
    (tmp_path / "turns" / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="no model can be served; turns: ONNX Runtime"):
        async with EmbeddedTriton(TritonSettings(tmp_path)):
            pass
    assert traces() == before


async def test_a_start_that_is_given_up_leaves_nothing(repository: Path) -> None:
    before = traces()
    starting = asyncio.create_task(EmbeddedTriton(TritonSettings(repository)).__aenter__())
    while traces() == before:
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert traces() == before
