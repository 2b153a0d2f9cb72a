"""Training samples of faces: two framed pictures of one person, with their anchored keypoints.

A face set is a folder:

    frames.npy   (N, S, S, 3) uint8, one clip after another
    points.npy   (N, 70, 2) float32, the anchored keypoints in [-1, 1]
    mattes.npy   (N, h, h) uint8, the person's share of each pixel, out of 255; optional
    clips.json   [{"name": ..., "person": ..., "start": ..., "stop": ...}, ...]

Sample i of step s depends only on (seed, s, i), so a resumed training sees the samples it would
have seen. Persons are drawn first, then one of their clips: having many clips gives no extra
weight. Some pairs are drawn for their different expressions: blinks and wide mouths are rare, but
conspicuous. In some the source is the first frame of its clip, as it is when a file is sent: video
codecs code it on its own, often softer and noisier than the frames after it.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motioncast.data.camera import with_damage
from motioncast.data.face_variation import (
    ANYBODY,
    Variation,
    before,
    draw_change,
    draw_room,
    varied,
    varied_points,
)
from motioncast.models.face.keypoints import MESH

CANDIDATES = 8  # number of frames whose two extremes form a pair with different expressions
NOISE = 0.004  # standard deviation added to keypoints, in half sides: half a pixel of 256


class FaceSetError(ValueError):
    """Raised when a folder is not a face set, or cannot become one; the message says why."""


class FaceBatch(NamedTuple):
    """Frames (B, 3, S, S) in [0, 1] and anchored keypoints (B, 70, 3), varied alike."""

    source: Tensor
    driving: Tensor
    source_points: Tensor
    driving_points: Tensor


class Clip(NamedTuple):
    """The position of a clip in its set."""

    name: str
    person: str
    start: int
    stop: int


@dataclass(frozen=True)
class FaceSet:
    """A folder of faces, and how often it is drawn from.

    Raises FaceSetError if the folder is not a face set, or nobody is left in it after exclusions
    who has two frames.
    """

    folder: Path
    share: float  # of the samples, relative to the other sets'
    without: frozenset[str] = frozenset()  # excluded persons
    frames: npt.NDArray[np.uint8] = field(init=False, repr=False)
    points: npt.NDArray[np.float32] = field(init=False, repr=False)
    mattes: npt.NDArray[np.uint8] | None = field(init=False, repr=False)
    openings: npt.NDArray[np.float32] = field(init=False, repr=False)  # (N, 2) of mouth and lids
    persons: Sequence[Sequence[Clip]] = field(init=False, repr=False)
    people: frozenset[str] = field(init=False, repr=False)  # all in the folder

    def __post_init__(self) -> None:
        try:
            self._open()
        except (OSError, ValueError, TypeError) as error:  # errors of json, numpy and Clip
            raise FaceSetError(f"{self.folder}: is not a face set ({error})") from error
        if not self.persons:
            raise FaceSetError(f"{self.folder}: no person with at least two frames is left")

    def _open(self) -> None:
        clips = [Clip(**entry) for entry in json.loads((self.folder / "clips.json").read_text())]
        by_person: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            if clip.person not in self.without and clip.stop - clip.start > 1:
                by_person[clip.person].append(clip)
        object.__setattr__(self, "frames", np.load(self.folder / "frames.npy", mmap_mode="r"))
        object.__setattr__(self, "points", np.load(self.folder / "points.npy"))
        mattes = self.folder / "mattes.npy"
        cut = np.load(mattes, mmap_mode="r") if mattes.is_file() else None
        object.__setattr__(self, "mattes", cut)
        object.__setattr__(self, "openings", openings(self.points))
        object.__setattr__(self, "persons", tuple(by_person.values()))
        object.__setattr__(self, "people", frozenset(clip.person for clip in clips))

    def draw(
        self, random: np.random.Generator, expressive: float = 0.0, first: float = 0.0
    ) -> tuple[int, int]:
        """Returns two frames of one clip, the source and the driving frame.

        A share `expressive` of the pairs, 0 to 1, are the frames that differ most in the opening of
        mouth or lids among a few frames. In a share `first` of all, the source is then replaced by
        the clip's first frame.
        """
        clips = self.persons[int(random.integers(len(self.persons)))]
        clip = clips[int(random.integers(len(clips)))]
        source, driving = self._pair(clip, random, expressive)
        if first and random.random() < first and driving != clip.start:
            source = clip.start
        return source, driving

    def _pair(self, clip: Clip, random: np.random.Generator, expressive: float) -> tuple[int, int]:
        if random.random() < expressive:
            some = clip.start + random.integers(clip.stop - clip.start, size=CANDIDATES)
            order = np.argsort(self.openings[some, int(random.integers(2))])
            least, most = int(some[order[0]]), int(some[order[-1]])
            if least != most:
                return (least, most) if random.random() < 0.5 else (most, least)
        one, other = random.choice(clip.stop - clip.start, 2, replace=False)
        return clip.start + int(one), clip.start + int(other)


def refuse_unknown_people(sets: Sequence[FaceSet], people: Collection[str]) -> None:
    """Raises FaceSetError for excluded people who are in no set: otherwise a typo would let a
    training see them."""
    if unknown := sorted(set(people).difference(*(one.people for one in sets))):
        raise FaceSetError(f"--without: no set contains {', '.join(unknown)}")


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


class FaceSampler:
    """Draws batches of pairs from face sets; prepares the next batch while one is trained on.

    Some of the people with mattes are placed in front of one of the rooms (R, h, h, 3).
    """

    def __init__(
        self,
        sets: Sequence[FaceSet],
        batch_size: int,
        seed: int,
        side: int,
        expressive: float = 0.0,
        variation: Variation = ANYBODY,
        rooms: npt.NDArray[np.uint8] | None = None,
        workers: int = 1,
        first: float = 0.0,
    ) -> None:
        self.sets, self.batch_size, self.seed, self.side = sets, batch_size, seed, side
        self.expressive = expressive  # share of the pairs that differ most in expression
        self.first = first  # share of the pairs whose source is the first frame of its clip
        self.variation, self.rooms = variation, rooms
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
        rows = one.draw(random, self.expressive, self.first)
        frames, points = [one.frames[row] for row in rows], []
        elsewhere = random.random() < self.variation.elsewhere
        if elsewhere and one.mattes is not None and self.rooms is not None:
            room = draw_room(self.rooms, frames[0].shape[0], random)
            mattes = [one.mattes[row] for row in rows]
            frames = [before(*pair, room) for pair in zip(frames, mattes, strict=True)]
        change, images = draw_change(random, self.variation), []
        for row, frame, view in zip(rows, frames, change.views, strict=True):
            images.append(varied(frame, change, view, self.side))
            points.append(_with_presence(varied_points(one.points[row], change, view), random))
        if random.random() < self.variation.unseen:
            points = [part * torch.tensor([1.0, 1.0, 0.0]) for part in points]
        return with_damage(images[0], change.damage), images[1], points[0], points[1]


def _with_presence(points: npt.NDArray[np.float64], random: np.random.Generator) -> Tensor:
    noisy = points + random.normal(0, NOISE, points.shape) * (random.random() < 0.5)
    return torch.from_numpy(np.c_[noisy, np.ones(len(noisy))]).float()
