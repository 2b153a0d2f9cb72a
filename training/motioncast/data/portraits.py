"""Animates photographs of people: transfers the motion of real faces to portraits.

    target points = portrait's + gain * (driver's at t - driver's at a similar expression)

in the coordinates of the portrait (a similarity aligns the two faces). The portrait is warped so
that its points lie there: least squares for the head and a kernel regression for the rest
(`models.face.geometry`), fading out beyond the head. The inside of a mouth that is closed in the
photograph is taken from the driver's frame. Half of the portraits are cut out and placed in front
of another room, where the whole body moves too.

Points are MediaPipe's mesh (P, 2), in [-1, 1] of their pictures. Shapes: T frames, side S.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from motioncast.models.face.geometry import at_places, fit_affine, on_grid
from motioncast.models.geometry import identity_grid, pixel_centres

Points = npt.NDArray[np.float32]

INNER_LIPS = (
    78,
    95,
    88,
    178,
    87,
    14,
    317,
    402,
    318,
    324,
    308,
    415,
    310,
    311,
    312,
    13,
    82,
    81,
    80,
    191,
)
UPPER, LOWER = (191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324)
LIDS = ((159, 145), (386, 374))
EYES = (33, 263)
RIGID = (33, 133, 362, 263, 168, 195, 4, 2, 10, 152, 234, 454, 127, 356)
SPREADS = (0.22, 0.06, 0.025)  # of the kernels, in half sides
WARP_SIDE = 64  # of the grid that a warp is computed on


@dataclass(frozen=True, slots=True)
class Face:
    """A picture of a face with its points and matte."""

    image: Tensor  # (3, S, S) in [0, 1]
    points: Points  # (P, 2)
    matte: Tensor | None = None  # (1, h, h) share of the person in each pixel


def opening(points: Points) -> float:
    """Returns the mouth's opening relative to the distance between the eyes."""
    return float(_apart(points, 13, 14) / _apart(points, *EYES))


def expression(points: Points) -> Points:
    """Returns openings of mouth and lids relative to the distance between the eyes, (3,)."""
    eyes = _apart(points, *EYES)
    pairs = ((13, 14), *LIDS)
    return np.array([_apart(points, *pair) / eyes for pair in pairs], np.float32)


def animate(
    portrait: Face,
    drivers: Sequence[Face],
    side: int,
    random: np.random.Generator,
    room: Tensor | None = None,
) -> tuple[Tensor, Points]:
    """Returns the portrait with the motion of the drivers' frames after the first.

    Args:
        portrait: the photograph; with a room it needs its matte.
        drivers: frames of one other person, the first with the expression of the portrait.
        side: S of the returned pictures, which show the middle 80 % or more.
        random: source of framing, gain and body motion.
        room: (3, S, S) background for the person; None keeps the photograph's own.

    Returns:
        Frames (T, 3, S, S), the first as in the photograph, and points (T, P, 2), T one per driver.
    """
    points = _moved(portrait.points, [face.points for face in drivers], random)
    if room is not None:
        points = _swayed(points, random)
    view = 0.8 * random.uniform(1.0, 1.2)  # half side of the visible part of the portrait
    places = _places(portrait.points, points, view, side, whole=room is not None, random=random)
    image = portrait.image.expand(len(points), -1, -1, -1)
    frames = functional.grid_sample(image, places, padding_mode="border", align_corners=True)
    frames = _with_mouths(frames, points / view, portrait, drivers)
    if room is not None:
        assert portrait.matte is not None
        matte = portrait.matte.expand(len(points), -1, -1, -1)
        alpha = functional.grid_sample(matte, places, padding_mode="border", align_corners=True)
        frames = alpha * frames + (1 - alpha) * room
    return frames.clamp(0, 1), (points / view).astype(np.float32)


def _apart(points: Points, a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b])) + 1e-6


def _similarity(of: Points, to: Points) -> tuple[Points, Points, Points]:
    """Returns a (2, 2) matrix, centres of `of` and `to`: least-squares rotation and scale."""
    a, b = of[list(RIGID)], to[list(RIGID)]
    centre_a, centre_b = a.mean(0), b.mean(0)
    a, b = a - centre_a, b - centre_b
    z = (a[:, 0] + 1j * a[:, 1]).conj() @ (b[:, 0] + 1j * b[:, 1]) / (a**2).sum()
    return np.array([[z.real, -z.imag], [z.imag, z.real]], np.float32), centre_a, centre_b


def _moved(portrait: Points, drivers: Sequence[Points], random: np.random.Generator) -> Points:
    matrix, _, _ = _similarity(drivers[0], portrait)
    gain = random.uniform(0.7, 1.4)
    motion = np.stack([driver - drivers[0] for driver in drivers]) @ matrix.T
    moved = portrait + gain * motion
    for upper, lower in zip(UPPER, LOWER, strict=True):
        crossed = moved[:, upper, 1] > moved[:, lower, 1]
        middle = (moved[:, upper] + moved[:, lower]) / 2
        moved[crossed, upper] = middle[crossed]
        moved[crossed, lower] = middle[crossed]
    return np.asarray(moved, np.float32)


def _swayed(points: Points, random: np.random.Generator) -> Points:
    """Moves whole people slightly, in all frames but the first."""
    swayed = points.copy()
    for index in range(1, len(points)):
        angle, size = random.normal(0, 0.04), np.exp(random.normal(0, 0.03))
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        feet = np.array([0.0, 1.2])
        swayed[index] = (points[index] - feet) @ turn.T + feet + random.normal(0, 0.03, 2)
    return swayed.astype(np.float32)


def _places(
    portrait: Points,
    points: Points,
    view: float,
    side: int,
    whole: bool,
    random: np.random.Generator,
) -> Tensor:
    """Returns the positions in the portrait of the frames' pixels, (T, S, S, 2).

    A body that sways as a whole follows the head's affine motion even far below it.
    """
    source = torch.from_numpy(portrait).expand(len(points), -1, -1)
    target = torch.from_numpy(points)
    weights = torch.zeros(1, portrait.shape[0], 1)
    weights[:, list(RIGID)] = 1.0
    affine = fit_affine(source, target, weights)
    grid = view * identity_grid(WARP_SIDE, WARP_SIDE)  # (2, h, h)
    places = grid.flatten(1).t().expand(len(points), -1, -1)  # (T, h * h, 2)
    head = affine(places).transpose(1, 2).reshape(-1, *grid.shape) - grid  # (T, 2, h, h)
    face, left = head, source - affine(target)
    centres = view * pixel_centres(WARP_SIDE)
    for spread in SPREADS:
        face = face + on_grid(centres, target, left, spread)
        left = left - at_places(target, target, left, spread)
    low, high = (
        edge.transpose(1, 2).unsqueeze(-1)  # (T, 2, 1, 1)
        for edge in (target.amin(1, keepdim=True), target.amax(1, keepdim=True))
    )
    distance = ((grid - (low + high) / 2) / ((high - low) / 2)).norm(dim=1, keepdim=True)
    end = random.uniform(1.9, 3.0)
    near = ((end - distance) / (end - 1.4)).clamp(0, 1)
    near = near * near * (3 - 2 * near)
    moved = near * face + ((1 - near) * 0.5 * head if whole else 0)
    fine = functional.interpolate(moved, (side, side), mode="bicubic", align_corners=True)
    return (fine + view * identity_grid(side, side)).permute(0, 2, 3, 1)


def _with_mouths(frames: Tensor, points: Points, portrait: Face, drivers: Sequence[Face]) -> Tensor:
    """Inserts the drivers' mouths where the portrait's is open wider than in the photograph."""
    own = opening(portrait.points)
    shown = list(frames)
    for index, driver in enumerate(drivers):
        if opening(points[index]) < max(0.03, 1.3 * own) or opening(driver.points) < 0.03:
            continue
        inner, theirs = points[index][list(INNER_LIPS)], driver.points[list(INNER_LIPS)]
        matrix = np.linalg.lstsq(np.c_[inner, np.ones(len(inner))], theirs, rcond=None)[0].T
        grid = functional.affine_grid(
            torch.from_numpy(matrix).float().unsqueeze(0),
            [1, 3, *frames.shape[-2:]],
            align_corners=True,
        )
        mouth = functional.grid_sample(
            driver.image.unsqueeze(0), grid, padding_mode="border", align_corners=True
        )[0]
        light = _skin(frames[index], points[index]) / _skin(driver.image, driver.points)
        alpha = _polygon(inner, frames.shape[-1])
        shown[index] = alpha * (mouth * light.clamp(0.5, 1.6)) + (1 - alpha) * shown[index]
    return torch.stack(shown)


def _skin(image: Tensor, points: Points) -> Tensor:
    """Returns the mean colour (3, 1, 1) of the cheeks."""
    side = image.shape[-1]
    at = ((points[[50, 280, 205, 425]] + 1) / 2 * (side - 1)).round().astype(int).clip(0, side - 1)
    return image[:, at[:, 1], at[:, 0]].mean(1).clamp(min=0.02).view(3, 1, 1)


def _polygon(points: Points, side: int) -> Tensor:
    """Returns a mask (1, S, S) with a soft edge, drawn at four times the resolution."""
    canvas = Image.new("L", (4 * side, 4 * side))
    corners = [
        (4 * ((x + 1) / 2 * (side - 1) + 0.5), 4 * ((y + 1) / 2 * (side - 1) + 0.5))
        for x, y in points
    ]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    mask = torch.from_numpy(np.array(canvas)).float().view(1, 1, 4 * side, 4 * side) / 255
    return functional.avg_pool2d(functional.avg_pool2d(mask, 4), 3, stride=1, padding=1)[0]
