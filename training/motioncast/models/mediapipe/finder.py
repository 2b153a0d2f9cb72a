"""The face finder: faces in a picture, from close ones down to a tenth of its height.

    picture -> stages at 96, 48, 24, 12, 6 -> back up from the coarsest, merging each stage
            -> at each of 48 x 48 positions a score, a box, six points -> the best 64

MediaPipe's face_detection_full_range, a single-shot detector with one anchor per position.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.mediapipe.layers import Bottleneck

PICTURE = 192  # pixels of a side
PLACES = 48  # along each axis
CANDIDATES = 64
VALUES = 9  # score, centre x, y, width, height, left eye x, y, right eye x, y


class FaceFinder(nn.Module):
    """Maps pictures (N, 3, 192, 192) in [0, 1] to candidates (N, 64, 9), the best first.

    Each is a score in (0, 1), the box's centre x, y, width and height, and the two eyes' x, y, left
    and right as seen in the picture; 0 to 1 of the picture's sides, from its left and upper edge.
    A face has several candidates, and low scores are not faces (MediaPipe's threshold is 0.6).
    """

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.stage96 = _blocks(32, 8, 2)
        self.down48 = Bottleneck(32, 16, 64, stride=2)
        self.stage48 = _blocks(64, 16, 2)
        self.across48 = nn.Conv2d(64, 48, 1)
        self.down24 = Bottleneck(64, 32, 128, stride=2)
        self.stage24 = _blocks(128, 32, 2)
        self.across24 = nn.Conv2d(128, 64, 1)
        self.down12 = Bottleneck(128, 48, 192, stride=2)
        self.stage12 = _blocks(192, 48, 2)
        self.across12 = nn.Conv2d(192, 96, 1)
        self.down6 = Bottleneck(192, 96, 384, stride=2)
        self.stage6 = _blocks(384, 96, 3)
        self.across6 = nn.Conv2d(384, 96, 1)
        self.up12 = _blocks(96, 48, 2)
        self.to24 = nn.Conv2d(96, 64, 1)
        self.up24 = _blocks(64, 32, 2)
        self.to48 = nn.Conv2d(64, 48, 1)
        self.up48 = _blocks(48, 24, 1)
        self.scores = _head(1)
        self.boxes = _head(16)
        self.register_buffer("anchors", _anchors(), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        scores, boxes = self.raw(pictures)
        scores = scores.clamp(-100, 100).sigmoid()
        places = boxes / PICTURE + self.anchors  # (N, 2304, 8)
        candidates = torch.cat([scores, places], dim=-1)  # (N, 2304, 9)
        order = scores.squeeze(-1).topk(CANDIDATES, dim=1).indices
        return candidates.gather(1, order.unsqueeze(-1).expand(-1, -1, VALUES))

    def raw(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each position's score as a logit, (N, 2304, 1), and in pixels the box's centre
        relative to the position, the box's size, and the two eyes' offsets, (N, 2304, 8)."""
        at48 = self.stage48(self.down48(self.stage96(functional.relu(self.stem(pictures * 2 - 1)))))
        at24 = self.stage24(self.down24(at48))
        at12 = self.stage12(self.down12(at24))
        at6 = self.stage6(self.down6(at12))
        up = self.up12(_joined(self.across12(at12), self.across6(at6)))
        up = self.up24(_joined(self.across24(at24), self.to24(up)))
        up = self.up48(_joined(self.across48(at48), self.to48(up)))
        scores, boxes = _of_places(self.scores(up)), _of_places(self.boxes(up))
        return scores, boxes[..., :8]


def _blocks(channels: int, inner: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Bottleneck(channels, inner, channels) for _ in range(count)))


def _head(values: int) -> nn.Sequential:
    """Outputs four times the values at half the size: one group for each of four positions."""
    channels = 4 * values
    return nn.Sequential(
        nn.Conv2d(48, channels, 1), nn.Conv2d(channels, channels, 3, 2, padding=1, groups=channels)
    )


def _joined(across: Tensor, coarser: Tensor) -> Tensor:
    """Returns a stage's features plus those of the coarser stage, upsampled by two."""
    doubled = functional.interpolate(
        functional.relu(coarser), scale_factor=2, mode="bilinear", align_corners=False
    )
    return functional.relu(across) + doubled


def _of_places(maps: Tensor) -> Tensor:
    """Maps (N, 4 V, 24, 24) to (N, 2304, V): TFLite's depth to space, values innermost."""
    half = PLACES // 2
    values = maps.shape[1] // 4
    blocks = maps.reshape(-1, 2, 2, values, half, half)
    return blocks.permute(0, 4, 1, 5, 2, 3).reshape(-1, PLACES * PLACES, values)


def _anchors() -> Tensor:
    """Returns the offsets for each position's values (2304, 8): its centre, zero for box sizes."""
    centres = (torch.arange(PLACES) + 0.5) / PLACES
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    place = torch.stack([x, y], dim=-1).reshape(-1, 2)
    return torch.cat([place, torch.zeros_like(place), place, place], dim=-1)
