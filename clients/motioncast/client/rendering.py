"""The models that a receiver runs on its own machine: synthesis and predictor.

    models = ReceiverModels.of("model_repository", "face256")

Needs `pip install 'motioncast[device]'`.

Shapes: T frames, K keypoints, S state.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from motioncast.client.errors import MediaError
from motioncast.client.onnx import open_model
from motioncast.client.types import Keypoints, Pixels
from motioncast.codec.errors import TablesError
from motioncast.codec.tables_file import FILE_NAME, ModelTables
from motioncast.timeline.ranges import clip_keypoints

State = NDArray[np.float32]  # (1, S)
MAX_FRAMES_PER_RUN: Final = 32  # a run keeps the feature maps of all its frames in memory


class FrameSynthesiser:
    """Makes frames with a `<configuration>_synthesis` model.

    Args:
        model: Path of its `model.onnx`.
        threads: Threads per call; 0 for one per core.

    Attributes:
        height, width: Size of its images in pixels.
        keypoints: K.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        MediaError: The file is missing or is not a synthesis model.
    """

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        self._session = open_model(model, threads, "a synthesis model")
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        if set(shapes) != {"source_image", "source_keypoints", "driving_keypoints"}:
            raise MediaError(f"{Path(model)}: not a synthesis model")
        _, self.height, self.width, _ = shapes["source_image"]
        self.keypoints: int = shapes["source_keypoints"][1]

    def frames(self, image: Pixels, at: Keypoints, driving: NDArray[np.float32]) -> Pixels:
        """Returns a source (H, W, 3) with keypoints (K, 3), animated by driving (T, K, 3)."""
        parts = []
        for start in range(0, len(driving), MAX_FRAMES_PER_RUN):
            given = {
                "source_image": image[np.newaxis],
                "source_keypoints": at[np.newaxis],
                "driving_keypoints": driving[np.newaxis, start : start + MAX_FRAMES_PER_RUN],
            }
            parts.append(self._session.run(["image"], given)[0][0])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Predictor(Protocol):
    """Forecasts along a timeline, on the mean path."""

    def advance(
        self, keypoints: NDArray[np.float32], observed: NDArray[np.bool_], state: State | None
    ) -> tuple[NDArray[np.float32], State]:
        """Returns the forecast of each frame, (T, K, 3), and the state after them.

        Args:
            keypoints: (T, K, 3); those of unobserved frames are ignored.
            observed: (T,).
            state: The state after the previous frames; None at the start of a timeline, whose
                first frame must be observed.
        """


class FramePredictor:
    """Forecasts with a `<configuration>_predictor` model; arguments as for `FrameSynthesiser`."""

    def __init__(self, model: str | PathLike[str], *, threads: int = 0) -> None:
        self._session = open_model(model, threads, "a predictor model")
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        if set(shapes) != {"keypoints", "observed", "noise", "state"}:
            raise MediaError(f"{Path(model)}: not a predictor model")
        self.keypoints: int = shapes["keypoints"][2]
        self._noise_size: int = shapes["noise"][2]
        self._state_size: int = shapes["state"][1]

    def advance(
        self, keypoints: NDArray[np.float32], observed: NDArray[np.bool_], state: State | None
    ) -> tuple[NDArray[np.float32], State]:
        """Runs the model once; see `Predictor`."""
        length = len(observed)
        given = {
            "keypoints": keypoints[np.newaxis],
            "observed": observed.astype(np.float32)[np.newaxis],
            "noise": np.zeros((1, length, self._noise_size), np.float32),
            "state": np.zeros((1, self._state_size), np.float32) if state is None else state,
        }
        forecast, after = self._session.run(["forecast", "next_state"], given)
        return clip_keypoints(forecast[0]), after


class HoldPredictor:
    """Repeats the last observed frame; the state is its keypoints, flattened."""

    def advance(
        self, keypoints: NDArray[np.float32], observed: NDArray[np.bool_], state: State | None
    ) -> tuple[NDArray[np.float32], State]:
        """Repeats the last observed keypoints; see `Predictor`."""
        last = keypoints[0] if state is None else state.reshape(keypoints.shape[1:])
        forecast = np.empty_like(keypoints)
        for t, seen in enumerate(observed):
            forecast[t] = last
            last = keypoints[t] if seen else last
        return forecast, last.reshape(1, -1)


@dataclass(frozen=True, slots=True)
class ReceiverModels:
    """The models with which a receiver decodes and renders."""

    tables: ModelTables
    synthesiser: FrameSynthesiser
    predictor: Predictor
    predictor_digest: str = ""  # SHA-256 of its file; "" if the last keypoints are held

    @classmethod
    def of(
        cls, repository: str | PathLike[str], configuration: str, *, threads: int = 0
    ) -> ReceiverModels:
        """Opens the models of a configuration, in the highest versions that the folder has.

        Args:
            repository: Folder of `<configuration>_<part>/<version>/model.onnx`.
            configuration: For example "face256". Without a predictor the last keypoints are held.
            threads: Threads per call; 0 for one per core.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            MediaError: A file does not exist, or cannot be read.
        """
        folder = Path(repository)
        tables = folder / f"{configuration}_keypoint" / FILE_NAME
        try:
            read = ModelTables.of(tables.read_bytes())
        except (OSError, TablesError) as error:
            raise MediaError(f"{tables}: cannot be read as codec tables ({error})") from error
        synthesis = _newest(folder / f"{configuration}_synthesis")
        predictor = _newest(folder / f"{configuration}_predictor")
        if synthesis is None:
            raise MediaError(f"{folder} has no {configuration}_synthesis")
        return cls(
            read,
            FrameSynthesiser(synthesis, threads=threads),
            HoldPredictor() if predictor is None else FramePredictor(predictor, threads=threads),
            "" if predictor is None else file_digest(predictor),
        )


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _newest(model: Path) -> Path | None:
    """Returns the file of a model's highest version; None if there is none."""
    files = {
        int(file.parent.name): file
        for file in model.glob("*/model.onnx")
        if file.parent.name.isdecimal()
    }
    return files[max(files)] if files else None
