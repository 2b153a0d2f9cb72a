"""Stability of a detector's keypoints, in pixels of a frame of 128x128.

    jitter         sqrt(sum over frames of |p - trend|^2 / (T - 2)), trend the line fitted to p(t)
    equivariance   |p' - A^-1 (p - b)|, where image'(u) = image(A u + b)
    jump           |p(t + 1) - p(t)|

Shapes: T frames, K keypoints (x, y, ...) in [-1, 1], C channels, H x W pixels.
"""

import torch
from torch import Tensor

from motioncast.metrics.keypoints import keypoint_distance, pixels_per_unit

SIZE = 128


def jitter(keypoints: Tensor, trend: bool = True) -> Tensor:
    """Returns the standard deviation (K,) in pixels of keypoints (T, K, 2 or 3), T >= 3.

    It is that of the position, the sum over x and y. With `trend` a steady drift does not count:
    the best-fitting straight line is removed, with its two degrees of freedom.
    """
    track = keypoints[..., :2].double() * pixels_per_unit(SIZE)  # (T, K, 2)
    frames = len(track)
    if frames < 3:
        raise ValueError(
            f"keypoints: {frames} frames are too few to tell jitter from a trend (at least 3)"
        )
    rest = track - track.mean(dim=0)
    freedom = frames - 1
    if trend:
        time = torch.arange(frames, dtype=torch.double) - (frames - 1) / 2
        slope = (time[:, None, None] * rest).sum(dim=0) / time.square().sum()
        rest = rest - time[:, None, None] * slope
        freedom -= 1
    variance = rest.square().sum(dim=(0, 2)) / freedom  # (K,)
    return variance.sqrt()


def jumps(keypoints: Tensor) -> Tensor:
    """Returns how far keypoints (T, K, 2 or 3) move from frame to frame, (T - 1, K) in pixels."""
    return keypoint_distance(keypoints[1:], keypoints[:-1], SIZE)


def equivariance_error(moved: Tensor, still: Tensor, affine: Tensor) -> Tensor:
    """Returns the error of keypoints in following their image, (N, K) in pixels.

    Args:
        moved: (N, K, 2 or 3), found in u -> image(A u + b).
        still: (K, 2 or 3), found in the image.
        affine: (N, 2, 3), the maps [A | b].

    Returns:
        NaN for a keypoint that the map moves out of the frame, where it cannot be found.
    """
    matrix, offset = affine[:, :, :2].double(), affine[:, :, 2].double()
    expected = torch.linalg.solve(
        matrix[:, None], (still[..., :2].double() - offset[:, None])[..., None]
    )[..., 0]  # (N, K, 2)
    inside = (expected.abs() <= 1).all(dim=-1)
    return torch.where(inside, keypoint_distance(moved[..., :2], expected, SIZE), torch.nan)


def stillest_stretch(frames: Tensor, length: int) -> int:
    """Returns where the `length` consecutive frames of (T, C, H, W) that change least begin.

    Raises ValueError when there are fewer frames.
    """
    if len(frames) < length:
        raise ValueError(f"frames: {len(frames)} are too few for a stretch of {length}")
    change = frames.diff(dim=0).abs().mean(dim=(1, 2, 3)).double()  # (T - 1,)
    return int(change.unfold(0, length - 1, 1).mean(dim=-1).argmin())
