"""The output of the product's own detector for framed pictures, as at inference time.

Shapes: N frames of one batch, S their side.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.face.anchored import AnchoredDetector
from motioncast.models.face.detector import FaceDetector
from motioncast.models.mediapipe.matte import PICTURE, PersonMatte
from motioncast.models.mediapipe.weights import load_weights
from motioncast.models.shipped import shipped_checkpoint

BATCH: Final = 16
LEAST_PRESENCE: Final = 0.5  # probability of a face required for a frame to count
SIDE_STEP: Final = 128  # a detector's pictures have sides that are multiples of this

Frames = npt.NDArray[np.uint8]  # (N, S, S, 3), RGB


class FoundFaces(NamedTuple):
    """Frames, and what was found in them."""

    frames: Frames
    points: npt.NDArray[np.float32]  # (N, 70, 2) anchored keypoints in [-1, 1]
    present: npt.NDArray[np.bool_]  # (N,)
    mattes: Frames | None = None  # (N, S / 2, S / 2), 255 where a pixel is entirely person


class Finder:
    """Finds the anchored keypoints of frames, and the person if it has a matte."""

    def __init__(self, detector: AnchoredDetector, matte: PersonMatte | None = None) -> None:
        self._detector = detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._matte = matte

    def find(self, frames: Iterable[Frames]) -> Iterator[FoundFaces]:
        """Takes frames (S, S, 3) one by one and yields them in batches."""
        remaining = iter(frames)
        while batch := list(islice(remaining, BATCH)):
            yield self.look(np.stack(batch))

    @torch.inference_mode()
    def look(self, frames: Frames) -> FoundFaces:
        """Returns the detections in frames (N, S, S, 3)."""
        images = as_images(frames)
        keypoints = self._detector(images).numpy()
        mattes = None if self._matte is None else _levels(person(self._matte, images))
        present = keypoints[:, 0, 2] >= LEAST_PRESENCE
        return FoundFaces(frames, keypoints[..., :2].astype(np.float32), present, mattes)


def as_images(frames: Frames) -> Tensor:
    """Returns frames (N, S, S, 3) as images (N, 3, S, S) in [0, 1]."""
    images = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2)
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def person(matte: PersonMatte, images: Tensor) -> Tensor:
    """Returns how much of each pixel of images belongs to a person, (N, 1, S / 2, S / 2)."""
    half = images.shape[-1] // 2
    found = matte(functional.interpolate(images, (PICTURE, PICTURE), mode="area"))
    return functional.interpolate(found, (half, half), mode="area")


def load_detector(checkpoint: Path | None = None) -> AnchoredDetector:
    """Returns the anchored detector of a checkpoint of a face configuration, or the shipped one.

    Raises FileNotFoundError, or CheckpointError, also if the checkpoint has no face detector.
    """
    path = checkpoint or shipped_checkpoint("synthesis", "face256")
    detector = load_motion_transfer(path).eval().detector
    if not isinstance(detector, FaceDetector):
        raise CheckpointError(f"{path}: has no face detector")
    return detector.anchored


def load_matte() -> PersonMatte:
    """Returns the shipped person matte; raises FileNotFoundError, CheckpointError."""
    matte = PersonMatte().eval()
    load_weights(matte, shipped_checkpoint("matte", "person"))
    return matte


def _levels(mattes: Tensor) -> Frames:
    return (mattes[:, 0] * 255).round().to(torch.uint8).numpy()
