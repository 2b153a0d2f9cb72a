"""The interface of a pipeline, which turns a session's stretches into frames."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from motioncast.codec.tables_file import ModelTables
from motioncast.framing import Face
from motioncast.orchestrator.configuration import ServedModels, SessionConfig
from motioncast.orchestrator.progress import BEGINNING, Progress
from motioncast.orchestrator.stretch import Stretch
from motioncast.serving import Deadline
from motioncast.timeline.origin import Origin
from motioncast.v1.common_pb2 import Image, KeypointSet, ModelInfo
from motioncast.v1.motion_transfer_pb2 import SourceImage, StageTimings
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints, encode_keypoints


@dataclass(frozen=True, slots=True)
class Cast:
    """A stretch whose frames are made; the sender's input has been released.

    Attributes:
        start: Index of its first frame.
        origins, keypoints, half_widths, images, sources: One per frame: where its keypoints come
            from, the driving keypoints before relative motion, half the width of their 90 %
            interval where one is stated, the frame itself, and the index of its source.
        errors: One-step forecast errors of the observed frames that the predictor processed for
            this stretch.
        timings: Of all stages, `total` included.
        interpolated: Positions of frames interpolated between observed ones.
        progress: What the frames after these depend on; None where that does not fit in a token.
    """

    start: int
    origins: tuple[Origin, ...]
    keypoints: Sequence[KeypointSet]
    half_widths: Sequence[KeypointSet | None]
    images: Sequence[Image]
    sources: Sequence[int]
    timings: StageTimings
    errors: Sequence[float] = field(default=())
    interpolated: frozenset[int] = frozenset()
    progress: Progress | None = None


class TakesTurns(Protocol):
    """Decides when a session's groups may be worked on."""

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Waits until a stage of a group of `frames` frames may run; the block is its turn."""
        ...


class AtOnce:
    """Lets everything run immediately."""

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Returns a context manager that does not wait."""
        return nullcontext()


AT_ONCE: Final = AtOnce()


class Pipeline(Protocol):
    """Makes frames for many sessions at once.

    Every method raises
        UnavailableError: something behind the orchestrator does not answer;
        DeadlineError: the deadline passed;
        another DomainError: something behind the orchestrator refused; the message is its own.
    """

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the served model configurations and the name of the default."""
        ...

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns the codec tables that `model.codec_tables` names, cached across sessions.

        Raises:
            UnavailableError: The model has different tables by now.
        """
        ...

    async def detect(
        self,
        model: ModelInfo,
        image: Image,
        deadline: Deadline,
        first: SourceImage | None = None,
    ) -> KeypointSet:
        """Returns the keypoints of a source image, raw RGB of the model's size.

        Args:
            model: The model configuration.
            image: The source image.
            deadline: The session's deadline.
            first: The source to register the keypoints with; None for no registration. Requires
                `model.registers`.
        """
        ...

    async def find_faces(self, square: Pixels, deadline: Deadline) -> list[Face]:
        """Returns the faces in a letterboxed picture (the finder's square), in its pixels.

        Raises:
            UnknownModelError: No face finder is served.
        """
        ...

    def cast(
        self,
        stretches: AsyncIterator[Stretch],
        config: SessionConfig,
        deadline: Deadline,
        work: TakesTurns = AT_ONCE,
        resumed: Progress = BEGINNING,
    ) -> AsyncGenerator[Cast, None]:
        """Yields the frames of one session's stretches, in order.

        Args:
            stretches: The whole timeline.
            config: The session's configuration.
            deadline: The session's deadline.
            work: Decides when a group's calls may run.
            resumed: The progress to continue from, in a resumed session.
        """
        ...

    async def ready(self) -> bool:
        """Returns whether a session could begin now."""
        ...


def encode_half_widths(half_widths: Sequence[Keypoints | None]) -> list[KeypointSet | None]:
    """Returns each frame's half-widths (K, 3) as a message."""
    return [None if one is None else encode_keypoints(one) for one in half_widths]


def milliseconds_since(moment: float) -> float:
    """Returns the milliseconds since a moment on time.perf_counter's clock."""
    return 1000 * (time.perf_counter() - moment)
