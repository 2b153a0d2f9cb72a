"""Random augmentation of the frames of a training sample.

All frames of a sample are augmented alike. A share `other_people` of the samples is augmented so
strongly that one speaker's face becomes many: stretched, bent and turned, in other light and
colours, and if a plain wall allows it in another room. Motion can be added to the frames after the
first; it is the only motion of a photograph.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from motioncast.data.rooms import Matte, cut_out, made_up_wall

BEND_POINTS = 5  # control points per side of a smooth random displacement


Room = Callable[[np.random.Generator, int], Tensor]  # draws a picture (3, S, S) of a given side


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The augmentations and their strength; every amount is the largest deviation from none."""

    flip_probability: float = 0.5
    time_flip_probability: float = 0.5  # the later frame is the source
    zoom: float = 0.2  # crops as small as 1 / (1 + zoom) of the frame's side
    colour: float = 0.15  # gain of each channel
    brightness: float = 0.1
    other_people: float = 0.0  # share of the samples that are strongly augmented
    added_motion: float = 0.0  # share of the strongly augmented whose later frames get more motion
    other_rooms: float = 0.0  # share of the strongly augmented moved from a plain wall elsewhere


LITE = Augmentation()
PEOPLE = replace(LITE, other_people=0.25, added_motion=0.3, other_rooms=0.8)
NEMO = Augmentation(zoom=0.0, colour=0.0, brightness=0.0)  # Monkey-Net's, for faces
CLOSE = Augmentation(zoom=1.0)  # for rooms: any part of at least half the side
BAIR = replace(NEMO, time_flip_probability=0.0)  # Monkey-Net's: pushing does not run backwards
ROBOT = replace(PEOPLE, time_flip_probability=0.0, other_rooms=0.0)
AUGMENTATIONS = {"lite": LITE, "people": PEOPLE, "nemo": NEMO, "bair": BAIR, "robot": ROBOT}


def augment(
    frames: Tensor,
    augmentation: Augmentation,
    random: np.random.Generator,
    photograph: bool = False,
    room: Room = made_up_wall,
) -> Tensor:
    """Augments the frames (F, 3, S, S) of a sample in [0, 1]: one flip, crop and colouring for all.

    A photograph, whose frames are identical, is always strongly augmented and moved, unless
    `other_people` is 0. `room` draws a picture (3, S, S) to use as background.
    """
    chance_strong, chance_moving, chance_elsewhere = random.random(3)
    strong = chance_strong < augmentation.other_people
    moving = strong and chance_moving < augmentation.added_motion
    if photograph and augmentation.other_people:
        strong = moving = True
    elsewhere = strong and chance_elsewhere < augmentation.other_rooms
    matte = cut_out(frames) if elsewhere else None
    images = frames if matte is None else torch.cat([frames, matte.wall])
    images = _light(images, augmentation, random)
    where = _crop(augmentation, random, frames.shape[-1])
    if strong:
        images = _other_light(images, random)
        where = _other_shape(where, random)
    if matte is not None:
        where = _farther(where, random)
    positions = where.expand(len(frames), -1, -1, -1)
    if moving:
        positions = torch.cat([where, _moved(where, len(frames) - 1, random)])
    if matte is not None:
        return _put_before(room(random, frames.shape[-1]), images, matte, positions, random)
    return functional.grid_sample(
        images.clamp(0, 1), positions, padding_mode="reflection", align_corners=True
    )


def random_affine(
    batch: int,
    random: np.random.Generator,
    rotation: float = 0.25,
    scale: float = 0.15,
    shift: float = 0.15,
) -> Tensor:
    """Returns random affine maps [A | b] (B, 2, 3); each amount is the largest of its kind.

    Rotations are in radians, scales around 1, shifts in half frames.
    """
    angle = random.uniform(-rotation, rotation, batch)
    size = 1 + random.uniform(-scale, scale, batch)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    moved = random.uniform(-shift, shift, (2, batch))
    rows = [np.stack([cos, -sin, moved[0]], axis=-1), np.stack([sin, cos, moved[1]], axis=-1)]
    return torch.from_numpy(np.stack(rows, axis=1)).float()


def transform(images: Tensor, affine: Tensor) -> Tensor:
    """Returns u -> image(A u + b) for images (N, C, S, S), repeating pixels beyond the border."""
    grid = functional.affine_grid(affine, list(images.shape), align_corners=True)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=True)


def _light(frames: Tensor, augmentation: Augmentation, random: np.random.Generator) -> Tensor:
    """Varies gain per channel and brightness."""
    gain = 1 + augmentation.colour * _uniform(random, -1, 1, 3, 1, 1)
    return frames * gain + augmentation.brightness * random.uniform(-1, 1)


def _crop(augmentation: Augmentation, random: np.random.Generator, side: int) -> Tensor:
    """Returns the source positions of a flipped and cropped image's pixels, (1, S, S, 2)."""
    flip = -1.0 if random.random() < augmentation.flip_probability else 1.0
    # Half of the samples keep every pixel: resampling blurs, and outputs should not learn that.
    zoom = augmentation.zoom * random.random() if random.random() < 0.5 else 0.0
    scale = 1 / (1 + zoom)
    shift_x, shift_y = (1 - scale) * random.uniform(-1, 1, 2)
    return _grid(torch.tensor([[[scale * flip, 0, shift_x], [0, scale, shift_y]]]), side)


def _other_light(frames: Tensor, random: np.random.Generator) -> Tensor:
    """Varies colours as skin, clothes, lamps and cameras do."""
    grey = frames.mean(dim=1, keepdim=True)
    frames = grey + random.uniform(0.0, 1.6) * (frames - grey)  # saturation
    frames = frames * torch.exp(_uniform(random, -0.25, 0.25, 3, 1, 1))  # white balance
    mean = frames.mean()
    frames = mean + np.exp(random.uniform(-0.5, 0.3)) * (frames - mean)  # contrast
    frames = frames.clamp(1e-4, 1) ** np.exp(random.uniform(-0.6, 0.5))  # gamma
    if random.random() < 0.05:
        frames = frames[:, torch.from_numpy(random.permutation(3))]
    return frames


def _other_shape(where: Tensor, random: np.random.Generator) -> Tensor:
    """Turns, stretches, shrinks and bends the positions (1, S, S, 2), as faces and seats vary."""
    side = where.shape[1]
    affine = random_affine(1, random, rotation=0.2, scale=0.25, shift=0.15)
    affine[:, 0, :2] *= random.uniform(0.87, 1.15)
    return _at(where, _grid(affine, side) + _smooth(side, 0.05, random))


def _farther(where: Tensor, random: np.random.Generator) -> Tensor:
    """Moves three of four people away, down to half their size, still on the lower edge."""
    feet = torch.tensor([0.0, 1.0])
    return feet + max(1.0, random.uniform(0.6, 2.2)) * (where - feet)


def _put_before(
    room: Tensor, images: Tensor, matte: Matte, positions: Tensor, random: np.random.Generator
) -> Tensor:
    """Returns the person at `positions` (F, S, S, 2) of the frames, cut out, in front of a room.

    `images` (F + 1, 3, S, S) are the frames and their wall, coloured alike; the room is lit
    differently. Where the frame cuts the person off, its border is repeated, except above it.
    """
    side = room.shape[-1]
    person = images[:-1] - (1 - matte.alpha) * images[-1:]
    layers = functional.grid_sample(
        torch.cat([person, matte.alpha], dim=1),
        positions,
        padding_mode="border",
        align_corners=True,
    )
    where = _crop(CLOSE, random, side)
    behind = functional.grid_sample(
        _other_light(room.unsqueeze(0), random), where, padding_mode="border", align_corners=True
    )
    layers = layers * (positions[..., 1] > -1).unsqueeze(1)
    return (layers[:, :3] + (1 - layers[:, 3:]) * behind).clamp(0, 1)


def _moved(where: Tensor, count: int, random: np.random.Generator) -> Tensor:
    """Returns the positions `where` (1, S, S, 2) for `count` moved frames: (count, S, S, 2).

    The last frame has moved three quarters as far as the first, as neighbours in time do. Half
    of the samples move only within a disc, like a head in front of a wall.
    """
    side = where.shape[1]
    identity = _grid(torch.eye(2, 3).unsqueeze(0), side)
    affine = random_affine(1, random, rotation=0.15, scale=0.08, shift=0.12)
    motion = _grid(affine, side) - identity + _smooth(side, 0.03, random)
    if random.random() < 0.5:
        distance = (identity - _uniform(random, -0.3, 0.3, 2)).norm(dim=-1, keepdim=True)
        motion = motion * torch.sigmoid((random.uniform(0.3, 0.9) - distance) / 0.1)
    steps = torch.linspace(1.0, 0.75, count).tolist()
    return torch.cat([_at(where, identity + step * motion) for step in steps])


def _smooth(side: int, spread: float, random: np.random.Generator) -> Tensor:
    """Returns a smooth random displacement (1, S, S, 2), normal with that spread."""
    coarse = spread * random.standard_normal((1, 2, BEND_POINTS, BEND_POINTS))
    fine = functional.interpolate(
        torch.from_numpy(coarse).float(), (side, side), mode="bicubic", align_corners=True
    )
    return fine.permute(0, 2, 3, 1)


def _at(where: Tensor, positions: Tensor) -> Tensor:
    """Looks up the map `where` (1, S, S, 2) at positions (1, S, S, 2), extrapolating beyond it."""
    inside = positions.clamp(-1, 1)
    found = functional.grid_sample(
        where.permute(0, 3, 1, 2), inside, padding_mode="border", align_corners=True
    )
    slope = (where[0, -1, -1] - where[0, 0, 0]) / 2  # of an upright crop: its signed scale
    return found.permute(0, 2, 3, 1) + slope * (positions - inside)


def _grid(affine: Tensor, side: int) -> Tensor:
    return functional.affine_grid(affine.float(), [1, 1, side, side], align_corners=True)


def _uniform(random: np.random.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.from_numpy(random.uniform(low, high, shape)).float()
