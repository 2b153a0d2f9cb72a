"""Training clips as model inputs, from which INT8 ranges are calibrated."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from motioncast.data.clip_cache import ClipCache, split_validation
from motioncast.data.video_folder import VideoFolder, read_clip
from motioncast.export.parity import Arrays, Case
from motioncast.export.specification import ModelSpecification

Clip = NDArray[np.uint8]  # (T, S, S, 3)
CLIPS = 32
FRAMES = 8  # per clip, evenly spaced


class Calibration:
    """Some frames of some clips of a folder, excluding the clips that training validates on.

    Args:
        folder: videos, one file per clip.
        size: image side S of the models.
        detector: images uint8 (T, S, S, 3) -> keypoints (T, K, 3).

    Raises FileNotFoundError when there are no videos, DamagedVideoError for one that is damaged.
    """

    def __init__(self, folder: Path, size: int, detector: nn.Module) -> None:
        source = VideoFolder(folder)
        paths = source.paths()
        chosen = [paths[i] for i in _spread(len(paths), CLIPS)]
        clips = [read_clip(path, size) for path in chosen]
        training, _ = split_names([path.name for path in chosen])
        if not training:
            raise ValueError(f"calibration: {folder} contains no training clips")
        self.frames = [
            clips[i][np.linspace(0, len(clips[i]) - 1, FRAMES).astype(int)] for i in training
        ]
        with torch.inference_mode():
            self.keypoints = [
                detector.eval()(torch.from_numpy(frames)).numpy() for frames in self.frames
            ]

    def inputs(self, specification: ModelSpecification) -> list[Arrays]:
        """Returns all inputs of a keypoint or synthesis model, one batch per clip."""
        if [tensor.name for tensor in specification.inputs] == ["image"]:
            return [{"image": frames} for frames in self.frames]
        return [
            {
                "source_image": frames[:1],
                "source_keypoints": keypoints[:1],
                "driving_keypoints": keypoints[np.newaxis],
            }
            for frames, keypoints in zip(self.frames, self.keypoints, strict=True)
        ]

    def draw(self, specification: ModelSpecification, case: Case) -> Arrays:
        """Returns inputs of a case: as many clips as its batch, as many frames as its time."""
        chosen = [(case.seed + i) % len(self.frames) for i in range(case.batch)]
        later = [(case.seed + t) % FRAMES for t in range(case.time)]
        if [tensor.name for tensor in specification.inputs] == ["image"]:
            return {"image": np.stack([self.frames[i][later[0]] for i in chosen])}
        return {
            "source_image": np.stack([self.frames[i][0] for i in chosen]),
            "source_keypoints": np.stack([self.keypoints[i][0] for i in chosen]),
            "driving_keypoints": np.stack([self.keypoints[i][later] for i in chosen]),
        }


def split_names(names: list[str]) -> tuple[list[int], list[int]]:
    """Returns the indices of the named clips used for training and of those used for validation."""
    none = np.empty((0, 1, 1, 3), np.uint8)
    return split_validation(ClipCache(tuple(names), (0,) * (len(names) + 1), none))


def _spread(count: int, wanted: int) -> list[int]:
    """Returns at most `wanted` of `count` indices, evenly spaced."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, wanted))})
