r"""Teaches the unsupervised keypoints of face networks to follow the image, wherever it moves.

    python -m motioncast.train.consensus --from CHECKPOINT --set people 0.9 --set grid 0.1 \
        --minutes 15 --out CHECKPOINT

The detector sees each frame alone, so its error changes from frame to frame. Here its answers in
several views of a frame, mapped back, are combined into one target: the median of their positions,
the mean of their intensities. It is then trained to give that answer in any view, whatever the
colours, noise and compression (distillation from an ensemble of views; Radosavovic et al. 2018,
"Data distillation"). On average the keypoints stay where they were, so the synthesis that goes with
them need not be trained again. Everything else in the checkpoint is copied.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar, cast

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from motioncast.data.augmentation import random_affine, transform
from motioncast.data.camera import with_damage
from motioncast.data.command_line import Program, Refusal, refusing
from motioncast.data.face_variation import ANYBODY, draw_change, draw_view, varied
from motioncast.data.faces import FaceSet, FaceSetError, refuse_unknown_people
from motioncast.models.checkpoint import (
    CheckpointError,
    load_motion_transfer,
    save_motion_transfer,
)
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.unsupervised import UnsupervisedDetector
from motioncast.train.face import sampling_share
from motioncast.train.fields import ConfigurationError

Detector = TypeVar("Detector", bound=nn.Module)

TURN, SIZE, SHIFT = 0.12, 0.1, 0.1  # largest changes of a view: radians, share, half frames
INTENSITY = 0.1  # weight of an intensity's error against a coordinate's, in half frames
AVERAGE = 0.999  # of the running average of the weights, which is what is written
# Left and right are not alike to unsupervised keypoints, so nothing is mirrored.
VARIATION = replace(ANYBODY, mirrored=0.0, noisy=0.2, coded=0.1)
MOVED = {"size": 0.15, "angle": 0.2, "shift": 0.17}  # largest changes of a training view


def consensus(detector: Callable[[Tensor], Tensor], image: Tensor, maps: Tensor) -> Tensor:
    """Returns the keypoints (K, 3) that a detector finds on average in views of an image.

    Args:
        detector: maps images (N, 3, S, S) to keypoints (N, K, 3).
        image: (3, S, S).
        maps: the views u -> image(A u + b), as [A | b] (N, 2, 3).

    Returns:
        The median of the positions, mapped back into the image, and the mean intensity.
    """
    views = transform(image.expand(len(maps), -1, -1, -1), maps)
    found = detector(views)
    matrix, offset = maps[:, :, :2], maps[:, :, 2]
    # Not torch.median: of an even number it returns the smaller of the two in the middle.
    places = found[..., :2] @ matrix.transpose(1, 2) + offset[:, None]
    return torch.cat([places.quantile(0.5, dim=0), found[..., 2:].mean(dim=0)], dim=-1)


def seen_from(keypoints: Tensor, view: Tensor) -> Tensor:
    """Returns where keypoints (K, 3) of an image are in u -> image(A u + b), [A | b] (2, 3)."""
    places = (keypoints[:, :2] - view[:, 2]) @ torch.linalg.inv(view[:, :2]).T
    return torch.cat([places, keypoints[:, 2:]], dim=-1)


def targets(detector: UnsupervisedDetector, faces: FaceSet, views: int, seed: int = 0) -> Tensor:
    """Returns the consensus (N, K, 3) for every frame of a face set, from views at 128x128."""
    random = np.random.default_rng(seed)
    smaller = detector.reduce // 2

    def at128(images: Tensor) -> Tensor:
        keypoints: Tensor = detector.detector(functional.avg_pool2d(images, 2))
        return keypoints.float()

    found = []
    for frame in tqdm(faces.frames, desc=f"consensus {faces.folder.name}", unit="frame"):
        maps = random_affine(views, random, rotation=TURN, scale=SIZE, shift=SHIFT)
        image = torch.from_numpy(np.array(frame)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            image = functional.avg_pool2d(image, smaller)
            found.append(consensus(at128, image, maps).clone())
    return torch.stack(found)


def error(found: Tensor, wanted: Tensor) -> Tensor:
    """Returns the mean error of keypoints (N, K, 3); those outside the frame do not count."""
    inside = (wanted[..., :2].abs() <= 1).all(dim=-1)  # (N, K)
    distance = functional.smooth_l1_loss(
        found[..., :2], wanted[..., :2], beta=0.01, reduction="none"
    ).sum(dim=-1)
    intensity = (found[..., 2] - wanted[..., 2]).abs()
    terms = (distance + INTENSITY * intensity) * inside
    return terms.sum() / inside.sum().clamp(min=1)


class Views:
    """Draws batches of varied frames and their targets, the next one in the background."""

    def __init__(
        self, sets: Sequence[FaceSet], wanted: Sequence[Tensor], side: int, size: int, seed: int
    ) -> None:
        self.sets, self.wanted, self.side, self.size, self.seed = sets, wanted, side, size, seed
        shares = np.array([one.share for one in sets])
        self._shares = shares / shares.sum()
        self._pool = ThreadPoolExecutor(1)
        self._next = self._pool.submit(self.draw, 0)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Returns images (B, 3, S, S) and keypoints (B, K, 3) of a step; steps must be in order."""
        ready, self._next = self._next, self._pool.submit(self.draw, step + 1)
        return ready.result()

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Draws a step's batch, which depends only on the seed and the step."""
        random = np.random.default_rng([self.seed, step])
        images, keypoints = [], []
        for _ in range(self.size):
            which = int(random.choice(len(self.sets), p=self._shares))
            row, _ = self.sets[which].draw(random)
            change = draw_change(random, VARIATION)
            view = draw_view(random, **MOVED)
            image = varied(self.sets[which].frames[row], change, view, self.side)
            images.append(with_damage(image, change.damage))
            keypoints.append(seen_from(self.wanted[which][row], torch.from_numpy(view).float()))
        return torch.stack(images), torch.stack(keypoints)


def train(
    detector: Detector,
    views: Views,
    minutes: float,
    learning_rates: tuple[float, float],
) -> Detector:
    """Trains a detector in place, along a cosine, and returns the running average of its weights.

    Its statistics stay as they are, so that intensities keep their scale.
    """
    detector.eval()
    average = deepcopy(detector)
    optimiser = torch.optim.Adam(detector.parameters(), lr=learning_rates[0])
    first, last = learning_rates
    started, done, step, recent = time.monotonic(), 0.0, 0, 0.0
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar} {elapsed}{postfix}") as bar:
        while done < 1:
            images, wanted = views.batch(step)
            rate = last + (first - last) * (1 + np.cos(np.pi * done)) / 2
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = error(detector(images), wanted)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(detector.parameters(), 1.0)
            optimiser.step()
            with torch.no_grad():
                for mean, value in zip(average.parameters(), detector.parameters(), strict=True):
                    mean.lerp_(value, 1 - AVERAGE)
            recent += 0.02 * (loss.item() - recent)
            step += 1
            done = min(1.0, (time.monotonic() - started) / (60 * minutes))
            bar.update(100 * done - bar.n)
            bar.set_postfix_str(f", step {step}, error {recent:.5f}")
    return average


@dataclass(frozen=True, kw_only=True)
class ConsensusOptions:
    """Whose detector, on which sets, and for how long."""

    start: Annotated[
        Path, typer.Option("--from", metavar="FILE", help="stage 1 checkpoint of face networks")
    ]
    sets: Annotated[  # pairs of words
        list[str],
        typer.Option(
            "--set",
            metavar="FOLDER SHARE",
            help="face set and its share of the samples; may be repeated",
        ),
    ]
    out: Annotated[Path, typer.Option(metavar="FILE", help="checkpoint file to write")]
    minutes: Annotated[
        float, typer.Option(min=0.001, help="training time, once the targets are known")
    ]
    without: Annotated[
        list[str] | None, typer.Option(metavar="PERSON", help="person to exclude; may be repeated")
    ] = None
    views: Annotated[int, typer.Option(min=1, help="views of a frame per target")] = 8
    batch_size: Annotated[int, typer.Option(min=1)] = 32
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-3
    final_learning_rate: Annotated[float, typer.Option(min=0)] = 1e-5
    seed: int = 0
    threads: Annotated[int, typer.Option(min=1)] = torch.get_num_threads()


def run(options: ConsensusOptions, command: str) -> None:
    """Writes a checkpoint with the trained detector; raises Refusal for invalid files."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    without = frozenset(options.without or ())
    with refusing(CheckpointError, ConfigurationError, FaceSetError, OSError):
        model = load_motion_transfer(options.start)
        if not isinstance(model.detector, FaceDetector):
            raise Refusal(f"--from: {options.start} has no face detector")
        pairs = cast("list[tuple[str, str]]", options.sets)
        sets = [FaceSet(Path(one), sampling_share(text), without) for one, text in pairs]
        refuse_unknown_people(sets, without)
        detector = model.detector.unsupervised
        wanted = [targets(detector, one, options.views, options.seed) for one in sets]
        side = model.configuration.image_size
        views = Views(sets, wanted, side, options.batch_size, options.seed)
        rates = options.learning_rate, options.final_learning_rate
        model.detector.unsupervised = train(detector, views, options.minutes, rates)
        save_motion_transfer(model, options.out)


main = Program("python -m motioncast.train.consensus", ConsensusOptions, run, __doc__, ("sets",))

if __name__ == "__main__":
    main()
