"""The near finder: the one face that fills much of an image, from 128 x 128 pixels of it.

    image -> features at 16 x 16 and 8 x 8 -> at each of 896 anchors a score, a box, six points

MediaPipe's face_detection_short_range (BlazeFace). Shapes: N images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.mediapipe.layers import SameConv, Separable

PICTURE = 128  # pixels of a side
_ANCHORS = ((16, 2), (8, 6))  # positions along each axis, anchors at each of them
_CHANNELS = (24, 24, 28, -32, 36, 42, -48, 56, 64, 72, 80, 88)  # negative: halves the size
_OVERLAP = 0.3  # intersection over union above which boxes show the same face
_LEAST_SCORE = 0.5  # MediaPipe's


@dataclass(frozen=True, slots=True)
class FoundFace:
    """The best face of each image; positions are 0 to 1 of its sides, from its upper left corner.

    Attributes:
        box: (N, 4) centre x, y, width, height.
        eyes: (N, 2, 2) x, y of the eyes on the left and right of the image.
    """

    box: Tensor
    eyes: Tensor


class NearFinder(nn.Module):
    """Maps images (N, 3, 128, 128) in [0, 1] to the best face of each."""

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 24, 5, stride=2), nn.ReLU())
        blocks, inputs = [], 24
        for outputs in _CHANNELS[1:]:
            stride = 2 if outputs < 0 else 1
            blocks.append(Separable(inputs, abs(outputs), stride, nn.ReLU()))
            inputs = abs(outputs)
        self.at16 = nn.Sequential(*blocks)
        self.at8 = nn.Sequential(
            Separable(88, 96, 2, nn.ReLU()), *(Separable(96, 96, 1, nn.ReLU()) for _ in range(4))
        )
        self.scores16 = nn.Conv2d(88, 2, 1)
        self.scores8 = nn.Conv2d(96, 6, 1)
        self.boxes16 = nn.Conv2d(88, 32, 1)
        self.boxes8 = nn.Conv2d(96, 96, 1)
        self.register_buffer("anchors", _anchors(), persistent=False)

    def forward(self, images: Tensor) -> FoundFace:
        logits, boxes = self.raw(images)
        places = boxes / PICTURE + self.anchors  # (N, 896, 8)
        logits = logits.squeeze(-1)
        best = logits.argmax(dim=1)
        first = places.gather(1, best[:, None, None].expand(-1, 1, 8))
        score = logits.sigmoid()
        floor = score.amax(dim=1, keepdim=True).clamp(max=_LEAST_SCORE)
        same = (_overlap(places, first) > _OVERLAP) & (score >= floor)
        weight = (score * same).unsqueeze(1)  # (N, 1, 896)
        # A product of matrices: ONNX Runtime sums an axis in another order if it is the first.
        mean = (weight @ places).squeeze(1) / weight.sum(dim=-1)  # (N, 8)
        return FoundFace(mean[:, :4], mean[:, 4:].reshape(-1, 2, 2))

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each anchor's score as a logit, (N, 896, 1), and in pixels the box's centre
        relative to the anchor, the box's size, and the two eyes' offsets, (N, 896, 8)."""
        at16 = self.at16(self.stem(images * 2 - 1))
        at8 = self.at8(at16)
        scores = _of_anchors(self.scores16(at16), 1), _of_anchors(self.scores8(at8), 1)
        boxes = _of_anchors(self.boxes16(at16), 16), _of_anchors(self.boxes8(at8), 16)
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)[..., :8]


def _of_anchors(maps: Tensor, values: int) -> Tensor:
    """Maps (N, A V, S, S) to (N, S S A, V)."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, values)


def _anchors() -> Tensor:
    """Returns the offsets for each anchor's values (896, 8): its centre, zero for box sizes."""
    places = []
    for side, count in _ANCHORS:
        centres = (torch.arange(side) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        place = torch.stack([x, y], dim=-1).reshape(-1, 1, 2)
        places.append(place.expand(-1, count, 2).reshape(-1, 2))
    place = torch.cat(places)
    return torch.cat([place, torch.zeros_like(place), place, place], dim=-1)


def _overlap(boxes: Tensor, other: Tensor) -> Tensor:
    """Returns the intersection over union of boxes (N, A, 8) with one box each (N, 1, 8)."""
    low = torch.maximum(boxes[..., :2] - boxes[..., 2:4] / 2, other[..., :2] - other[..., 2:4] / 2)
    high = torch.minimum(boxes[..., :2] + boxes[..., 2:4] / 2, other[..., :2] + other[..., 2:4] / 2)
    shared = functional.relu(high - low).prod(dim=-1)
    union = boxes[..., 2:4].prod(dim=-1) + other[..., 2:4].prod(dim=-1) - shared
    return shared / union
