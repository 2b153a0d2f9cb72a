"""An embedded Triton leaves nothing behind however it ends, and starts nothing if it cannot run."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from pathlib import Path
from select import poll

import numpy as np
import pytest
from support.toy_configs import write_config
from support.toy_models import write_model
from support.triton_server import (
    ask,
    children,
    folders,
    is_alive,
    processor_seconds,
    regions,
    shared_memory_name,
    skip_without_triton,
)
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.triton import EmbeddedTriton, TritonSettings
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import InvalidInputError, UnavailableError

# Loops as often as its input says.
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


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, private to the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_triton()
    root = tmp_path_factory.mktemp("leaving")
    write_model(root, "turns", _TURNS)
    write_config(root, "turns")
    return root


async def test_a_call_that_does_not_end_is_ended_by_force_and_nothing_is_left(
    repository: Path, temporary: Path
) -> None:
    async with EmbeddedTriton(TritonSettings(repository, drain_seconds=0.5)) as triton:
        assert triton.pid is not None
        [stub] = find_stubs(triton.pid)
        server, started = triton.pid, processor_seconds(stub.pid)
        memory = shared_memory_name(server)
        assert len(regions(memory)) == 1
        assert len(folders(temporary)) == 1
        client = InferenceServerClient(triton.address)
        endless = asyncio.create_task(ask(client, "turns", turns=np.array([[10**15]], np.int64)))
        while processor_seconds(stub.pid) < started + 0.2:  # only the run uses CPU time
            await client.is_server_live()
    with pytest.raises(InferenceServerException):
        await endless
    await client.close()
    assert not is_alive(server)
    assert not is_alive(stub.pid)
    assert regions(memory) == []
    assert folders(temporary) == []


async def test_nothing_is_left_when_the_supervising_process_is_killed(
    repository: Path, temporary: Path
) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, str(repository)), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    server = int(await supervisor.stdout.readline())
    [reaper] = children(supervisor.pid)
    memory = shared_memory_name(server)
    assert len(regions(memory)) == len(folders(temporary)) == 1
    processes = {server, *(stub.pid for stub in find_stubs(server))}
    ended = os.pidfd_open(reaper)
    supervisor.kill()
    await supervisor.wait()
    looking = poll()
    looking.register(ended)
    assert await asyncio.to_thread(looking.poll, 30_000)  # the reaper has finished
    os.close(ended)
    assert not any(map(is_alive, processes))
    assert regions(memory) == []
    assert folders(temporary) == []


@pytest.mark.parametrize("field", ["port", "metrics_port"])
async def test_a_port_that_is_taken_is_told_at_once(
    repository: Path, temporary: Path, field: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"^{field}: cannot listen on .*:{taken} "):
            async with EmbeddedTriton(TritonSettings(repository, **{field: taken})):
                pass
    assert folders(temporary) == []


async def test_a_repository_without_a_whole_model_is_refused_and_nothing_left(
    temporary: Path,
) -> None:
    skip_without_triton()
    repository = temporary / "repository"
    write_model(repository, "turns", _TURNS)
    write_config(repository, "turns")
    (repository / "turns" / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(InvalidInputError, match="no model can be served; turns: ONNX Runtime"):
        async with EmbeddedTriton(TritonSettings(repository)):
            pass
    assert folders(temporary) == []


async def test_a_start_that_is_given_up_leaves_nothing(repository: Path, temporary: Path) -> None:
    starting = asyncio.create_task(EmbeddedTriton(TritonSettings(repository)).__aenter__())
    while not folders(temporary):
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert folders(temporary) == []
