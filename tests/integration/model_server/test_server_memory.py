"""The KServe v2 server's shared memory, tested with the published messages."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from support.kserve_server import KServeServed, serving_kserve
from support.toy_models import write_model
from tritonclient.grpc import service_pb2

from motioncast.inference.kserve.regions import Region, sweep

pytestmark = pytest.mark.skipif(
    not Path("/dev/shm").is_dir(), reason="shared memory is a file on Linux"
)

X = np.arange(4, dtype=np.float32).reshape(2, 2)
SIZE = 64


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[KServeServed]:
    write_model(tmp_path, "double", "double (float[B, N] x) => (float[B, N] y) { y = Add(x, x) }")
    async with serving_kserve(tmp_path) as served:
        yield served


@pytest.fixture
def region() -> Iterator[Region]:
    region = Region(SIZE)
    yield region
    region.unlink()


def asked(**changes: Any) -> Any:
    return service_pb2.SystemSharedMemoryRegisterRequest(**changes)


def request(region: str, offset: int, size: int, output_size: int = 16) -> Any:
    """Returns a request for `double` with its input in a region and its output at the start."""

    def where(offset: int, size: int) -> dict[str, Any]:
        return {
            "shared_memory_region": {"string_param": region},
            "shared_memory_offset": {"int64_param": offset},
            "shared_memory_byte_size": {"int64_param": size},
        }

    x = {"name": "x", "datatype": "FP32", "shape": X.shape, "parameters": where(offset, size)}
    y = {"name": "y", "parameters": where(0, output_size)}
    return service_pb2.ModelInferRequest(model_name="double", inputs=[x], outputs=[y])


async def refusal(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return raised.value.details() or ""


async def test_inputs_are_read_from_and_outputs_written_to_a_region(
    served: KServeServed, region: Region
) -> None:
    stub = served.stub
    await stub.SystemSharedMemoryRegister(asked(name="r", key=region.key, byte_size=SIZE))
    region.data[32:48] = X.tobytes()
    response = await stub.ModelInfer(request("r", 32, 16))
    [output] = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("y", "FP32", [2, 2])
    assert list(response.raw_output_contents) == [b""]
    np.testing.assert_array_equal(np.frombuffer(region.data[:16], "<f4").reshape(2, 2), 2 * X)
    status = await stub.SystemSharedMemoryStatus(service_pb2.SystemSharedMemoryStatusRequest())
    told = status.regions["r"]
    assert (told.key, told.offset, told.byte_size) == (region.key, 0, SIZE)
    await stub.SystemSharedMemoryUnregister(
        service_pb2.SystemSharedMemoryUnregisterRequest(name="r")
    )
    assert await refusal(stub.ModelInfer(request("r", 32, 16))) == (
        "shared_memory_region: 'r' is not registered"
    )


async def test_what_does_not_fit_is_refused(served: KServeServed, region: Region) -> None:
    stub = served.stub
    await stub.SystemSharedMemoryRegister(asked(name="r", key=region.key, byte_size=SIZE))
    for offset, size in ((56, 16), (-16, 16), (0, -1)):
        told = await refusal(stub.ModelInfer(request("r", offset, size)))
        assert told == f"x: {size} bytes at offset {offset}, but r has 64"
    told = await refusal(stub.ModelInfer(request("r", 32, 8)))
    assert told == "x: 8 bytes, but shape [2, 2] of FP32 takes 16"
    told = await refusal(stub.ModelInfer(request("r", 32, 16, output_size=8)))
    assert told == "y: 16 bytes do not fit into the 8 of its region"


async def test_what_is_no_region_is_not_registered(served: KServeServed, region: Region) -> None:
    stub = served.stub
    await stub.SystemSharedMemoryRegister(asked(name="r", key=region.key, byte_size=SIZE))
    for request, sentence in (
        (asked(name="r", key=region.key, byte_size=SIZE), "name: r is registered already"),
        (
            asked(name="s", key="/../etc/passwd", byte_size=1),
            "key: '/../etc/passwd' is not a valid shared ",
        ),
        (
            asked(name="s", key="/\0", byte_size=1),
            "key: '/\\x00' is not a valid shared memory name",
        ),
        (asked(name="s", key="/", byte_size=1), "key: '/' is not a valid shared memory name"),
        (asked(name="s", key="/nobody_made_this", byte_size=1), "key: /nobody_made_this cannot "),
        (asked(name="s", key=region.key, byte_size=0), "byte_size: 0 is less than 1"),
        (asked(name="s", key=region.key, byte_size=65), "byte_size: 65 at offset 0, but "),
        (
            asked(name="s", key=region.key, byte_size=8, offset=60),
            "byte_size: 8 at offset 60, but ",
        ),
    ):
        assert (await refusal(stub.SystemSharedMemoryRegister(request))).startswith(sentence)


async def test_there_is_no_cuda_memory(served: KServeServed) -> None:
    stub = served.stub
    status = await stub.CudaSharedMemoryStatus(service_pb2.CudaSharedMemoryStatusRequest())
    assert not status.regions
    await stub.CudaSharedMemoryUnregister(service_pb2.CudaSharedMemoryUnregisterRequest())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.CudaSharedMemoryRegister(service_pb2.CudaSharedMemoryRegisterRequest(name="c"))
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_uses_is_not() -> None:
    program = (
        "from motioncast.inference.kserve.regions import Region; import os, signal;"
        "print(Region(64).key, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    left = Path("/dev/shm", killed.stdout.strip()[1:])
    assert left.exists()
    mine = Region(64)
    sweep()
    assert not left.exists()
    assert Path("/dev/shm", mine.key[1:]).exists()
    mine.unlink()
