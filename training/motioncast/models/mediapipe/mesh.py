"""The face mesh with attention: 478 points on a face from a crop of it, 192 x 192.

    crop -> trunk -> 468 points, presence
              |         | box of lips, of each eye, turned upright
              +---------+-> features there, 16 x 16 -> lips 80, eye 71, iris 5 points -> the 478

The trunk reads the whole face once. The most expressive parts are then read again from its features
at 48 x 48, each in a square of its own. MediaPipe's face_landmark_with_attention.
Shapes: N crops, P points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from motioncast.models.geometry import full_precision, pixel_centres
from motioncast.models.mediapipe.layers import SameConv, Separable
from motioncast.models.mediapipe.topology import LEFT_EYE, LIPS, MESH, RIGHT_EYE, refinement

CROP = 192  # pixels of a side
FEATURES = 48  # side of the feature map that the regions are cut from
REGION = 16  # of a side of a region's features
_PER_FEATURE = CROP // FEATURES
_MARGIN = 1.5  # side of a region over that of its points' bounding box


@dataclass(frozen=True, slots=True)
class Mesh:
    """The network's output for crops.

    Attributes:
        points: (N, 478, 2) x and y in pixels of the crop, from its left and upper edge.
        presence: (N,) logit of the probability that there is a face at all.
    """

    points: Tensor
    presence: Tensor


class FaceMesh(nn.Module):
    """Maps crops (N, 3, 192, 192) in [0, 1] to the points on their faces.

    The face's box should cover the middle two thirds of the crop, with the eyes level.
    """

    refinement: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 16, 3, stride=2), nn.PReLU(16))
        self.early = nn.Sequential(Separable(16, 16), Separable(16, 16), Separable(16, 32, 2))
        self.late = nn.Sequential(
            *_stage(32, 32, 64),
            *_stage(64, 64, 128),
            *_stage(128, 128, 128),
            *_stage(128, 128, 128),
            Separable(128, 128),
            Separable(128, 128),
            nn.Conv2d(128, 32, 1),
            nn.PReLU(32),
            Separable(32, 32),
        )
        self.mesh = nn.Conv2d(32, MESH * 3, 3)
        self.flag = nn.Conv2d(32, 1, 3)
        self.lips = nn.Sequential(_region_features(), _region_points(len(LIPS)))
        self.left_eye = _Eye()
        self.right_eye = _Eye()
        self.register_buffer("refinement", torch.tensor(refinement()), persistent=False)

    def forward(self, crops: Tensor) -> Mesh:
        features = self.early(self.stem(crops))  # (N, 32, 48, 48)
        summary = self.late(features)  # (N, 32, 3, 3)
        points = self.mesh(summary).reshape(-1, MESH, 3)[..., :2]
        with full_precision(crops):
            mesh = points.float()
            lips = Region.around(mesh, LIPS, (61, 291))
            left = Region.around(mesh, LEFT_EYE, (33, 133))
            right = Region.around(mesh, RIGHT_EYE, (362, 263))
        lips_points = self.lips(lips.cut(features)).reshape(-1, len(LIPS), 2)
        left_eye, left_iris = self.left_eye(left.cut(features))
        right_eye, right_iris = self.right_eye(right.cut(features))
        with full_precision(crops):
            found = (
                mesh,
                lips.place(lips_points.float()),
                left.place(left_eye.float()),
                right.place(right_eye.float()),
                left.place(left_iris.float()),
                right.place(right_iris.float()),
            )
            all_points = torch.cat(found, dim=1).index_select(1, self.refinement)
        return Mesh(all_points, self.flag(summary).reshape(-1))


class _Eye(nn.Module):
    """Features of an eye's region (N, 32, 16, 16) -> lids and brow (N, 71, 2), iris (N, 5, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _region_features()
        self.eye = _region_points(len(LEFT_EYE))
        self.iris = _region_points(5)

    def forward(self, region: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(region)
        eye, iris = self.eye(features), self.iris(features)
        return eye.reshape(-1, len(LEFT_EYE), 2), iris.reshape(-1, 5, 2)


def _stage(inputs: int, width: int, outputs: int) -> tuple[Separable, Separable, Separable]:
    """Two blocks, and one that halves the size."""
    return Separable(inputs, width), Separable(width, width), Separable(width, outputs, 2)


def _region_features() -> nn.Sequential:
    return nn.Sequential(*_stage(32, 32, 64), *_stage(64, 64, 128))  # (N, 128, 4, 4)


def _region_points(points: int) -> nn.Sequential:
    return nn.Sequential(
        *_stage(128, 128, 128),
        Separable(128, 128),
        Separable(128, 128),
        nn.Conv2d(128, 32, 1),
        nn.PReLU(32),
        Separable(32, 32),
        nn.Conv2d(32, points * 2, 2),
    )


@dataclass(frozen=True, slots=True)
class Region:
    """Rectangles of the crops, turned so that the line between two points of each is level.

    MediaPipe's operations Landmarks2TransformMatrix, TransformTensorBilinear, TransformLandmarks.

    Attributes:
        across, down: (N, 2) a region's sides as vectors, in pixels of the features.
        centre: (N, 2) in the same pixels, from the left and upper edge.
    """

    across: Tensor
    down: Tensor
    centre: Tensor

    @classmethod
    def around(cls, mesh: Tensor, points: tuple[int, ...], level: tuple[int, int]) -> "Region":
        """Returns the regions of 1.5 times the bounding box of points of a mesh (N, 468, 2)."""
        mesh = mesh / _PER_FEATURE
        line = mesh[:, level[1]] - mesh[:, level[0]]
        along = line / line.square().sum(dim=-1, keepdim=True).clamp(min=1e-12).sqrt()  # (N, 2)
        upright = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
        axes = torch.stack([along, upright], dim=-1)  # (N, 2, 2), columns
        turned = mesh[:, list(points)] @ axes  # (N, P, 2)
        low, high = turned.amin(dim=1), turned.amax(dim=1)
        centre = (axes @ ((low + high) / 2).unsqueeze(-1)).squeeze(-1)
        size = (high - low) * _MARGIN
        return cls(along * size[:, :1], upright * size[:, 1:], centre)

    def cut(self, features: Tensor) -> Tensor:
        """Cuts the regions (N, C, 16, 16) out of features (N, C, 48, 48); zeros outside them."""
        with full_precision(features):
            steps = pixel_centres(REGION).to(self.centre) * ((REGION - 1) / REGION / 2)
            across = steps[:, None] * self.across[:, None]  # (N, 16, 2)
            down = steps[:, None] * self.down[:, None]
            places = across[:, None] + down[:, :, None] + self.centre[:, None, None] - 0.5
            grid = places * (2 / (FEATURES - 1)) - 1  # (N, 16, 16, 2)
            cut = nn.functional.grid_sample(
                features.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=True
            )
            # Beyond the centres of the outermost pixels the value is zero, not interpolated.
            inside = (grid.abs() <= 1).all(dim=-1)
            return (cut * inside.unsqueeze(1)).to(features.dtype)

    def place(self, points: Tensor) -> Tensor:
        """Converts points of the regions (N, P, 2), 64 to a side, to pixels of the crops."""
        x, y = points[..., :1] / REGION, points[..., 1:] / REGION
        corner = (self.centre - (self.across + self.down) / 2) * _PER_FEATURE
        return x * self.across[:, None] + y * self.down[:, None] + corner[:, None]
