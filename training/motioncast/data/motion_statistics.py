"""Where keypoints lie and how they move: a predictor's knowledge of its training tracks.

Shapes: T frames of a clip, K keypoints (x, y, intensity), C directions of motion.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from motioncast.models.predictors.recurrent import MotionStatistics

BASIS_LAGS = (1, 4, 8)  # intervals in frames over which the directions of motion are measured
# For a coordinate that never moves: a hundredth of a pixel at 256, a thousandth of intensity.
MINIMUM_SCALES = (1e-4, 1e-4, 1e-3)


def motion_statistics(clips: Sequence[Tensor], components: int = 0) -> MotionStatistics:
    """Measures position and frame-to-frame displacement of clips (T, K, 3), T >= 2 each.

    With C components it also finds the directions in which the keypoints move together: the
    principal ones of the displacements over 1, 4 and 8 frames, each divided by the root of that
    number as for a random walk; intensities, which say little about motion, count a tenth.
    """
    positions = torch.cat(list(clips))
    displacements = torch.cat([clip.diff(dim=0) for clip in clips])
    least = positions.new_tensor(MINIMUM_SCALES)
    unit = displacements.square().mean(dim=0).sqrt().maximum(least)
    basis, energy = motion_basis(clips, unit, components) if components else (None, None)
    return MotionStatistics(
        mean=positions.mean(dim=0),
        std=positions.std(dim=0).maximum(least),
        unit=unit,
        basis=basis,
        energy=energy,
    )


def motion_basis(clips: Sequence[Tensor], unit: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Returns orthonormal directions (3K, C) of motion in units, and its energy (C) along them.

    The energy is the mean square of the displacement over four frames. Raises ValueError unless C
    is at most 3K.
    """
    if components > unit.numel():
        raise ValueError(f"components: {components} is more than the {unit.numel()} coordinates")
    moved = {
        lag: torch.cat([(clip[lag:] - clip[:-lag]) / unit for clip in clips if len(clip) > lag])
        for lag in BASIS_LAGS
        if any(len(clip) > lag for clip in clips)
    }
    weight = unit.new_tensor([1.0, 1.0, 0.1])
    scaled = torch.cat([motion * weight / lag**0.5 for lag, motion in moved.items()]).flatten(1)
    _, directions = torch.linalg.eigh(scaled.double().mT @ scaled.double())
    basis = directions.flip(1)[:, :components].float()
    over_four = moved.get(4, moved[1]).flatten(1) @ basis
    return basis, over_four.square().mean(dim=0)
