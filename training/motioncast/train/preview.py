"""A training's output for fixed, unaugmented pairs of held-out frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from motioncast.data.augmentation import Augmentation
from motioncast.data.clip_cache import ClipCache
from motioncast.data.pairs import PairSampler, Pool
from motioncast.models.motion_transfer import MotionTransfer

PAIRS = 16
SHOWN = 6  # pairs in the picture
UNVARIED = Augmentation(
    flip_probability=0.0, time_flip_probability=0.0, zoom=0.0, colour=0.0, brightness=0.0
)


@dataclass(frozen=True, slots=True)
class Preview:
    """Images (N, 3, S, S) in [0, 1]: inputs, targets and outputs."""

    source: Tensor
    driving: Tensor
    output: Tensor
    warped: Tensor  # the source after dense motion alone

    def error(self) -> float:
        """Returns the mean absolute error of the output."""
        return float((self.output - self.driving).abs().mean())

    def picture(self) -> Tensor:
        """Returns source, driving, output and warped side by side, one pair per row: (3, H, W)."""
        columns = [self.source, self.driving, self.output, self.warped]
        rows = torch.cat([column[:SHOWN] for column in columns], dim=-1)  # (N, 3, S, 4 S)
        return torch.cat(list(rows), dim=-2).clamp(0, 1)


def held_out_pairs(cache: ClipCache, clips: Sequence[int]) -> PairSampler:
    """Returns a sampler whose first batch is the pairs of the preview."""
    return PairSampler([Pool(cache, clips)], PAIRS, seed=0, augmentation=UNVARIED)


def preview(model: MotionTransfer, pairs: PairSampler) -> Preview:
    """Reconstructs driving frames from their source frames and keypoints, in full precision."""
    device = next(model.parameters()).device
    source, driving, _ = (frames.to(device) for frames in pairs.batch(0))
    with torch.inference_mode():
        of_source, of_driving = model.detect(source), model.detect(driving)
        synthesis = model.synthesis
        output = synthesis.decode(synthesis.encode(source), of_source, of_driving.unsqueeze(1))
    return Preview(source, driving, output.image, output.warped)
