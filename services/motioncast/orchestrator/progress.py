"""What a session's next frames depend on from the frames before, as a value and as a message.

    pipeline   the predictor's state, the first observed keypoints, the choice among sources
    door       the camera, what is shown, the newest coded frame that packets may refer to
    counts     what the report is built from

Everything else comes with the frames and sources that a client sends again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from motioncast.framing import Camera, FramerState, FramingMode
from motioncast.sources import MAX_SOURCES, Choice
from motioncast.v1 import resume_pb2
from motioncast.v1.predictor_pb2 import PredictorState
from motioncast.v1.resume_pb2 import CameraState, ResumeState
from motioncast.wire.keypoints import Keypoints, decode_keypoints, encode_keypoints

TOKEN_FRAMES: Final = 8  # at most so many frames are recomputed where nothing is forecast


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a pipeline after a stretch.

    Attributes:
        started: Whether any frame was observed.
        predictor: Its state after every frame so far; None before the first observed one.
        reference: (K, 3), the reference of relative motion; None where there is none.
        choice: The choice among the sources; None before the first frame.
        digests: SHA-256 of each current source, by its index.
    """

    started: bool = False
    predictor: PredictorState | None = None
    reference: Keypoints | None = None
    choice: Choice | None = None
    digests: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))


BEGINNING: Final = Progress()


def write_progress(progress: Progress, state: ResumeState) -> None:
    """Writes a pipeline's part of a resume state."""
    state.started = progress.started
    if progress.predictor is not None:
        state.predictor.CopyFrom(progress.predictor)
    if progress.reference is not None:
        state.reference.CopyFrom(encode_keypoints(progress.reference))
    if progress.choice is not None:
        state.choice.source, state.choice.frames = progress.choice.source, progress.choice.frames
    for index, digest in sorted(progress.digests.items()):
        state.sources.add(index=index, digest=digest)


def read_progress(state: ResumeState, keypoints: int) -> Progress:
    """Returns a pipeline's part of a resume state, for a model with K keypoints.

    Raises:
        InvalidInputError, ValueError: It is not valid.
    """
    digests = {source.index: source.digest for source in state.sources}
    if 0 not in digests or max(digests) >= MAX_SOURCES:
        raise ValueError("its sources are invalid")
    if state.started != state.HasField("predictor"):
        raise ValueError("it needs a predictor state if, and only if, frames were observed")
    return Progress(
        started=state.started,
        predictor=state.predictor if state.HasField("predictor") else None,
        reference=decode_keypoints(state.reference, keypoints)
        if state.HasField("reference")
        else None,
        choice=Choice(state.choice.source, state.choice.frames)
        if state.HasField("choice")
        else None,
        digests=digests,
    )


def encode_camera(framer: FramerState) -> CameraState | None:
    """Returns a framer's state as a message; None before its first picture."""
    if framer.camera is None:
        return None
    return resume_pb2.CameraState(
        numbers=framer.camera.numbers(),
        index=framer.index,
        looked=framer.looked,
        faces=framer.faces,
    )


def decode_camera(message: CameraState, mode: FramingMode) -> FramerState:
    """Returns the framer state of a message; ValueError when it is invalid."""
    return FramerState(
        Camera.of_numbers(mode, message.numbers),
        message.index if message.HasField("index") else None,
        message.looked if message.HasField("looked") else None,
        message.faces,
    )
