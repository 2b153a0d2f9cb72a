"""The three services as the orchestrator sees them: calls with a time limit, and their errors."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from motioncast.codec.tables_file import ModelTables
from motioncast.orchestrator.configuration import ServedModels
from motioncast.orchestrator.settings import ServiceAddresses
from motioncast.serving import Deadline
from motioncast.tracing import client_interceptors
from motioncast.v1.common_pb2 import Image, ModelInfo
from motioncast.v1.keypoint_pb2 import (
    DetectRequest,
    DetectResponse,
    FindFacesRequest,
    FindFacesResponse,
    ListModelsRequest,
    ReadCodecTablesRequest,
)
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub
from motioncast.v1.predictor_pb2 import PredictRequest, PredictResponse
from motioncast.v1.predictor_pb2_grpc import PredictorServiceStub
from motioncast.v1.synthesis_pb2 import SynthesizeRequest, SynthesizeResponse
from motioncast.v1.synthesis_pb2_grpc import SynthesisServiceStub
from motioncast.wire.addresses import proxy_options
from motioncast.wire.codec import decode_tables
from motioncast.wire.errors import (
    DeadlineError,
    ExhaustedError,
    ForbiddenError,
    InvalidInputError,
    UnauthenticatedError,
    UnavailableError,
)
from motioncast.wire.sessions import session_metadata
from motioncast.wire.status import decode_error
from motioncast.wire.token_file import TokenFile

Response = TypeVar("Response")
Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[Any, Response]"  # generic in the stubs alone

MAX_INTERNAL_MESSAGE_BYTES: Final = 64 * 1024 * 1024
RETRY_AFTER_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.02  # where a service has no room
_LONGEST_PAUSE_SECONDS: Final = 0.5

# Every method behind the orchestrator is unary and a pure function of its request: to call it
# again is safe. The time limit is set per call, not here, where it fires early (grpc#34547).
_SERVICE_CONFIG: Final = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)
_OPTIONS: Final = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.max_send_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_INTERNAL_MESSAGE_BYTES),
    # A request larger than this buffer is not retried; the default of 256 KiB is five frames.
    ("grpc.per_rpc_retry_buffer_size", MAX_INTERNAL_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),  # a host that vanished is noticed within a minute
    ("grpc.keepalive_timeout_ms", 10_000),
    # One connection for each orchestrator, also when several in one process share an address.
    ("grpc.use_local_subchannel_pool", 1),
)


_LOOK_SECONDS: Final = 1.0  # between two looks at the files of certificates

_log: Final = logging.getLogger(__name__)


class NoRoomError(UnavailableError):
    """A service has as many calls as it accepts; a retry may succeed."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Response]):
    """What a service answered, and how long the call took as seen from here."""

    response: Response
    milliseconds: float


class Backends:
    """The keypoint, predictor and synthesis services, connected from entering the block on.

    Every call raises
        UnavailableError: the service does not answer (it is named, with its address);
        DeadlineError: the deadline passed;
        another DomainError: the service refused, in its words.
    """

    def __init__(self, addresses: ServiceAddresses, call_timeout_seconds: float) -> None:
        self._addresses = addresses
        self._call_timeout_seconds = call_timeout_seconds
        self._token = None if addresses.token is None else TokenFile(addresses.token)
        self._looked_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        """Opens the channels, with certificates as their files are now."""
        tls = self._addresses.tls
        self._stamp = () if tls is None else tls.stamp()
        credentials = None if tls is None else tls.credentials()
        self._channels = {
            name: _channel(getattr(self._addresses, name), credentials)
            for name in ("keypoint", "predictor", "synthesis")
        }
        self._keypoint = KeypointServiceStub(self._channels["keypoint"])
        self._predictor = PredictorServiceStub(self._channels["predictor"])
        self._synthesis = SynthesisServiceStub(self._channels["synthesis"])

    def _renew(self) -> None:
        """Opens other channels where certificates are others by now; calls that run go on."""
        tls, now = self._addresses.tls, time.monotonic()
        if tls is None or now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        if (stamp := tls.stamp()) == self._stamp:
            return
        before = self._channels
        try:
            self._open()
        except InvalidInputError as error:
            self._stamp = stamp
            _log.warning("the certificate before goes on towards the services: %s", error)
            return
        grace = self._call_timeout_seconds
        for channel in before.values():
            task = asyncio.create_task(channel.close(grace))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = () if self._token is None else self._token.metadata()
        return (*session_metadata(), *token)

    async def __aexit__(self, *exception: object) -> None:
        for channel in self._channels.values():
            await channel.close()
        for task in list(self._closing):
            task.cancel()

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the models that the keypoint service serves, and which is the default."""
        method = self._keypoint.ListModels
        answer = await self._call("keypoint", method, ListModelsRequest(), deadline)
        models = tuple(answer.response.models)
        first = models[0].name if models else ""  # older services list the default first
        return ServedModels(models, answer.response.default_model or first)

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns the codec tables of a model; UnavailableError when they are others by now."""
        method = self._keypoint.ReadCodecTables
        request = ReadCodecTablesRequest(model=model.name)
        answer = await self._call("keypoint", method, request, deadline)
        try:
            return decode_tables(answer.response.tables, model.codec_tables, model.keypoints)
        except InvalidInputError as error:  # a replica with another model, say
            raise UnavailableError(
                f"the keypoint service at {self._addresses.keypoint} has other codec tables of"
                f" {model.name} than it said: {error}",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error

    async def detect(
        self, model: str, images: Sequence[Image], deadline: Deadline
    ) -> Answer[DetectResponse]:
        request = DetectRequest(model=model, images=images)
        return await self._call("keypoint", self._keypoint.Detect, request, deadline)

    async def find_faces(
        self, images: Sequence[Image], deadline: Deadline
    ) -> Answer[FindFacesResponse]:
        request = FindFacesRequest(images=images)
        return await self._call("keypoint", self._keypoint.FindFaces, request, deadline)

    async def predict(self, request: PredictRequest, deadline: Deadline) -> Answer[PredictResponse]:
        return await self._call("predictor", self._predictor.Predict, request, deadline)

    async def synthesise(
        self, request: SynthesizeRequest, deadline: Deadline
    ) -> Answer[SynthesizeResponse]:
        return await self._call("synthesis", self._synthesis.Synthesize, request, deadline)

    async def ready(self) -> bool:
        """Returns whether all three services say that they are SERVING."""
        try:
            for channel in self._channels.values():
                stub: Any = health_pb2_grpc.HealthStub(channel)  # its stubs know no attributes
                response = await stub.Check(
                    health_pb2.HealthCheckRequest(), timeout=self._call_timeout_seconds
                )
                if response.status != health_pb2.HealthCheckResponse.SERVING:
                    return False
        except grpc.aio.AioRpcError:
            return False
        return True

    async def _call(
        self, name: str, method: Method[Response], request: Any, deadline: Deadline
    ) -> Answer[Response]:
        self._renew()  # for the calls to come
        started = time.perf_counter()
        until = Deadline.after(self._call_timeout_seconds).earlier(deadline)
        waits = pauses()
        full: NoRoomError | None = None
        while True:
            try:
                response = await method(
                    request, timeout=until.remaining_seconds(), metadata=self._metadata()
                )
            except grpc.aio.AioRpcError as error:
                failure = self._translate(name, error, deadline)
                if isinstance(failure, NoRoomError):
                    # The session was let in: a frame of it waits for room, within its time.
                    full, pause = failure, next(waits)
                    if pause < (until.remaining_seconds() or 0.0):
                        await asyncio.sleep(pause)
                        continue
                elif full is not None and until.remaining_seconds() == 0:
                    failure = full  # the reason why its time ran out
                raise failure from error
            return Answer(response, 1000 * (time.perf_counter() - started))

    def _translate(self, name: str, error: grpc.aio.AioRpcError, deadline: Deadline) -> Exception:
        """Returns what to raise for a call that failed."""
        where = f"the {name} service at {getattr(self._addresses, name)}"
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return UnavailableError(  # CANCELLED: by the service, that is, while it stops
                f"{where} does not answer", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            if deadline.remaining_seconds() == 0:
                return DeadlineError(f"the deadline passed while {where} worked")
            return UnavailableError(
                f"{where} did not answer within {self._call_timeout_seconds:g} s",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        status = rpc_status.from_call(cast(grpc.Call, error))
        refusal = decode_error(status) if status is not None else None
        if isinstance(refusal, UnauthenticatedError | ForbiddenError):
            _log.error("%s refuses the orchestrator's own token: %s", where, refusal)
            return UnavailableError(
                f"{where} does not let the orchestrator in", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        if isinstance(refusal, ExhaustedError) and refusal.retry_after_seconds is not None:
            return NoRoomError(
                f"{where} is full: {refusal}", retry_after_seconds=refusal.retry_after_seconds
            )
        if refusal is None:
            return RuntimeError(f"{where} failed: {error.code()} {error.details()}")
        # The field belongs to our request to the service, which the client does not know.
        return type(refusal)(
            f"{where} refused: {refusal}", retry_after_seconds=refusal.retry_after_seconds
        )


def _channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    options = (*_OPTIONS, *proxy_options(target))
    along = client_interceptors(target)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options, interceptors=along)
    return grpc.aio.secure_channel(target, credentials, options, interceptors=along)


def pauses() -> Iterator[float]:
    """Yields seconds to wait before each new attempt: twice as long each time, and not in step."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
