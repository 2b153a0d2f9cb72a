"""Registration: corrects a frame's unsupervised keypoints against the source that they will move.

A keypoint found in a frame alone is a pixel or two off, differently in every frame. A sender also
has the source, so it knows what the receiver's image will look like and can align it with the
frame. That is image registration (Lucas and Kanade, 1981), here two Gauss-Newton steps, each with
d, a change of the displacements x of all unsupervised keypoints:

    minimise    mean over p of w(p) (F(p) - W(p) - J(p) d)^2  +  RIDGE |x + d|^2 / mean(w)^2
    w(p) = ROBUST / (|F(p) - W(p)| + ROBUST)

F is the frame's brightness, W the source's, moved by the keypoints; a keypoint moves the part of
the picture that its mask covers, so its columns of J are its mask times the gradient of W. The
network that decides the masks runs once: the second step adds mask times displacement to the flow.
What a keypoint does not move, or what shows no gradient, leaves it where it was found, and so does
a source that looks different from the frame, such as another person's. Nothing is
learned: it works for anyone whom the dense motion works for.
Shapes: B sources, T frames of each, N = B * T, K keypoints, U of them unsupervised, S image side.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.face.motion import GRID, FineGrid
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.geometry import Resample, full_precision, warp
from motioncast.models.lite.colours import LUMA
from motioncast.models.synthesis import repeat_frames

SIDE = 64  # of the pictures that are aligned
RIDGE = 8e-4  # keeps keypoints near where they were found, per squared half side
ROBUST = 0.03  # difference in brightness, out of 1, from which on pixels count less
FURTHEST = 0.15  # half sides that a coordinate is corrected by at most
STEPS = 2  # number of Gauss-Newton steps
SOLVER_STEPS = 16  # of the conjugate gradients, which solve 20 equations exactly in 20
TINY = 1e-30  # instead of a division by zero once the solution is exact


class Registration(nn.Module):
    """Keypoints as found in each frame alone -> keypoints that align the source with the frame."""

    def __init__(self, synthesis: FaceSynthesis) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.view = RegistrationView()

    def forward(
        self, source: Tensor, source_keypoints: Tensor, frames: Tensor, found: Tensor
    ) -> Tensor:
        """Returns the keypoints (B, T, K, 3) with the unsupervised ones corrected.

        Args:
            source: (B, 3, S, S) in [0, 1].
            source_keypoints: (B, K, 3), found in the source alone.
            frames: (B * T, 3, S, S) in [0, 1].
            found: (B, T, K, 3), found in each frame alone.
        """
        times, view, motion = found.shape[1], self.view, self.synthesis.dense_motion
        features = self.synthesis.motion_features(source)
        depth = motion.depth_of(features, source_keypoints)
        of_source, of_frames = repeat_frames(source_keypoints, times), found.flatten(0, 1)
        features, depth = repeat_frames(features, times), repeat_frames(depth, times)
        moved = motion(features, depth, of_source, of_frames, view.grid)
        with full_precision(found):
            planes = repeat_frames(view.planes(source), times)
            flow, masks = moved.flow.float(), moved.masks[:, 3:].float()
            aligned = view.aligned(of_frames, frames, flow, masks, partial(warp, planes))
        return aligned.view_as(found)


class RegistrationView(nn.Module):
    """The pictures as registration sees them: brightness, at 64x64."""

    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.grid = FineGrid(SIDE)
        self.up = Resample(GRID, SIDE)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def brightness(self, images: Tensor) -> Tensor:
        """Returns the brightness (N, 1, 64, 64) of images (N, 3, S, S)."""
        small = functional.avg_pool2d(images, images.shape[-1] // SIDE)
        return (small * self.luma).sum(1, keepdim=True)

    def planes(self, source: Tensor) -> Tensor:
        """Returns brightness and its change along x and y, (B, 3, 64, 64), to be warped."""
        bright = self.brightness(source)
        return torch.cat([bright, *gradient(bright)], dim=1)

    def aligned(
        self,
        found: Tensor,
        frames: Tensor,
        flow: Tensor,
        masks: Tensor,
        warped: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Returns keypoints (N, K, 3) that align the source with frames (N, 3, S, S).

        Args:
            found: (N, K, 3), in each frame alone.
            frames: in [0, 1].
            flow: (N, 2, 64, 64) the motion by the keypoints as found.
            masks: (N, U, 32, 32), what the unsupervised keypoints move.
            warped: Returns the source's planes (N, 3, 64, 64), moved by such a flow.
        """
        bright, fine = self.brightness(frames), self.up(masks)
        places = found[:, ANCHORED:, :2]
        moved, shown = torch.zeros_like(places), warped(flow)
        for number in range(STEPS):
            if number:  # flows go from driving frame to source, against the keypoints
                change = (moved.transpose(1, 2) @ masks.flatten(2)).view(-1, 2, GRID, GRID)
                shown = warped(flow - self.up(change))
            moved = step(moved, bright - shown[:, :1], fine, shown[:, 1:])
        own = torch.cat([(places + moved).clamp(-1, 1), found[:, ANCHORED:, 2:]], dim=-1)
        return torch.cat([found[:, :ANCHORED], own], dim=1)


def step(moved: Tensor, error: Tensor, masks: Tensor, gradients: Tensor) -> Tensor:
    """Returns displacements (N, U, 2) after one more Gauss-Newton step on the error (N, 1, h, h).

    `masks` (N, U, h, h) say what the unsupervised keypoints move, `gradients` (N, 2, h, h) how the
    picture there changes per half side.
    """
    weights = (ROBUST / (error.abs() + ROBUST)).flatten(1).unsqueeze(1)  # (N, 1, h * h)
    columns = [-(masks * gradients[:, axis : axis + 1]).flatten(2) for axis in (0, 1)]
    jacobian = torch.cat(columns, dim=1)  # (N, 2U, h * h)
    # All sums in one square product of matrices: in others, ONNX Runtime's order of summation
    # depends on how many frames a call has, and on its threads.
    ones = torch.ones_like(weights)
    rows = torch.cat([jacobian, error.flatten(2), ones], dim=1)  # (N, 2U + 2, h * h)
    sums = (rows * (weights / weights.shape[2])) @ rows.transpose(1, 2)
    normal, right, mean = sums[:, :-2, :-2], sums[:, :-2, -2:-1], sums[:, -1:, -1:]
    ridge = RIDGE / mean.square()
    normal = normal + ridge * torch.eye(jacobian.shape[1], device=error.device)
    before = moved.transpose(1, 2).flatten(1).unsqueeze(2)  # (N, 2U, 1)
    change = conjugate_gradients(normal, right - ridge * before)
    after = (before + change).clamp(-FURTHEST, FURTHEST)
    return after.view(-1, 2, masks.shape[1]).transpose(1, 2)


def conjugate_gradients(matrix: Tensor, right: Tensor, steps: int = SOLVER_STEPS) -> Tensor:
    """Solves matrix x = right, (N, n, n) symmetric and positive definite, (N, n, 1).

    With the diagonal as preconditioner. ONNX has no operator that solves linear equations.
    """
    eye = torch.eye(matrix.shape[1], device=matrix.device)
    inverse = 1 / (matrix * eye).sum(2, keepdim=True)
    x = torch.zeros_like(right)
    left = right
    direction = scaled = inverse * left
    size = left.transpose(1, 2) @ scaled
    for _ in range(steps):
        image = matrix @ direction
        length = size / (direction.transpose(1, 2) @ image).clamp(min=TINY)
        x = x + length * direction
        left = left - length * image
        scaled = inverse * left
        before, size = size, left.transpose(1, 2) @ scaled
        direction = scaled + size / before.clamp(min=TINY) * direction
    return x


def gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """Returns central differences along x and y of images (N, 1, h, h), per half side."""
    across = functional.pad(images, (1, 1, 0, 0), mode="replicate")
    down = functional.pad(images, (0, 0, 1, 1), mode="replicate")
    scale = (images.shape[-1] - 1) / 4
    return (
        scale * (across[..., 2:] - across[..., :-2]),
        scale * (down[..., 2:, :] - down[..., :-2, :]),
    )
