"""The motion given by the keypoints of a face alone, with nothing learned.

    head    s = A d + b             least squares over the points that sit on the skull
    face    s = A d + b + r(d)      r: the residual displacements, interpolated over the face

d is a position in the driving frame, s where it comes from in the source. r is a kernel regression
(Nadaraya-Watson) in four steps from coarse to fine, each fitted to what the steps before left over:

    r(p) = sum over k of G(p - d_k) r_k / (sum over k of G(p - d_k) + floor)

which fades to nothing where no point is near. When an eye closes its lids meet, and their mean
would show half an eye, so points on the skin above and below move with their lid. Gaussians are
products along x and y, so each step is a few small matrix products.
Shapes: N frames, A anchored keypoints, h x h positions.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from motioncast.models.face.depth import depths, parallax
from motioncast.models.face.keypoints import ANCHORED, GROUPS, MESH
from motioncast.models.geometry import (
    full_precision,
    gaussian_profiles,
    identity_grid,
    pixel_centres,
)

SPREADS = (0.22, 0.07, 0.03, 0.015)  # of the kernels' Gaussians, in half sides of the image
FLOOR = 0.05  # added to the sum of the kernels: equals the kernel 2.4 spreads away from one point
# Corners of an eye, left to right, and the points of its lids between them.
EYES = (
    ((33, 133), (159, 158, 161), (163, 145, 154)),
    ((362, 263), (386, 385, 388), (390, 374, 381)),
)
SKIN = 0.1  # in eye widths, from a lid's point to the skin that moves with it
RIDGE = 1e-4  # keeps the affine fit defined when all points coincide


class Affine(NamedTuple):
    """s = scale (d - centre) + target."""

    matrix: Tensor  # (N, 2, 2)
    centre: Tensor  # (N, 1, 2) of the driving points
    target: Tensor  # (N, 1, 2) of the source points

    def __call__(self, places: Tensor) -> Tensor:
        """Maps positions (N, P, 2) of the driving frame into the source."""
        return (places - self.centre) @ self.matrix.transpose(1, 2) + self.target


class Geometry(NamedTuple):
    """Motion of each frame by its keypoints; displacements go from driving frame to source."""

    head: Tensor  # (N, 2, h, h)
    face: Tensor  # (N, 2, h, h)
    parallax: Tensor  # (N, 2) displacement per unit of depth (depth.py)


class FaceGeometry(nn.Module):
    """Keypoints of source and frame -> `Geometry`."""

    rigidity: Tensor
    depths: Tensor
    centres: Tensor
    identity: Tensor
    lids: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("rigidity", rigidity(), persistent=False)
        self.register_buffer("depths", depths(), persistent=False)
        lids = [MESH.index(point) for _, upper, lower in EYES for point in (*upper, *lower)]
        self.register_buffer("lids", torch.tensor(lids), persistent=False)
        self.register_buffer("centres", pixel_centres(side), persistent=False)
        self.register_buffer("identity", identity_grid(side, side), persistent=False)

    def forward(self, source: Tensor, driving: Tensor) -> Geometry:
        """Takes keypoints (N, K, 3); nothing moves if either frame shows no face."""
        with full_precision(source):
            return self._displacements(source.float(), driving.float())

    def _displacements(self, source: Tensor, driving: Tensor) -> Geometry:
        s, d = source[:, :ANCHORED, :2], driving[:, :ANCHORED, :2]
        seen = source[:, :ANCHORED, 2].mean(1) * driving[:, :ANCHORED, 2].mean(1)  # (N,)
        seen = seen.view(-1, 1, 1, 1)
        affine = fit_affine(s, d, self.rigidity)
        side = self.centres.shape[0]
        places = self.identity.flatten(1).t().expand(s.shape[0], -1, -1)  # (N, h * h, 2)
        head = affine(places).transpose(1, 2).reshape(-1, 2, side, side) - self.identity
        left = s - affine(d)  # (N, A, 2)
        turned = parallax(left, self.rigidity, self.depths)
        left = torch.cat([left, left.index_select(1, self.lids)], dim=1)
        d = torch.cat([d, d.index_select(1, self.lids) + skin(d)], dim=1)  # (N, A + 12, 2)
        face = head
        for spread in SPREADS:
            face = face + on_grid(self.centres, d, left, spread)
            left = left - at_places(d, d, left, spread)
        return Geometry(seen * head, seen * face, seen.flatten(1) * turned)


def rigidity() -> Tensor:
    """Returns how rigidly each anchored keypoint is attached to the skull, (1, A, 1)."""
    firmly = [group.rigidity for group in GROUPS for _ in range(group.size)]
    return torch.tensor(firmly).view(1, -1, 1)


def fit_affine(source: Tensor, driving: Tensor, weights: Tensor) -> Affine:
    """Returns the weighted least-squares affine map from driving to source points (N, A, 2)."""
    weights = weights / weights.sum(1, keepdim=True)
    # Products of matrices: ONNX Runtime sums an axis in another order if it is the first.
    across = weights.transpose(1, 2)  # (1, 1, A)
    centre, target = across @ driving, across @ source  # (N, 1, 2)
    d, s = driving - centre, source - target
    crossed = (weights * s).transpose(1, 2) @ d  # (N, 2, 2)
    spread = (weights * d).transpose(1, 2) @ d
    a, b = spread[:, 0, 0] + RIDGE, spread[:, 0, 1]
    c = spread[:, 1, 1] + RIDGE
    inverse = torch.stack([c, -b, -b, a], dim=-1) / (a * c - b * b).unsqueeze(-1)
    ridge = RIDGE * torch.eye(2, device=source.device)
    return Affine((crossed + ridge) @ inverse.view(-1, 2, 2), centre, target)


def skin(points: Tensor) -> Tensor:
    """Returns the vectors from the lids of points (N, A, 2) to the adjacent skin, (N, 12, 2)."""
    offsets = []
    for (first, second), upper, lower in EYES:
        across = points[:, MESH.index(second)] - points[:, MESH.index(first)]  # (N, 2)
        up = SKIN * torch.stack([across[:, 1], -across[:, 0]], dim=-1).unsqueeze(1)
        offsets += [up.expand(-1, len(upper), -1), (-up).expand(-1, len(lower), -1)]
    return torch.cat(offsets, dim=1)


def on_grid(centres: Tensor, points: Tensor, values: Tensor, spread: float) -> Tensor:
    """Returns one step of the kernel regression of values at points (N, A, 2), (N, 2, h, h).

    Its positions form a grid: x and y each take the values of `centres` (h,).
    """
    along_x, along_y = gaussian_profiles(points, centres, spread**2)  # (N, A, h)
    weighted = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)  # (N, A, 3)
    rows = along_y.transpose(1, 2).unsqueeze(1)  # (N, 1, h, A)
    sums = (rows * weighted.transpose(1, 2).unsqueeze(2)) @ along_x.unsqueeze(1)
    return sums[:, :2] / (sums[:, 2:] + FLOOR)


def at_places(places: Tensor, points: Tensor, values: Tensor, spread: float) -> Tensor:
    """Returns the same at arbitrary positions (N, P, 2): (N, P, 2)."""
    apart = places.unsqueeze(2) - points.unsqueeze(1)  # (N, P, A, 2)
    weights = torch.exp(apart.square().sum(-1) * (-0.5 / spread**2))
    interpolated: Tensor = weights @ values / (weights.sum(-1, keepdim=True) + FLOOR)
    return interpolated
