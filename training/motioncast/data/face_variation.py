"""Augmentation of pairs of faces: both frames change alike, and their keypoints with them.
Only damage by camera and codec is the source's alone.

The data shows only a few dozen people; to a network, somebody narrower, with other colours and in
another room is a new person in a new place.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from motioncast.data.camera import Damage, draw_damage
from motioncast.data.clip_cache import DEFAULT_CACHE
from motioncast.data.rooms import made_up_wall
from motioncast.data.sources import DataSource, open_clips
from motioncast.models.face.keypoints import mirror_order

Frame = npt.NDArray[np.uint8]

MIRROR = mirror_order()
BORDER = 0.25  # of the side, repeated around a frame before it is moved
GREY = np.array([0.299, 0.587, 0.114])  # BT.601
SOFT_DETAIL = (0.4, 0.9)
ROOM_SIDE = 128  # of the room pictures, which are out of focus
ROOM_EVERY = 25  # interval in frames at which their videos are sampled


@dataclass(frozen=True, slots=True)
class Variation:
    """How samples are varied: shares of the samples, and the strength of the changes."""

    mirrored: float = 0.5
    moved: float = 0.5  # both frames alike
    followed: float = 0.1  # by a hand-held or following camera: one frame moves against the other
    unseen: float = 0.02  # as if there were no face, leaving only the unsupervised keypoints
    elsewhere: float = 0.3  # of those with a matte: placed in front of another room
    colours: float = 0.5
    squeeze: float = 0.12  # logarithm of the largest change of width over height, halved
    shear: float = 0.1
    soft: float = 0.3  # as from a camera with fewer pixels
    noisy: float = 0.3  # sources with noise of their camera (`camera.py`)
    coded: float = 0.4  # sources compressed, as they are when they are sent


ANYBODY = Variation()


class Change(NamedTuple):
    """One sample's variation: the views of its frames, and the colour changes."""

    mirrored: bool
    views: tuple[np.ndarray, np.ndarray]  # (2, 3) each, see `draw_view`
    table: list[int]  # 3 x 256 levels
    mixture: npt.NDArray[np.float32]  # (3, 3) of colours
    detail: float = 1.0  # pixels of the camera along a side, relative to the picture's
    damage: Damage = Damage()  # of the source alone


def draw_change(random: np.random.Generator, variation: Variation) -> Change:
    """Draws how one sample is varied."""
    mirrored = random.random() < variation.mirrored
    view: np.ndarray = np.eye(2, 3)
    if random.random() < variation.moved:
        view = draw_view(random, 0.12, 0.08, 0.06)
        wider, aslant = (
            random.uniform(-most, most) for most in (variation.squeeze, variation.shear)
        )
        squeezed = np.array([[np.exp(wider), aslant], [0.0, np.exp(-wider)]])
        view = np.c_[view[:, :2] @ squeezed, view[:, 2]]
    second = view
    if random.random() < variation.followed:
        second = view + draw_view(random, 0.02, 0.01, 0.03) - np.eye(2, 3)
    return Change(
        mirrored,
        (view, second),
        _levels(random, variation.colours),
        _mixture(random, variation.colours),
        random.uniform(*SOFT_DETAIL) if random.random() < variation.soft else 1.0,
        draw_damage(random, variation.noisy, variation.coded),
    )


def draw_view(random: np.random.Generator, size: float, angle: float, shift: float) -> np.ndarray:
    """Draws a similarity (2, 3) from a varied picture's [-1, 1] to the frame's."""
    scale, turn = np.exp(random.uniform(-size, size)), random.uniform(-angle, angle)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    x, y = random.uniform(-shift, shift, 2)
    return np.array([[cos, -sin, x], [sin, cos, y]])


def varied(image: Frame, change: Change, view: np.ndarray, side: int) -> Tensor:
    """Returns a frame (S, S, 3) with a change applied, (3, side, side) in [0, 1]."""
    picture = _moved(image[:, ::-1] if change.mirrored else image, view, side)
    if change.detail < 1:
        few = round(side * change.detail)
        coarse = picture.resize((few, few), Image.Resampling.LANCZOS)
        picture = coarse.resize((side, side), Image.Resampling.BICUBIC)
    recoloured = np.asarray(picture.point(change.table), np.float32)
    mixed = (recoloured / 255) @ change.mixture.T
    return torch.from_numpy(mixed.clip(0, 1)).permute(2, 0, 1).contiguous()


def varied_points(
    points: npt.NDArray[np.float32], change: Change, view: np.ndarray
) -> npt.NDArray[np.float64]:
    """Returns the positions of anchored keypoints (70, 2) in the varied picture."""
    if change.mirrored:
        points = points[MIRROR] * np.array([-1, 1], np.float32)
    placed: npt.NDArray[np.float64] = (points - view[:, 2]) @ np.linalg.inv(view[:, :2]).T
    return placed


def before(image: Frame, matte: Frame, room: Frame) -> Frame:
    """Places the person of a frame (S, S, 3), cut out by a matte (h, h), in front of a room."""
    side = image.shape[0]
    person = Image.fromarray(matte).resize((side, side), Image.Resampling.BICUBIC)
    composed = Image.composite(Image.fromarray(image), Image.fromarray(room), person)
    return np.asarray(composed)


def open_rooms(folder: Path, cache: Path = DEFAULT_CACHE) -> Frame:
    """Returns pictures (R, 128, 128, 3) of a folder of videos, or of photographs.

    Raises FileNotFoundError or DamagedVideoError.
    """
    clips = open_clips(DataSource(folder), ROOM_SIDE, cache)
    rows = np.concatenate(
        [np.arange(*pair, ROOM_EVERY) for pair in zip(clips.starts, clips.starts[1:], strict=False)]
    )
    return np.asarray(clips.frames[rows])


def draw_room(rooms: Frame, side: int, random: np.random.Generator) -> Frame:
    """Draws a room (side, side, 3): a part of one of (R, h, h, 3), or a synthetic wall."""
    if random.random() < 0.4:
        wall = made_up_wall(random, side).permute(1, 2, 0).mul(255).round()
        return wall.to(torch.uint8).numpy()
    room = rooms[int(random.integers(len(rooms)))]
    whole = room.shape[0]
    part = int(whole * random.uniform(0.4, 1.0))
    left, top = random.integers(whole - part + 1, size=2)
    picture = Image.fromarray(room[top : top + part, left : left + part])
    if random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    light = random.uniform(0.4, 1.2)
    picture = picture.point([min(255, round(light * level)) for level in range(256)] * 3)
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


def _moved(image: Frame, view: np.ndarray, side: int) -> Image.Image:
    """Returns the part of a frame seen by the view, at a side, repeating the border beyond it."""
    own = image.shape[0]
    if np.array_equal(view, np.eye(2, 3)):
        picture = Image.fromarray(np.ascontiguousarray(image))
        if own == side:
            return picture
        return picture.resize((side, side), Image.Resampling.LANCZOS)
    pad = int(BORDER * own)
    wide = Image.fromarray(np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    # Pillow maps pixel centres x + 0.5; corner-aligned [-1, 1] maps to 0 .. own - 1.
    step = (own - 1) / (side - 1)
    linear, half = view[:, :2], (own - 1) / 2
    offset = half * (linear @ np.array([-1.0, -1.0]) + view[:, 2]) + half + pad + 0.5
    matrix = linear * step
    offset = offset - matrix @ np.array([0.5, 0.5])
    rows = np.concatenate([np.c_[matrix[0][None], offset[0]], np.c_[matrix[1][None], offset[1]]])
    return wide.transform(
        (side, side), Image.Transform.AFFINE, tuple(rows.ravel()), Image.Resampling.BICUBIC
    )


def _levels(random: np.random.Generator, strength: float) -> list[int]:
    """Draws a gain per channel, a brightness and a gamma, as a table of 3 x 256 levels."""
    strong = strength * (2.0 if random.random() < 0.3 else 1.0)
    gain = np.exp(strong * random.uniform(-0.1, 0.1, 3))
    brightness = strong * random.uniform(-0.06, 0.06)
    gamma = np.exp(strong * random.uniform(-0.15, 0.15))
    levels = (np.arange(256) / 255) ** gamma
    table = np.concatenate([np.clip(levels * g + brightness, 0, 1) * 255 for g in gain])
    changed: list[int] = table.round().astype(int).tolist()
    return changed


def _mixture(random: np.random.Generator, strength: float) -> npt.NDArray[np.float32]:
    """Draws a rotation of hues about grey and a saturation: a matrix (3, 3) that keeps grey."""
    strong = strength * (3.0 if random.random() < 0.3 else 1.0)
    angle, saturation = strong * random.uniform(-0.15, 0.15), np.exp(strong * random.normal(0, 0.1))
    axis = np.ones(3) / np.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * cross
        + (1 - np.cos(angle)) * np.outer(axis, axis)
    )
    grey = np.tile(GREY, (3, 1))
    mixture: npt.NDArray[np.float32] = (grey + saturation * (turn - grey)).astype(np.float32)
    return mixture
