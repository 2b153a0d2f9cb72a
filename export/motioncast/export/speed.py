"""Compares the speed and PSNR of the models of several repositories side by side.

    synthesis of T frames = encoding the source + T * decoding a frame

A repository whose models register keypoints is measured and judged with that.

The repositories take turns call by call, so that other load on the machine affects all equally.
Reports the minimum over all rounds of wall time and of CPU time, the latter summed over threads:
CPU time hardly changes when other programs run.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from motioncast.export.parity import Arrays, Case
from motioncast.export.repository import onnx_file
from motioncast.export.sampling import draw_inputs
from motioncast.export.specification import (
    NAMED,
    ModelSpecification,
    TensorSpecification,
)

FRAMES = (1, 4, 10)  # per call
SOURCES = 4


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """Milliseconds per frame."""

    wall: float
    cpu: float  # summed over all threads


NOTHING = Milliseconds(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Speed:
    """One repository's models at one number of frames per call."""

    frames: int
    detector: Milliseconds
    registration: Milliseconds  # zero where there is none
    synthesis: Milliseconds  # including encoding of the source

    @property
    def total(self) -> Milliseconds:
        parts = (self.detector, self.registration, self.synthesis)
        return Milliseconds(sum(one.wall for one in parts), sum(one.cpu for one in parts))


class LoadedModels:
    """Detector, registration if any, and synthesis of a configuration, loaded into ONNX Runtime.

    Raises FileNotFoundError if a detector or a synthesis is missing.
    """

    def __init__(self, repository: Path, config: str, threads: int) -> None:
        self.repository = repository
        self.detector = open_session(onnx_file(repository, f"{config}_keypoint"), threads)
        self.synthesis = open_session(onnx_file(repository, f"{config}_synthesis"), threads)
        name = f"{config}_registration"
        registers = (repository / name).is_dir()
        self.registration = (
            open_session(onnx_file(repository, name), threads) if registers else None
        )

    @property
    def size(self) -> int:
        """The side of the images in pixels."""
        size: int = self.detector.get_inputs()[0].shape[1]
        return size

    def detect(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the keypoints (T, K, 3) of images (T, S, S, 3)."""
        keypoints: NDArray[np.float32] = self.detector.run(None, {"image": images})[0]
        return keypoints

    def reconstruct(self, clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Returns frames 1.. of a clip (T, S, S, 3), synthesised from its frame 0 and keypoints."""
        found = keypoints = self.detect(clip)
        source = {"source_image": clip[:1], "source_keypoints": found[:1]}
        if self.registration is not None:
            inputs = {**source, "image": clip, "keypoints": found}
            keypoints = self.registration.run(None, inputs)[0]
        (images,) = self.synthesis.run(
            None,
            {**source, "driving_keypoints": keypoints[np.newaxis, 1:]},
        )
        drawn: NDArray[np.uint8] = images[0]
        return drawn


def measure(
    repositories: Sequence[LoadedModels], frames: Sequence[int] = FRAMES, rounds: int = 15
) -> list[list[Speed]]:
    """Returns the speeds of each repository, one per number of frames."""
    found: list[list[Speed]] = [[] for _ in repositories]
    for count in frames:
        detectors = [each.detector for each in repositories]
        detected = _take_turns(detectors, _inputs(detectors[0], count, 1), count, rounds)
        drawing = [each.synthesis for each in repositories]
        drawn = _take_turns(drawing, _inputs(drawing[0], 1, count), count, rounds)
        aligning = [each.registration for each in repositories if each.registration is not None]
        aligned = iter(
            _take_turns(aligning, _inputs(aligning[0], 1, count), count, rounds) if aligning else ()
        )
        for each, speeds, detector, synthesis in zip(
            repositories, found, detected, drawn, strict=True
        ):
            registration = NOTHING if each.registration is None else next(aligned)
            speeds.append(Speed(count, detector, registration, synthesis))
    return found


def encode_and_decode(
    repositories: Sequence[LoadedModels], rounds: int = 15
) -> list[tuple[float, float]]:
    """Returns each repository's CPU milliseconds for encoding a source and for decoding a frame.

    Solved from two calls: four sources of one frame each (four encodings, four decodings), and one
    source of four frames (one encoding, four decodings).
    """
    drawing = [each.synthesis for each in repositories]
    many = _take_turns(drawing, _inputs(drawing[0], SOURCES, 1), 1, rounds)
    one = _take_turns(drawing, _inputs(drawing[0], 1, SOURCES), 1, rounds)
    return [told_apart(a.cpu, b.cpu) for a, b in zip(many, one, strict=True)]


def told_apart(four_sources: float, four_frames: float) -> tuple[float, float]:
    """Returns the times to encode and to decode, from 4 (encode + decode) and encode + 4 decode."""
    encode = (four_sources - four_frames) / (SOURCES - 1)
    return encode, (four_frames - encode) / SOURCES


def psnr_db(models: LoadedModels, clips: Sequence[NDArray[np.uint8]]) -> float:
    """Returns the mean PSNR over all frames of clips (T, S, S, 3) synthesised from frame 0."""
    values = []
    for clip in clips:
        error = models.reconstruct(clip).astype(np.float64) - clip[1:]
        mse = np.square(error).mean(axis=(1, 2, 3))
        values.append(10 * np.log10(255**2 / np.maximum(mse, 1 / 12)))  # 8-bit rounding: 1/12
    return float(np.concatenate(values).mean())


def _take_turns(
    sessions: Sequence[onnxruntime.InferenceSession], inputs: Arrays, frames: int, rounds: int
) -> list[Milliseconds]:
    for session in sessions:
        session.run(None, inputs)
    walls = np.empty((rounds, len(sessions)))
    cpus = np.empty((rounds, len(sessions)))
    for turn in range(rounds):
        for place, session in enumerate(sessions):
            wall, cpu = time.perf_counter(), time.process_time()
            session.run(None, inputs)
            cpus[turn, place] = time.process_time() - cpu
            walls[turn, place] = time.perf_counter() - wall
    per_frame = 1000 / frames
    return [
        Milliseconds(float(wall) * per_frame, float(cpu) * per_frame)
        for wall, cpu in zip(walls.min(axis=0), cpus.min(axis=0), strict=True)
    ]


def _inputs(session: onnxruntime.InferenceSession, batch: int, frames: int) -> Arrays:
    return draw_inputs(specification_of(session), Case(batch, frames, seed=1))


def specification_of(session: onnxruntime.InferenceSession) -> ModelSpecification:
    """Returns a specification of a loaded model's inputs, sufficient for drawing inputs."""
    tensors = tuple(
        TensorSpecification(
            value.name,
            "uint8" if value.type == "tensor(uint8)" else "float32",
            tuple(axis if axis in NAMED else int(axis) for axis in value.shape),
        )
        for value in session.get_inputs()
    )
    return ModelSpecification("", "", tensors, (), {}, max_batch_size=1, dynamic_batching=False)


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Opens a model on the CPU with the services' settings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
