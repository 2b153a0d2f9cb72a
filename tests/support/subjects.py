"""Every way of running models, each as an engine with its own repository.

    in_process      OnnxRuntimeEngine
    kserve          our KServe server, called by KServeEngine
    kserve_client   our KServe server, called by NVIDIA's tritonclient
    triton          the embedded Triton, called by KServeEngine
    triton_client   the embedded Triton, called by NVIDIA's tritonclient

Triton's tests are skipped with a reason if it cannot be embedded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from support.kserve_server import serving_kserve
from support.toy_models import CONFIGURATION, build_toy_repository, write_model
from support.triton_client import TritonClientEngine
from support.triton_server import skip_without_triton
from tritonclient.grpc.aio import InferenceServerClient

from motioncast.export.ensemble_files import ensembles_around, write_ensembles
from motioncast.inference import Engine, OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.inference.kserve.config import made_config
from motioncast.triton import EmbeddedTriton, TritonSettings

KINDS = ("in_process", "kserve", "kserve_client", "triton", "triton_client")
ONE_RUN = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)

# Loops as often as its input says, for as long as a test needs.
_TURNS = """
turns (int64[B, 1] turns) => (int64[B, 1] after)
<int64[1] axes = {0, 1}, bool yes = {1}>
{
    count = ReduceMax<keepdims = 0>(turns)
    after = Loop<
        body = turn (int64 i, bool go, int64[B, 1] before) => (bool go_on, int64[B, 1] next)
        { next = Identity(before) go_on = Identity(go) }
    >(count, yes, turns)
}
"""

# An ensemble that doubles its input twice.
FOUR = """
name: "four" platform: "ensemble" max_batch_size: 64
input { name: "x" data_type: TYPE_FP32 dims: [-1] }
output { name: "y" data_type: TYPE_FP32 dims: [-1] }
ensemble_scheduling {
  step { model_name: "double" model_version: -1
    input_map { key: "x" value: "x" } output_map { key: "y" value: "between" } }
  step { model_name: "double" model_version: -1
    input_map { key: "x" value: "between" } output_map { key: "y" value: "y" } }
}
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """One way of running the models of a repository.

    Attributes:
        kind: One of KINDS.
        engine: The engine, already opened.
        repository: Folder of the models, used by this subject only.
        load, unload: Load or unload a model by name.
        address: The server's address; None without a server.
        triton: The embedded server; None without one.
    """

    kind: str
    engine: Engine
    repository: Path
    load: Callable[[str], Awaitable[Any]]
    unload: Callable[[str], Awaitable[Any]]
    address: str | None = None
    triton: EmbeddedTriton | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers with which a client controls the server."""
        return self.triton.headers if self.triton else {}

    @property
    def secret(self) -> str:
        """Secret with which an engine controls the server."""
        return self.triton.secret if self.triton else ""

    def write_version(self, model: str, version: int) -> None:
        """Writes a version of a model that multiplies its input by the version number."""
        text = f"""times (float[B, N] x) => (float[B, N] y)
            {{ w = Constant<value = float {{{version}}}>() y = Mul(x, w) }}"""
        write_model(self.repository, model, text, version)


async def build_repository(root: Path) -> None:
    """Writes the toy models and ensembles, turns, double, four, three echoes and a torn model."""
    build_toy_repository(root)
    write_model(root, "turns", _TURNS)
    for name in ("grows", "comes", "stays"):
        write_model(root, name, "times (float[B, N] x) => (float[B, N] y) { y = Identity(x) }")
    write_model(root, "double", "double (float[B, N] x) => (float[B, N] y) { y = Add(x, x) }")
    async with OnnxRuntimeEngine(root, ONE_RUN) as engine:
        for name in engine.models():
            config = made_config(engine.metadata(name))
            (root / name / "config.pbtxt").write_text(text_format.MessageToString(config))
    write_ensembles(root, ensembles_around(CONFIGURATION, root, []))
    (root / "four" / "1").mkdir(parents=True)
    (root / "four" / "config.pbtxt").write_text(FOUR)
    torn = root / "torn" / "1"
    torn.mkdir(parents=True)
    (torn / "model.onnx").write_bytes(b"torn")
    config.name = "torn"
    (root / "torn" / "config.pbtxt").write_text(text_format.MessageToString(config))


@asynccontextmanager
async def opened(kind: str, repository: Path) -> AsyncIterator[Subject]:
    """Opens a subject of a kind over a repository."""
    async with AsyncExitStack() as exits:
        triton = None
        if kind == "in_process":
            engine = await exits.enter_async_context(OnnxRuntimeEngine(repository, ONE_RUN))
            yield Subject(kind, engine, repository, engine.load, engine.unload)
            return
        if kind.startswith("triton"):
            skip_without_triton()
            triton = await exits.enter_async_context(
                EmbeddedTriton(TritonSettings(repository, drain_seconds=1))
            )
            address = triton.address
        else:
            served = await exits.enter_async_context(
                serving_kserve(repository, engine_settings=ONE_RUN)
            )
            address = served.server.address
        headers, secret = (triton.headers, triton.secret) if triton else ({}, "")
        caller: Engine = (
            TritonClientEngine(address, headers)
            if kind.endswith("_client")
            else KServeEngine(KServeSettings(address, retry_seconds=60, secret=secret))
        )
        await exits.enter_async_context(caller)
        control = await exits.enter_async_context(InferenceServerClient(address))
        load = partial(control.load_model, headers=headers)
        unload = partial(control.unload_model, headers=headers)
        yield Subject(kind, caller, repository, load, unload, address, triton)
