"""The orchestrator's clients of the three services: calls with a time limit, and their errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar

import grpc
import grpc.aio
from prometheus_client import CollectorRegistry

from motioncast.codec.tables_file import ModelTables
from motioncast.orchestrator.configuration import ServedModels
from motioncast.orchestrator.service_channels import open_channel
from motioncast.orchestrator.service_failures import RETRY_AFTER_SECONDS, NoRoomError, translated
from motioncast.orchestrator.settings import ServiceAddresses
from motioncast.replicas.addresses import LOOK_SECONDS, listed, named, resolved
from motioncast.replicas.judging import SERVICES, serves
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.replicas.pool import Replicas, pauses
from motioncast.serving import Deadline
from motioncast.v1.common_pb2 import Image, ModelInfo
from motioncast.v1.keypoint_pb2 import (
    DetectRequest,
    DetectResponse,
    FindFacesRequest,
    FindFacesResponse,
    ListModelsRequest,
    ListModelsResponse,
    ReadCodecTablesRequest,
    ReadCodecTablesResponse,
)
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub
from motioncast.v1.motion_transfer_pb2 import SourceImage
from motioncast.v1.predictor_pb2 import PredictRequest, PredictResponse
from motioncast.v1.predictor_pb2_grpc import PredictorServiceStub
from motioncast.v1.synthesis_pb2 import SynthesizeRequest, SynthesizeResponse
from motioncast.v1.synthesis_pb2_grpc import SynthesisServiceStub
from motioncast.wire.codec import decode_tables
from motioncast.wire.errors import InvalidInputError, UnavailableError
from motioncast.wire.sessions import session_metadata
from motioncast.wire.token_file import TokenFile

Response = TypeVar("Response")

SLOW_SECONDS: Final = 1.0  # after this, another replica is asked as well

_SERVICES: Final = ("keypoint", "predictor", "synthesis")
_LOOK_SECONDS: Final = 1.0  # between checks of the certificate files

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method(Generic[Response]):
    """A method of a service; `of` returns it for a channel."""

    service: str
    of: Callable[[grpc.aio.Channel], Callable[..., Awaitable[Response]]]


_LIST_MODELS: Final[Method[ListModelsResponse]] = Method(
    "keypoint", lambda channel: KeypointServiceStub(channel).ListModels
)
_READ_CODEC_TABLES: Final[Method[ReadCodecTablesResponse]] = Method(
    "keypoint", lambda channel: KeypointServiceStub(channel).ReadCodecTables
)
_DETECT: Final[Method[DetectResponse]] = Method(
    "keypoint", lambda channel: KeypointServiceStub(channel).Detect
)
_FIND_FACES: Final[Method[FindFacesResponse]] = Method(
    "keypoint", lambda channel: KeypointServiceStub(channel).FindFaces
)
_PREDICT: Final[Method[PredictResponse]] = Method(
    "predictor", lambda channel: PredictorServiceStub(channel).Predict
)
_SYNTHESIZE: Final[Method[SynthesizeResponse]] = Method(
    "synthesis", lambda channel: SynthesisServiceStub(channel).Synthesize
)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Response]):
    """A service's response, and how long the call took as seen by the caller."""

    response: Response
    milliseconds: float


class Backends:
    """Clients of the keypoint, predictor and synthesis services, connected on entering the block.

    Every call raises
        UnavailableError: the service does not answer (the message gives its name and address);
        DeadlineError: the deadline passed;
        another DomainError: the service refused the request; the message is the service's.
    """

    def __init__(
        self,
        addresses: ServiceAddresses,
        call_timeout_seconds: float,
        metrics: ReplicaMetrics | None = None,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._addresses = addresses
        self._call_timeout_seconds = call_timeout_seconds
        self._slow_seconds = slow_seconds
        self._metrics = metrics or ReplicaMetrics(CollectorRegistry())
        self._found: dict[str, list[str]] = {}  # targets of each service's replicas
        self._watching: asyncio.Task[None] | None = None
        self._token = None if addresses.token is None else TokenFile(addresses.token)
        self._looked_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for name in _SERVICES:
            target = self._target(name)
            self._found[name] = await resolved(target) or listed(target)
        self._open()
        if any(named(self._target(name)) for name in _SERVICES):
            self._watching = asyncio.create_task(self._watch_names())
        return self

    def _target(self, name: str) -> str:
        target: str = getattr(self._addresses, name)
        return target

    def _open(self) -> None:
        """Opens the channels with the certificates that the files hold now."""
        tls = self._addresses.tls
        self._stamp = () if tls is None else tls.stamp()
        credentials = None if tls is None else tls.credentials()
        self._services = {
            name: Replicas(
                name,
                self._found[name],
                partial(open_channel, named=named(self._target(name)), credentials=credentials),
                SERVICES,
                self._slow_seconds,
                self._metrics,
            )
            for name in _SERVICES
        }

    async def _watch_names(self) -> None:
        """Tracks the replicas that the names resolve to; an empty result changes nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name in _SERVICES:
                found = await resolved(self._target(name))
                if found is not None and found != self._found[name]:
                    self._found[name] = found
                    self._services[name].use(found)

    def _renew(self) -> None:
        """Opens new channels when the certificates have changed; running calls continue."""
        tls, now = self._addresses.tls, time.monotonic()
        if tls is None or now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        if (stamp := tls.stamp()) == self._stamp:
            return
        before = self._services
        try:
            self._open()
        except InvalidInputError as error:
            self._stamp = stamp
            _log.warning("keeping the previous certificate for calls to the services: %s", error)
            return
        grace = self._call_timeout_seconds
        for replicas in before.values():
            task = asyncio.create_task(replicas.close(grace))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = () if self._token is None else self._token.metadata()
        return (*session_metadata(), *token)

    async def __aexit__(self, *exception: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for replicas in self._services.values():
            await replicas.close()
        for task in list(self._closing):
            task.cancel()

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the models that the keypoint service serves, and the name of the default."""
        answer = await self._call(_LIST_MODELS, ListModelsRequest(), deadline)
        models = tuple(answer.response.models)
        first = models[0].name if models else ""  # older services list the default first
        return ServedModels(models, answer.response.default_model or first)

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns a model's codec tables; UnavailableError when others were announced."""
        request = ReadCodecTablesRequest(model=model.name)
        answer = await self._call(_READ_CODEC_TABLES, request, deadline)
        try:
            return decode_tables(answer.response.tables, model.codec_tables, model.keypoints)
        except InvalidInputError as error:  # for example, a replica with another model
            raise UnavailableError(
                f"the keypoint service at {self._addresses.keypoint} returned other codec tables"
                f" of {model.name} than it announced: {error}",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error

    async def detect(
        self,
        model: str,
        images: Sequence[Image],
        deadline: Deadline,
        source: SourceImage | None = None,
    ) -> Answer[DetectResponse]:
        """Returns the keypoints of images, registered with a source if there is one."""
        request = DetectRequest(model=model, images=images)
        if source is not None:
            request.source.CopyFrom(source.image)
            request.source_keypoints.CopyFrom(source.keypoints)
        return await self._call(_DETECT, request, deadline)

    async def find_faces(
        self, images: Sequence[Image], deadline: Deadline
    ) -> Answer[FindFacesResponse]:
        request = FindFacesRequest(images=images)
        return await self._call(_FIND_FACES, request, deadline)

    async def predict(self, request: PredictRequest, deadline: Deadline) -> Answer[PredictResponse]:
        return await self._call(_PREDICT, request, deadline)

    async def synthesise(
        self, request: SynthesizeRequest, deadline: Deadline
    ) -> Answer[SynthesizeResponse]:
        return await self._call(_SYNTHESIZE, request, deadline)

    async def ready(self) -> bool:
        """Returns whether at least one replica of each service reports SERVING."""
        found = await asyncio.gather(*(one.ask_all(serves, 1.0) for one in self._services.values()))
        return all(map(any, found))

    async def _call(
        self, method: Method[Response], request: Any, deadline: Deadline
    ) -> Answer[Response]:
        self._renew()  # for the calls that follow
        started = time.perf_counter()
        until = Deadline.after(self._call_timeout_seconds).earlier(deadline)
        metadata, waits = self._metadata(), pauses()
        full: NoRoomError | None = None
        kind = method, request.ByteSize().bit_length()

        def begin(channel: grpc.aio.Channel, seconds: float | None) -> Any:
            return method.of(channel)(request, timeout=seconds, metadata=metadata)

        while True:
            try:
                response = await self._services[method.service].call(begin, until, kind)
            except grpc.aio.AioRpcError as error:
                failure = translated(
                    f"the {method.service} service at {self._target(method.service)}",
                    error,
                    deadline,
                    self._call_timeout_seconds,
                )
                if isinstance(failure, NoRoomError):
                    # The session was admitted, so its frame waits for room until the deadline.
                    full, pause = failure, next(waits)
                    if pause < (until.remaining_seconds() or 0.0):
                        await asyncio.sleep(pause)
                        continue
                elif full is not None and until.remaining_seconds() == 0:
                    failure = full  # the reason it ran out of time
                raise failure from error
            return Answer(response, 1000 * (time.perf_counter() - started))
