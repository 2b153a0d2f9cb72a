"""The anchored keypoints of a face: points of MediaPipe's face mesh, which mean the same on all.

    image -> near finder: box and eyes -> region, its eyes level, 192 x 192 -> face mesh -> 70 points

That is how MediaPipe itself looks at a picture by itself. Shapes: N images, S image side, P points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.keypoints import MESH
from motioncast.models.geometry import full_precision
from motioncast.models.mediapipe.mesh import CROP, FaceMesh
from motioncast.models.mediapipe.near_finder import PICTURE, FoundFace, NearFinder

_MARGIN = 1.5  # side of the region over that of the box


class AnchoredDetector(nn.Module):
    """Maps framed images (N, 3, S, S) in [0, 1], S a multiple of 128, to keypoints (N, 70, 3).

    x and y in [-1, 1]; as intensity the probability that there is a face. Its weights are
    MediaPipe's: they stay as they are, and no gradient passes.
    """

    indices: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.finder = NearFinder()
        self.mesh = FaceMesh()
        self.register_buffer("indices", torch.tensor(MESH), persistent=False)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "AnchoredDetector":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad(), full_precision(images):
            images = images.float()
            region = FaceRegion.around(self.finder(_reduced(images)))
            mesh = self.mesh(region.cut(images))
            chosen = mesh.points.index_select(1, self.indices)
            places = region.place(chosen)  # (N, 70, 2), from 0 to 1, edge to edge
            size = images.shape[-1]
            keypoints = (places * size - 0.5) * (2 / (size - 1)) - 1
            presence = mesh.presence.sigmoid()[:, None, None].expand(-1, len(MESH), 1)
            return torch.cat([keypoints, presence], dim=-1)


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """The square of an image that the mesh network sees; from 0 to 1 of the image's sides.

    Attributes:
        across, down: (N, 2) its sides as vectors.
        centre: (N, 2).
    """

    across: Tensor
    down: Tensor
    centre: Tensor

    @classmethod
    def around(cls, face: FoundFace) -> "FaceRegion":
        """Returns the region with 1.5 times a face's box, the eyes level in it."""
        line = face.eyes[:, 1] - face.eyes[:, 0]
        along = line / line.square().sum(dim=-1, keepdim=True).clamp(min=1e-12).sqrt()  # (N, 2)
        upright = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
        side = face.box[:, 2:].amax(dim=-1, keepdim=True) * _MARGIN
        return cls(along * side, upright * side, face.box[:, :2])

    def cut(self, images: Tensor) -> Tensor:
        """Returns the regions of images (N, 3, S, S), (N, 3, 192, 192); borders go on outside."""
        steps = (torch.arange(CROP, device=images.device) + 0.5) / CROP - 0.5
        across = steps[:, None] * self.across[:, None]  # (N, 192, 2)
        down = steps[:, None] * self.down[:, None]
        places = across[:, None] + down[:, :, None] + self.centre[:, None, None]
        size = images.shape[-1]
        grid = (places * size - 0.5) * (2 / (size - 1)) - 1  # (N, 192, 192, 2)
        return functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=True
        )

    def place(self, points: Tensor) -> Tensor:
        """Returns points (N, P, 2) in pixels of the region where they are in the image."""
        x, y = (points / CROP - 0.5).split(1, dim=-1)
        return x * self.across[:, None] + y * self.down[:, None] + self.centre[:, None]


def _reduced(images: Tensor) -> Tensor:
    """Returns images at the finder's size: means of squares of their pixels."""
    factor = images.shape[-1] // PICTURE
    return functional.avg_pool2d(images, factor) if factor > 1 else images
