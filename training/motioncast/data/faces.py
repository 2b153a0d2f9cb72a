"""Training samples of faces: two frames of one person, framed, with their anchored keypoints.

A set of faces is a folder:

    frames.npy   (N, S, S, 3) uint8, one clip after another
    points.npy   (N, 70, 2) float32, the anchored keypoints in [-1, 1]
    clips.json   [{"name": ..., "person": ..., "start": ..., "stop": ...}, ...]

Sample i of step s depends on (seed, s, i) alone, so that a resumed training sees what it would have
seen. Persons are drawn first, then one of their clips: who has many clips counts no more. Some
pairs are drawn because they differ in expression: blinks and wide mouths are rare, and looked at.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from motioncast.models.face.keypoints import MESH, mirror_order

MIRROR = mirror_order()
BORDER = 0.125  # of the side that is repeated around a frame before it is moved
CANDIDATES = 8  # frames of which a pair with another expression is the farthest two
NOISE = 0.004  # spread of what is added to keypoints, in half sides: half a pixel of 256


class FaceBatch(NamedTuple):
    """Frames (B, 3, S, S) in [0, 1] and anchored keypoints (B, 70, 3), varied alike."""

    source: Tensor
    driving: Tensor
    source_points: Tensor
    driving_points: Tensor


class Clip(NamedTuple):
    """Where a clip lies in its set."""

    name: str
    person: str
    start: int
    stop: int


@dataclass(frozen=True)
class FaceSet:
    """A folder of faces, and how often it is drawn from."""

    folder: Path
    share: float  # of the samples, relative to the other sets'
    without: frozenset[str] = frozenset()  # persons that are left out
    frames: npt.NDArray[np.uint8] = field(init=False, repr=False)
    points: npt.NDArray[np.float32] = field(init=False, repr=False)
    openings: npt.NDArray[np.float32] = field(init=False, repr=False)  # (N, 2) of mouth and lids
    persons: Sequence[Sequence[Clip]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        clips = [Clip(**entry) for entry in json.loads((self.folder / "clips.json").read_text())]
        by_person: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            if clip.person not in self.without and clip.stop - clip.start > 1:
                by_person[clip.person].append(clip)
        object.__setattr__(self, "frames", np.load(self.folder / "frames.npy", mmap_mode="r"))
        object.__setattr__(self, "points", np.load(self.folder / "points.npy"))
        object.__setattr__(self, "openings", openings(self.points))
        object.__setattr__(self, "persons", tuple(by_person.values()))

    def draw(self, random: np.random.Generator, expressive: float = 0.0) -> tuple[int, int]:
        """Returns two frames of one clip.

        A share of the pairs, from 0 to 1, differs most in the mouth's or the lids' opening among a
        few frames.
        """
        clips = self.persons[int(random.integers(len(self.persons)))]
        clip = clips[int(random.integers(len(clips)))]
        if random.random() < expressive:
            some = clip.start + random.integers(clip.stop - clip.start, size=CANDIDATES)
            order = np.argsort(self.openings[some, int(random.integers(2))])
            least, most = int(some[order[0]]), int(some[order[-1]])
            if least != most:
                return (least, most) if random.random() < 0.5 else (most, least)
        first, second = random.choice(clip.stop - clip.start, 2, replace=False)
        return clip.start + int(first), clip.start + int(second)


def openings(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns openings of mouth and lids over the distance between the eyes, (N, 2).

    Points are anchored keypoints (N, 70, 2).
    """

    def apart(first: int, second: int) -> npt.NDArray[np.float32]:
        between = points[:, MESH.index(first)] - points[:, MESH.index(second)]
        length: npt.NDArray[np.float32] = np.linalg.norm(between, axis=-1)
        return length

    lids = (apart(159, 145) + apart(386, 374)) / 2
    eyes = np.maximum(apart(33, 263), 1e-6)
    return np.stack([apart(13, 14) / eyes, lids / eyes], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Variation:
    """How samples are varied: shares of the samples, and how strongly colours change."""

    mirrored: float = 0.5
    moved: float = 0.5  # both frames alike
    followed: float = 0.1  # by a camera that is held, or follows: one frame moves against the other
    unseen: float = 0.02  # as if there were no face: the unsupervised keypoints have to do
    colours: float = 1.0


ANYBODY = Variation()


class FaceSampler:
    """Draws batches of pairs from sets of faces; the next batch is drawn while one is learnt."""

    def __init__(
        self,
        sets: Sequence[FaceSet],
        batch_size: int,
        seed: int,
        side: int,
        expressive: float = 0.0,
        variation: Variation = ANYBODY,
        workers: int = 1,
    ) -> None:
        self.sets, self.batch_size, self.seed, self.side = sets, batch_size, seed, side
        self.expressive = expressive  # share of the pairs that differ most in expression
        self.variation = variation
        shares = np.array([one.share for one in sets])
        self._shares = shares / shares.sum()
        self._pool = ThreadPoolExecutor(workers)
        self._ahead: dict[int, Future[FaceBatch]] = {}

    def batch(self, step: int) -> FaceBatch:
        """Returns the samples of one training step."""
        ahead = self._ahead.pop(step, None)
        batch = self.draw(step) if ahead is None else ahead.result()
        self._ahead = {step + 1: self._pool.submit(self.draw, step + 1)}
        return batch

    def draw(self, step: int) -> FaceBatch:
        """Draws the samples of a step."""
        samples = [self._sample(step, index) for index in range(self.batch_size)]
        return FaceBatch(*(torch.stack(parts) for parts in zip(*samples, strict=True)))

    def _sample(self, step: int, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        random = np.random.default_rng([self.seed, step, index])
        one = self.sets[int(random.choice(len(self.sets), p=self._shares))]
        rows = one.draw(random, self.expressive)
        variation = self.variation
        mirrored = random.random() < variation.mirrored
        moved = random.random() < variation.moved
        view = _view(random, 0.12, 0.08, 0.06) if moved else np.eye(2, 3)
        views = [view, view]
        if random.random() < variation.followed:
            views[1] = view + _view(random, 0.02, 0.01, 0.03) - np.eye(2, 3)
        colours = _colours(random, variation.colours)
        images, points = [], []
        for row, where in zip(rows, views, strict=True):
            image, place = one.frames[row], one.points[row].copy()
            if mirrored:
                image, place = image[:, ::-1], place[MIRROR] * np.array([-1, 1], np.float32)
            images.append(_recoloured(_moved(image, where, self.side), colours))
            points.append(_with_presence(_back(place, where), random))
        if random.random() < variation.unseen:
            points = [part * torch.tensor([1.0, 1.0, 0.0]) for part in points]
        return images[0], images[1], points[0], points[1]


def _view(random: np.random.Generator, size: float, angle: float, shift: float) -> np.ndarray:
    """Returns an affine map (2, 3) from a varied picture's [-1, 1] to the frame's."""
    scale, turn = np.exp(random.uniform(-size, size)), random.uniform(-angle, angle)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    x, y = random.uniform(-shift, shift, 2)
    return np.array([[cos, -sin, x], [sin, cos, y]])


def _moved(image: npt.NDArray[np.uint8], view: np.ndarray, side: int) -> Image.Image:
    """Returns what the view shows of a frame, at a side; the border is repeated beyond it."""
    own = image.shape[0]
    if np.array_equal(view, np.eye(2, 3)):
        picture = Image.fromarray(np.ascontiguousarray(image))
        if own == side:
            return picture
        return picture.resize((side, side), Image.Resampling.LANCZOS)
    pad = int(BORDER * own)
    wide = Image.fromarray(np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    # Pillow maps centres of pixels x + 0.5; corner-aligned [-1, 1] maps to 0 .. own - 1.
    step = (own - 1) / (side - 1)
    linear, half = view[:, :2], (own - 1) / 2
    offset = half * (linear @ np.array([-1.0, -1.0]) + view[:, 2]) + half + pad + 0.5
    matrix = linear * step
    offset = offset - matrix @ np.array([0.5, 0.5])
    rows = np.concatenate([np.c_[matrix[0][None], offset[0]], np.c_[matrix[1][None], offset[1]]])
    return wide.transform(
        (side, side), Image.Transform.AFFINE, tuple(rows.ravel()), Image.Resampling.BICUBIC
    )


def _back(points: npt.NDArray[np.float32], view: np.ndarray) -> npt.NDArray[np.float64]:
    """Returns where points of the frame lie in the varied picture."""
    placed: npt.NDArray[np.float64] = (points - view[:, 2]) @ np.linalg.inv(view[:, :2]).T
    return placed


def _with_presence(points: npt.NDArray[np.float64], random: np.random.Generator) -> Tensor:
    noisy = points + random.normal(0, NOISE, points.shape) * (random.random() < 0.5)
    return torch.from_numpy(np.c_[noisy, np.ones(len(noisy))]).float()


def _colours(
    random: np.random.Generator, strength: float
) -> tuple[npt.NDArray[np.float64], float, float]:
    """Draws a gain per channel, a brightness and a gamma."""
    strong = strength * (2.0 if random.random() < 0.3 else 1.0)
    gain = np.exp(strong * random.uniform(-0.1, 0.1, 3))
    return gain, strong * random.uniform(-0.06, 0.06), np.exp(strong * random.uniform(-0.15, 0.15))


def _recoloured(
    picture: Image.Image, colours: tuple[npt.NDArray[np.float64], float, float]
) -> Tensor:
    gain, brightness, gamma = colours
    levels = (np.arange(256) / 255) ** gamma
    table = np.concatenate([np.clip(levels * g + brightness, 0, 1) * 255 for g in gain])
    recoloured = picture.point(table.round().astype(int).tolist())
    return torch.from_numpy(np.array(recoloured)).permute(2, 0, 1).float() / 255
