"""A KServe v2 server with scripted answers, standing in for third-party servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from motioncast.serving import Context

Infer = Callable[[Any, Context], Awaitable[Any]]
Ready = Callable[[], bool | None]


@asynccontextmanager
async def serving_script(infer: Infer, ready: Ready = lambda: None) -> AsyncIterator[str]:
    """Serves a model "echo", x FP32 [-1] -> y FP32 [-1], whose calls `infer` answers.

    Args:
        infer: Answers a run.
        ready: Returns whether the model is ready; None: the server cannot be asked.

    Yields:
        The server's address.
    """
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Scripted(infer, ready), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def echo(request: Any, context: Context) -> Any:
    """Returns the input."""
    [x] = request.inputs
    return service_pb2.ModelInferResponse(
        model_name=request.model_name,
        outputs=[{"name": "y", "datatype": x.datatype, "shape": x.shape}],
        raw_output_contents=request.raw_input_contents,
    )


def failing(code: grpc.StatusCode, details: str, times: int = 1_000_000) -> Infer:
    """Returns a script that fails the first `times` calls and echoes afterwards."""
    left = times

    async def infer(request: Any, context: Context) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            await context.abort(code, details)
        return await echo(request, context)

    return infer


class _Scripted(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, infer: Infer, ready: Ready) -> None:
        self._infer = infer
        self._ready = ready

    async def ModelInfer(self, request: Any, context: Context) -> Any:
        return await self._infer(request, context)

    async def ServerReady(self, request: Any, context: Context) -> Any:
        return service_pb2.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: Any, context: Context) -> Any:
        ready = self._ready()
        if ready is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        return service_pb2.ModelReadyResponse(ready=ready)

    async def RepositoryIndex(self, request: Any, context: Context) -> Any:
        return service_pb2.RepositoryIndexResponse(
            models=[{"name": "echo", "version": "1", "state": "READY"}]
        )

    async def ModelMetadata(self, request: Any, context: Context) -> Any:
        return service_pb2.ModelMetadataResponse(
            name="echo",
            inputs=[{"name": "x", "datatype": "FP32", "shape": [-1]}],
            outputs=[{"name": "y", "datatype": "FP32", "shape": [-1]}],
        )

    async def ModelConfig(self, request: Any, context: Context) -> Any:
        return service_pb2.ModelConfigResponse(config={"name": "echo"})
