"""The person matte: how much of each pixel of a picture belongs to a person.

    picture -> features at 128, 64, 32, 16 -> those at 16 gated by the whole picture
            -> back up: each stage merged with the finer one by gates that see both -> matte

MediaPipe's selfie_segmentation (MobileNetV3's blocks). Shapes: N pictures, C channels, h side.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.mediapipe.layers import SameConv

PICTURE = 256  # pixels of a side


class PersonMatte(nn.Module):
    """Maps pictures (N, 3, 256, 256) in [0, 1] to mattes (N, 1, 256, 256) in (0, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 16, 3, stride=2), nn.Hardswish())
        self.to64 = _Inverted(16, 16, 16, 3, 2, nn.ReLU(), squeezed=8)
        self.to32 = nn.Sequential(
            _Inverted(16, 72, 24, 3, 2, nn.ReLU()), _Inverted(24, 88, 24, 3, 1, nn.ReLU())
        )
        self.to16 = nn.Sequential(
            _Inverted(24, 96, 32, 5, 2, nn.Hardswish(), squeezed=24),
            _Inverted(32, 128, 32, 5, 1, nn.Hardswish(), squeezed=32),
            _Inverted(32, 128, 32, 5, 1, nn.Hardswish(), squeezed=32),
            _Inverted(32, 96, 32, 5, 1, nn.Hardswish(), squeezed=24),
            _Inverted(32, 96, 32, 5, 1, nn.Hardswish(), squeezed=24),
        )
        self.features = nn.Conv2d(32, 128, 1)
        self.whole = nn.Conv2d(32, 128, 1)
        self.up32 = _Joined(128, 24)
        self.up64 = _Joined(24, 16)
        self.up128 = _Joined(16, 16)
        self.last = nn.ConvTranspose2d(16, 1, 2, stride=2)

    def forward(self, pictures: Tensor) -> Tensor:
        at128 = self.stem(pictures)
        at64 = self.to64(at128)
        at32 = self.to32(at64)
        at16 = self.to16(at32)
        up = functional.relu(self.features(at16)) * self.whole(_mean(at16)).sigmoid()
        up = self.up128(self.up64(self.up32(up, at32), at64), at128)
        matte: Tensor = self.last(up).sigmoid()
        return matte


class _Gate(nn.Module):
    """Computes a weight in (0, 1) for each channel, (N, C, 1, 1), from the means of features."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.inwards = nn.Conv2d(channels, inner, 1)
        self.outwards = nn.Conv2d(inner, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        weights: Tensor = self.outwards(functional.relu(self.inwards(_mean(features))))
        return weights.sigmoid()


class _Inverted(nn.Module):
    """Inverted residual: expand, depthwise, gate channels unless `squeezed` is 0, project."""

    def __init__(
        self,
        inputs: int,
        inner: int,
        outputs: int,
        size: int,
        stride: int,
        activation: nn.Module,
        squeezed: int = 0,
    ) -> None:
        super().__init__()
        self.wider = nn.Conv2d(inputs, inner, 1)
        self.depthwise = SameConv(inner, inner, size, stride, groups=inner)
        self.gate = _Gate(inner, squeezed) if squeezed else None
        self.narrower = nn.Conv2d(inner, outputs, 1)
        self.activation = activation
        self._residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        inner = self.activation(self.depthwise(self.activation(self.wider(features))))
        if self.gate is not None:
            inner = inner * self.gate(inner)
        result: Tensor = self.narrower(inner)
        return result + features if self._residual else result


class _Joined(nn.Module):
    """Merges coarse features (N, C, h, h) and fine ones (N, D, 2 h, 2 h) into D channels."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrower = nn.Conv2d(coarse, fine, 1)
        self.gate = _Gate(fine, fine)
        self.mixed = nn.Conv2d(fine, fine, 1)
        self.depthwise = SameConv(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        doubled = functional.interpolate(
            coarse, scale_factor=2, mode="bilinear", align_corners=False
        )
        up = self.narrower(doubled)
        joined = functional.relu(self.mixed(fine * self.gate(fine + up) + up))
        return joined + functional.relu(self.depthwise(joined))


def _mean(features: Tensor) -> Tensor:
    return torch.mean(features, dim=(2, 3), keepdim=True)
