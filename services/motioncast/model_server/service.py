"""GRPCInferenceService: the published protocol for an engine in this process."""

from __future__ import annotations

import hmac
import logging
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from tritonclient.grpc import service_pb2, service_pb2_grpc

from motioncast.inference import MeasuredEngine, RepositoryEngine
from motioncast.inference.kserve.settings import SECRET_HEADER
from motioncast.model_server.models import ServedModels
from motioncast.model_server.runs import Runner
from motioncast.model_server.shared_memory import SharedMemory
from motioncast.model_server.statistics import Statistics
from motioncast.serving import Context, Deadline, Metrics, Registration
from motioncast.wire.errors import InvalidInputError, UnknownModelError

_VERSION: Final = version("motioncast")  # read once: has to work without free file descriptors
_log = logging.getLogger(__name__)

EXTENSIONS: Final = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "statistics",
    "system_shared_memory",
)
_FREE: Final = frozenset(
    {
        "ServerLive",
        "ServerReady",
        "ServerMetadata",
        "ModelReady",
        "ModelMetadata",
        "ModelConfig",
        "ModelStatistics",
        "RepositoryIndex",
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
    }
)
_CONTROL: Final = ("RepositoryModelLoad", "RepositoryModelUnload")
_MAX_QUESTION_BYTES: Final = 64 * 1024


def registration(engine: RepositoryEngine, metrics: Metrics, secret: str = "") -> Registration:
    """Returns the KServe v2 service to register.

    Args:
        engine: An open engine; may be shared.
        metrics: Where its inferences are timed.
        secret: Secret that a caller has to send in order to load and unload models and to share
            memory, in the same metadata as for our embedded Triton; "" requires none.
    """
    servicer = KServeServicer(engine, metrics, secret)
    return Registration(
        name=service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
        add=partial(service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server, servicer),
        ready=engine.ready,
        unlimited_methods=_FREE,
        on_drain=servicer.drain,
        max_request_bytes=dict.fromkeys((*_FREE, *_CONTROL), _MAX_QUESTION_BYTES),
        log_level=logging.DEBUG,
    )


class KServeServicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers queries, runs models, and loads and unloads them."""

    def __init__(self, engine: RepositoryEngine, metrics: Metrics, secret: str = "") -> None:
        self._engine = engine
        self._secret = secret
        self._models = ServedModels(engine)
        self._statistics = Statistics()
        measured = MeasuredEngine(engine, metrics.registry)
        self._memory = SharedMemory()
        self._runner = Runner(measured, self._models, self._statistics, self._memory)
        self._draining = False

    def drain(self) -> None:
        """Reports from now on that the server is not ready."""
        self._draining = True

    async def ServerLive(self, request: Any, context: Context) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Context) -> Any:
        ready = not self._draining and await self._engine.ready()
        return service_pb2.ServerReadyResponse(ready=ready)

    async def ServerMetadata(self, request: Any, context: Context) -> Any:
        return service_pb2.ServerMetadataResponse(
            name="motioncast", version=_VERSION, extensions=EXTENSIONS
        )

    async def ModelReady(self, request: Any, context: Context) -> Any:
        try:
            ready = self._models.find(request.name, request.version).ready
        except UnknownModelError:
            ready = False  # as Triton answers
        return service_pb2.ModelReadyResponse(ready=ready)

    async def ModelMetadata(self, request: Any, context: Context) -> Any:
        return self._models.metadata(self._models.resolve(request.name, request.version))

    async def ModelConfig(self, request: Any, context: Context) -> Any:
        state = self._models.resolve(request.name, request.version)
        return service_pb2.ModelConfigResponse(config=self._models.config(state))

    async def ModelInfer(self, request: Any, context: Context) -> Any:
        return await self._runner.run(request, Deadline.of(context))

    async def ModelStatistics(self, request: Any, context: Context) -> Any:
        states = (
            (self._models.resolve(request.name, request.version),)
            if request.name
            else tuple(state for state in self._models.states() if state.ready)
        )
        return service_pb2.ModelStatisticsResponse(
            model_stats=[self._statistics.of(state.name, state.version) for state in states]
        )

    async def RepositoryIndex(self, request: Any, context: Context) -> Any:
        _check_repository(request)
        return service_pb2.RepositoryIndexResponse(
            models=[
                service_pb2.RepositoryIndexResponse.ModelIndex(
                    name=state.name,
                    version=str(state.version),
                    state="READY" if state.ready else "UNAVAILABLE",
                    reason=state.reason,
                )
                for state in self._models.states()
                if state.ready or not request.ready
            ]
        )

    async def RepositoryModelLoad(self, request: Any, context: Context) -> Any:
        self._check_secret(context)
        _check_repository(request)
        if request.parameters:
            raise InvalidInputError.of(
                "parameters", "not supported: a model is loaded as it is in the repository"
            )
        try:
            await self._engine.load(request.model_name)
        except InvalidInputError as error:  # names files, which callers must not see
            _log.error("the model %s was not loaded: %s", request.model_name, error)
            raise InvalidInputError.of(
                "model", f"{request.model_name} cannot be loaded; see the log"
            ) from error
        finally:
            self._models.forget(request.model_name)
        return service_pb2.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(self, request: Any, context: Context) -> Any:
        self._check_secret(context)
        _check_repository(request)
        await self._engine.unload(request.model_name)
        return service_pb2.RepositoryModelUnloadResponse()

    async def SystemSharedMemoryStatus(self, request: Any, context: Context) -> Any:
        self._check_secret(context)
        return self._memory.status(request.name)

    async def SystemSharedMemoryRegister(self, request: Any, context: Context) -> Any:
        self._check_secret(context)
        self._memory.register(request, context)
        return service_pb2.SystemSharedMemoryRegisterResponse()

    async def SystemSharedMemoryUnregister(self, request: Any, context: Context) -> Any:
        self._check_secret(context)
        self._memory.unregister(request.name)
        return service_pb2.SystemSharedMemoryUnregisterResponse()

    # There is no CUDA memory here; perf_analyzer asks the server to unregister it anyway.

    async def CudaSharedMemoryStatus(self, request: Any, context: Context) -> Any:
        return service_pb2.CudaSharedMemoryStatusResponse()

    async def CudaSharedMemoryUnregister(self, request: Any, context: Context) -> Any:
        return service_pb2.CudaSharedMemoryUnregisterResponse()

    def _check_secret(self, context: Context) -> None:
        sent = dict(context.invocation_metadata() or ()).get(SECRET_HEADER, "")
        if self._secret and not hmac.compare_digest(str(sent).encode(), self._secret.encode()):
            raise InvalidInputError.of(
                SECRET_HEADER,
                "this protocol is restricted to callers that send the server's secret",
            )


def _check_repository(request: Any) -> None:
    if request.repository_name:
        raise InvalidInputError.of(
            "repository_name", "must be empty: the only repository has no name"
        )
