"""The landmark loss: the face in a rebuilt frame should match the face in the original.

    loss = (sum over points of weight |p - p*| + sum over openings of weight |o - o*|) / d

d is the distance between the eyes, o the distance between lips or between eyelids, p the points
that the frozen face mesh (`models.mediapipe`) finds in the rebuilt frame and p* those in the true
one, in the same region. A blink is a few pixels of a picture, which pixel losses hardly notice; a
mesh does. As with a perceptual loss, the network was trained on other data.
"""

import torch
from torch import Tensor, nn

from motioncast.models.face.anchored import FaceRegion
from motioncast.models.face.keypoints import GROUPS, MESH
from motioncast.models.geometry import full_precision
from motioncast.models.mediapipe.mesh import FaceMesh, Mesh
from motioncast.models.mediapipe.near_finder import FoundFace
from motioncast.train.state import channels_last

WEIGHTS = {"left eye": 6.0, "right eye": 6.0, "inner lips": 3.0, "outer lips": 2.0, "pupils": 2.0}
EYES = (33, 263)  # the outer corners
# Pairs of points and the weight of their distance: mouth, left lids, right lids.
OPENINGS = ((13, 14, 0.1), (159, 145, 0.15), (386, 374, 0.15))


class LandmarkLoss(nn.Module):
    """The difference between the face meshes of rebuilt frames and of the originals."""

    weights: Tensor
    indices: Tensor

    def __init__(self, mesh: FaceMesh) -> None:
        super().__init__()
        weights = [WEIGHTS.get(group.name, 1.0) for group in GROUPS for _ in range(group.size)]
        normalised = torch.tensor(weights) / sum(weights)
        self.register_buffer("weights", normalised, persistent=False)
        self.register_buffer("indices", torch.tensor(MESH), persistent=False)
        self.mesh = mesh.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor, originals: Tensor, keypoints: Tensor) -> Tensor:
        """Takes frames (N, 3, S, S) in [0, 1] and the originals' anchored keypoints (N, 70, 3).

        Frames without a face, according to the keypoints' intensity, do not count.
        """
        with full_precision(images):
            region = region_of(keypoints[..., :2])
            with torch.no_grad():
                wanted = self._points(region.cut(originals))
            found = self._points(region.cut(images))
            first, second = (MESH.index(corner) for corner in EYES)
            eyes = (wanted[:, first] - wanted[:, second]).norm(dim=-1).clamp(min=1.0)  # (N,)
            apart: Tensor = (found - wanted).abs().sum(dim=-1) @ self.weights
            for upper, lower, weight in OPENINGS:
                off = _opening(found, upper, lower) - _opening(wanted, upper, lower)
                apart = apart + weight * off.abs()
            loss: Tensor = (apart / eyes * keypoints[..., 2].mean(dim=1)).mean()
            return loss

    def _points(self, crops: Tensor) -> Tensor:
        mesh: Mesh = self.mesh(channels_last(crops))
        return mesh.points.index_select(1, self.indices)


def _opening(points: Tensor, upper: int, lower: int) -> Tensor:
    """Returns the distance between two points (N, 70, 2) of the mesh, (N,)."""
    pair = points[:, MESH.index(upper)] - points[:, MESH.index(lower)]
    apart: Tensor = (pair.square().sum(dim=-1) + 1e-6).sqrt()
    return apart


def region_of(points: Tensor) -> FaceRegion:
    """Returns the mesh's region around anchored keypoints (N, 70, 2) in [-1, 1]."""
    places = (points + 1) / 2
    low, high = places.amin(dim=1), places.amax(dim=1)
    eyes = torch.stack([places[:, MESH.index(corner)] for corner in EYES], dim=1)
    return FaceRegion.around(FoundFace(torch.cat([(low + high) / 2, high - low], dim=-1), eyes))
