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
from motioncast.v1.motion_transfer_pb2 import StageTimings
from motioncast.wire.images import Pixels
from motioncast.wire.keypoints import Keypoints, encode_keypoints


@dataclass(frozen=True, slots=True)
class Cast:
    """A stretch whose frames are made; what the sender supplied is let go.

    Attributes:
        start: Index of its first frame.
        origins, keypoints, half_widths, images, sources: Of each frame: where its keypoints come
            from, the driving keypoints before relative motion, half the width of their 90 %
            interval where one is stated, the frame itself, and the index of its source.
        errors: One-step forecast errors of the observed frames that the predictor has seen now.
        timings: Of all stages, `total` included.
        interpolated: Places of the frames that lie between observed ones.
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
    """Says when the groups of a session may be worked on."""

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Waits until a stage of a group of so many frames may run, for as long as the block."""
        ...


class AtOnce:
    """Lets everything run at once."""

    def turn(self, stage: str, frames: int) -> AbstractAsyncContextManager[None]:
        """Returns a block that waits for nothing."""
        return nullcontext()


AT_ONCE: Final = AtOnce()


class Pipeline(Protocol):
    """Makes frames for many sessions at once.

    Every method raises
        UnavailableError: something behind the orchestrator does not answer;
        DeadlineError: the deadline passed;
        another DomainError: something behind it refused, in its words.
    """

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the model configurations that are served, and which is the default."""
        ...

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns the tables that `model.codec_tables` names, kept from one session to the next.

        Raises:
            UnavailableError: The model has others meanwhile.
        """
        ...

    async def detect(self, model: ModelInfo, image: Image, deadline: Deadline) -> KeypointSet:
        """Returns the keypoints of a source image, raw RGB of the model's size."""
        ...

    async def find_faces(self, square: Pixels, deadline: Deadline) -> list[Face]:
        """Returns the faces in a letterboxed picture, the finder's square, in its pixels.

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
        """Yields the stretches of one session, in their order, as frames.

        Args:
            stretches: The whole timeline.
            config: The session's.
            deadline: The session's.
            work: Says when something may be called for a group.
            resumed: What came before, where the session is gone on with.
        """
        ...

    async def ready(self) -> bool:
        """Returns whether a session could begin now."""
        ...


def encode_half_widths(half_widths: Sequence[Keypoints | None]) -> list[KeypointSet | None]:
    """Returns half-widths (K, 3) of each frame as messages."""
    return [None if one is None else encode_keypoints(one) for one in half_widths]


def milliseconds_since(moment: float) -> float:
    """Returns the milliseconds since a moment on time.perf_counter's clock."""
    return 1000 * (time.perf_counter() - moment)
