"""The round trip of tensors to a local model server: by messages and by shared memory.

The model returns its input, so only the transport is measured. Both ways take turns, call by
call, on separate connections.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from motioncast.bench.measuring import Result
from motioncast.inference.kserve import KServeEngine, KServeSettings

MODEL: Final = "echo"
_CONFIG: Final = f"""
name: "{MODEL}" backend: "onnxruntime" max_batch_size: 0
input {{ name: "x" data_type: TYPE_UINT8 dims: [-1] }}
output {{ name: "y" data_type: TYPE_UINT8 dims: [-1] }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""
_GRAPH: Final = """
<ir_version: 9, opset_import: ["" : 17]>
echo (uint8[N] x) => (uint8[N] y) { y = Identity(x) }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Calls with inputs of one size; their outputs have the same size.

    Attributes:
        size: Bytes of the input.
        message_ms, shared_ms: Median over the calls.
        least_message_ms, least_shared_ms: The fastest call, undisturbed by other load.
    """

    size: int
    message_ms: float
    shared_ms: float
    least_message_ms: float
    least_shared_ms: float


@dataclass(frozen=True, slots=True)
class Transport(Result):
    """The measurements of one server."""

    SCHEMA: ClassVar = "motioncast.bench_transport/1"

    engine: str
    rows: tuple[Row, ...]


async def bench_transport(engine: str, sizes: Sequence[int], calls: int) -> Transport:
    """Measures the given number of calls for each size and way.

    Args:
        engine: "inprocess" serves the model by `motioncast serve models`, in a separate process;
            "triton" by the embedded Triton.
        sizes: Input sizes in bytes.
        calls: Number of calls for each size and way.

    Raises:
        UnavailableError: There is no such server for this machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder))
        async with AsyncExitStack() as exits:
            address, secret = await exits.enter_async_context(_serving(engine, Path(folder)))
            message, shared = [
                await exits.enter_async_context(
                    KServeEngine(KServeSettings(address, shared_memory_bytes=least, secret=secret))
                )
                for least in (None, 0)
            ]
            return Transport(
                engine, tuple([await _measure(message, shared, size, calls) for size in sizes])
            )


async def _measure(message: KServeEngine, shared: KServeEngine, size: int, calls: int) -> Row:
    inputs = {"x": np.random.default_rng(0).integers(0, 256, size, np.uint8)}
    seconds: dict[KServeEngine, list[float]] = {message: [], shared: []}
    for call in range(calls + 3):
        for engine, those in seconds.items():
            started = time.perf_counter()
            await engine.infer(MODEL, inputs)
            if call >= 3:  # the first calls learn the output size, and register memory
                those.append(time.perf_counter() - started)
    return Row(
        size,
        1000 * statistics.median(seconds[message]),
        1000 * statistics.median(seconds[shared]),
        1000 * min(seconds[message]),
        1000 * min(seconds[shared]),
    )


def _write_model(repository: Path) -> None:
    import onnx.parser  # late: part of [export]

    folder = repository / MODEL / "1"
    folder.mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(_GRAPH), folder / "model.onnx")
    (repository / MODEL / "config.pbtxt").write_text(_CONFIG)


@asynccontextmanager
async def _serving(engine: str, repository: Path) -> AsyncIterator[tuple[str, str]]:
    """Serves the repository; yields the address, and the secret required for shared memory."""
    if engine == "triton":
        from motioncast.triton import EmbeddedTriton, TritonSettings

        async with EmbeddedTriton(TritonSettings(repository)) as triton:
            yield triton.address, triton.secret
        return
    command = (sys.executable, "-m", "motioncast.cli.main", "serve", "models")
    options = ("--models", str(repository), "--port", "0", "--http-port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, *options, "--log-level", "WARNING", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield (await process.stdout.readline()).split()[1].decode(), ""
    finally:
        process.terminate()
        await process.communicate()
