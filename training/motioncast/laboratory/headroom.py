"""Measures the detector's headroom: the gain from better keypoints with the synthesis unchanged.

    python -m motioncast.laboratory.headroom --data videos --checkpoint runs/lite128/model.pt

The keypoints of some frames of each clip are optimised by gradient descent, starting from the
detected ones, to minimise the error of the image synthesised from the first frame. A large gain
means that the points are wrong, a small one that the synthesis cannot do better.

Shapes: T frames, S pixels, K keypoints (x, y, intensity).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from tqdm import tqdm

from motioncast.data.arguments import DataOptions, open_data
from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.video_folder import Clip
from motioncast.evaluate.canvas import as_images
from motioncast.evaluate.markdown import table
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.quality import pixels


@dataclass(frozen=True, slots=True)
class Headroom:
    """Mean PSNR in dB over frames of one clip."""

    clip: str
    copied: float  # of the first frame
    detected: float  # of the image from the detected keypoints
    fitted: float  # of the image from the fitted keypoints
    moved: float  # mean distance between the two, pixels


def headroom(
    model: MotionTransfer, name: str, clip: Clip, frames: int, steps: int, rate: float
) -> Headroom:
    """Fits the keypoints of some frames of a clip (T, S, S, 3) to improve their synthesis.

    `frames` of the clip's later ones, evenly spaced, take `steps` Adam steps at that rate.
    """
    chosen = np.linspace(0, len(clip) - 1, frames + 1).round().astype(int)[1:]
    source, target = as_images(np.array(clip[:1])), as_images(np.array(clip[chosen]))
    model.requires_grad_(False)
    of_source, found = model.detect(source), model.detect(target)  # (1, K, 3), (T, K, 3)
    encoded = model.synthesis.encode(source)
    keypoints = found.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([keypoints], lr=rate)

    def image() -> Tensor:
        return model.synthesis.decode(encoded, of_source, keypoints.unsqueeze(0)).image

    detected = _psnr(image(), target)
    best, best_keypoints = detected, found
    for _ in range(steps):
        made = image()
        now = _psnr(made, target)
        better = now > best
        best = torch.where(better, now, best)
        best_keypoints = torch.where(better[:, None, None], keypoints.detach(), best_keypoints)
        optimiser.zero_grad()
        (made - target).square().sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            keypoints[..., 2].clamp_(0, 1)
    moved = (best_keypoints - found)[..., :2].norm(dim=-1).mean() * target.shape[-1] / 2
    copied = _psnr(source.expand_as(target), target)
    return Headroom(name, *(float(value.mean()) for value in (copied, detected, best, moved)))


def as_table(rows: Sequence[Headroom]) -> str:
    """Formats clips and their mean as a table (Markdown)."""
    head = ["clip", "copied dB", "detected dB", "fitted dB", "gain dB", "moved px"]
    columns = [[row.copied, row.detected, row.fitted, row.fitted - row.detected] for row in rows]
    values = np.array([[*column, row.moved] for column, row in zip(columns, rows, strict=True)])
    named = zip([*(row.clip for row in rows), "mean"], [*values, values.mean(axis=0)], strict=True)
    return table(head, [[name, *(f"{value:.2f}" for value in line)] for name, line in named])


def _psnr(images: Tensor, true: Tensor) -> Tensor:
    """Returns the PSNR in dB of each of T images (T, 3, S, S)."""
    return torch.from_numpy(pixels.psnr(images.detach().numpy(), true.numpy()))


@dataclass(frozen=True, kw_only=True)
class HeadroomOptions(DataOptions):
    """Whose keypoints are fitted, on which clips, and how."""

    checkpoint: Annotated[Path, typer.Option(help="stage 1 checkpoint (synthesis)")]
    clips: Annotated[int, typer.Option(min=1, help="maximum number of clips, evenly spaced")] = 3
    frames: Annotated[int, typer.Option(min=1, help="number of frames to fit in each clip")] = 8
    steps: Annotated[int, typer.Option(min=1, help="number of Adam steps")] = 120
    rate: Annotated[float, typer.Option(help="learning rate of Adam")] = 0.004


def run(options: HeadroomOptions, command: str) -> None:
    """Measures and prints; raises Refusal for invalid input."""
    with refusing(CheckpointError, OSError, ValueError):
        model = load_motion_transfer(options.checkpoint)
        clips = open_data(options, model.configuration.image_size)
    moving = [index for index, length in enumerate(clips.lengths()) if length > options.frames]
    if not moving:
        raise Refusal(
            f"data: no clip has more than {options.frames} frames (choose fewer with --frames)"
        )
    chosen = np.linspace(0, len(moving) - 1, min(options.clips, len(moving))).round().astype(int)
    rows = [
        headroom(
            model,
            clips.names[index],
            clips.clip(index),
            options.frames,
            options.steps,
            options.rate,
        )
        for index in tqdm([moving[place] for place in chosen], unit="clip")
    ]
    print(as_table(rows))


main = Program("python -m motioncast.laboratory.headroom", HeadroomOptions, run, __doc__)


if __name__ == "__main__":
    main()
