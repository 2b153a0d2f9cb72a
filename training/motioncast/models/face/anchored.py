"""The anchored keypoints of a face: points of MediaPipe's face mesh, the same on every face.

    image -> near finder: box, eyes -> region, its eyes level, 192 x 192 -> face mesh -> 70 points

This is how MediaPipe itself processes a single picture. Shapes: N images, S image side, P points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.keypoints import MESH
from motioncast.models.geometry import full_precision
from motioncast.models.mediapipe.mesh import CROP, FaceMesh, Mesh
from motioncast.models.mediapipe.near_finder import PICTURE, FoundFace, NearFinder

_MARGIN = 1.5  # side of the region over that of the box


class AnchoredDetector(nn.Module):
    """Maps framed images (N, 3, S, S) in [0, 1], S a multiple of 128, to keypoints (N, 70, 3).

    x and y are in [-1, 1]; the intensity is the probability that there is a face. The weights are
    MediaPipe's: they are frozen, and no gradient passes.
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
            mesh, region = self._look(images.float())
            return self.keypoints(mesh, region, images.shape[-1])

    def whole(self, images: Tensor) -> Tensor:
        """Returns all points of the mesh (N, 478, 3) in the form of `forward`, except that points
        beyond the edge of an image are not clamped to it."""
        with torch.no_grad(), full_precision(images):
            mesh, region = self._look(images.float())
            places = _corner_aligned(region.place(mesh.points), images.shape[-1])
            return _with_presence(places, mesh)

    def keypoints(self, mesh: Mesh, region: "FaceRegion", size: int) -> Tensor:
        """Returns the anchored keypoints (N, 70, 3) of meshes found in regions of images.

        Points beyond the edge of an image are clamped to it, as the contract requires.
        """
        chosen = mesh.points.index_select(1, self.indices)
        return _with_presence(_corner_aligned(region.place(chosen), size).clamp(-1.0, 1.0), mesh)

    def _look(self, images: Tensor) -> tuple[Mesh, "FaceRegion"]:
        region = FaceRegion.around(self.finder(reduced(images)))
        return self.mesh(region.cut(images)), region


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """The square of an image that the mesh network sees, from 0 to 1 of the image's sides.

    Attributes:
        across, down: (N, 2) its sides as vectors.
        centre: (N, 2).
    """

    across: Tensor
    down: Tensor
    centre: Tensor

    @classmethod
    def around(cls, face: FoundFace) -> "FaceRegion":
        """Returns the region with 1.5 times the side of a face's box, with its eyes level."""
        line = face.eyes[:, 1] - face.eyes[:, 0]
        along = line / line.square().sum(dim=-1, keepdim=True).clamp(min=1e-12).sqrt()  # (N, 2)
        upright = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
        side = face.box[:, 2:].amax(dim=-1, keepdim=True) * _MARGIN
        return cls(along * side, upright * side, face.box[:, :2])

    def cut(self, images: Tensor) -> Tensor:
        """Cuts the regions (N, 3, 192, 192) out of images (N, 3, S, S), with edges replicated."""
        size = images.shape[-1]
        grid = (self.places().permute(0, 2, 3, 1) * size - 0.5) * (2 / (size - 1)) - 1
        return functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=True
        )

    def places(self) -> Tensor:
        """Returns the positions of the region's pixel centres in the image, (N, 2, 192, 192)."""
        steps = (torch.arange(CROP, device=self.centre.device) + 0.5) / CROP - 0.5
        across = self.across[:, :, None] * steps  # (N, 2, 192)
        down = self.down[:, :, None] * steps + self.centre[:, :, None]
        return across.unsqueeze(2) + down.unsqueeze(3)

    def place(self, points: Tensor) -> Tensor:
        """Converts points (N, P, 2) from pixels of the region to positions in the image."""
        inside = points / CROP - 0.5
        across = inside[..., :1] * self.across[:, None]
        return across + inside[..., 1:] * self.down[:, None] + self.centre[:, None]


def _corner_aligned(places: Tensor, size: int) -> Tensor:
    """Converts positions from 0 to 1 of an image, edge to edge, to [-1, 1]."""
    return (places * size - 0.5) * (2 / (size - 1)) - 1


def _with_presence(places: Tensor, mesh: Mesh) -> Tensor:
    presence = mesh.presence.sigmoid()[:, None, None].expand(-1, places.shape[1], 1)
    return torch.cat([places, presence], dim=-1)


def reduced(images: Tensor) -> Tensor:
    """Returns images at the finder's size: means over squares of pixels."""
    factor = images.shape[-1] // PICTURE
    return functional.avg_pool2d(images, factor) if factor > 1 else images
