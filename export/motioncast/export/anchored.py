"""The anchored keypoints as served: `AnchoredDetector` in operators that run fast on a CPU.

ONNX Runtime passes feature maps between convolutions in blocks of 16 channels, and rearranges them
for any operator without a blocked form: a PRelu, a padding of channels, other channel counts.
Channel counts are therefore rounded up to multiples of 16 with zeros, and other operations are
expressed as convolutions, into which ONNX Runtime fuses a preceding ReLU and a following sum on
loading:

    prelu(x) = x + (1 - slope) relu(-x)

The face's region is gathered from a table of neighbours of bytes, as in `lite.bilinear`.
Shapes: N images, S image side.
"""

import copy

import torch
from torch import Tensor, nn

from motioncast.export.lite.bilinear import SampleFew, locate, neighbourhoods
from motioncast.export.lite.layers import first_of
from motioncast.models.face.anchored import AnchoredDetector, FaceRegion
from motioncast.models.mediapipe.layers import Separable
from motioncast.models.mediapipe.mesh import CROP

BLOCK = 16


class ServedAnchored(nn.Module):
    """Images uint8 (N, S, S, 3), levels at 128 x 128 (N, 3, 128, 128) -> keypoints (N, 70, 3)."""

    def __init__(self, detector: AnchoredDetector) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector)
        finder = self.detector.finder
        finder.stem[0] = widened(first_of(finder.stem), outputs=True)
        for name in ("scores16", "scores8", "boxes16", "boxes8"):
            setattr(finder, name, widened(getattr(finder, name), inputs=True))
        _rearrange(self.detector)
        self.sample = SampleFew(channels=3)

    def forward(self, image: Tensor, small: Tensor) -> Tensor:
        region = FaceRegion.around(self.detector.finder(small * (1 / 255)))
        mesh = self.detector.mesh(self._cut(image, region))
        return self.detector.keypoints(mesh, region, image.shape[1])

    def _cut(self, image: Tensor, region: FaceRegion) -> Tensor:
        """Does what `FaceRegion.cut` does, for bytes (N, S, S, 3)."""
        size = image.shape[1]
        places = (region.places() * size - 0.5).clamp(0, size - 1) + 1  # from pixel -1
        which = torch.arange(image.shape[0]).unsqueeze(1).float()
        rows, weights = locate(places.flatten(2), size, which)
        crops: Tensor = self.sample(neighbourhoods(image), rows, weights * (1 / 255))
        return crops.reshape(-1, 3, CROP, CROP)


class ServedSeparable(nn.Module):
    """A `Separable` made of convolutions only."""

    def __init__(self, block: Separable) -> None:
        super().__init__()
        inputs, outputs = block.pointwise.in_channels, block.pointwise.out_channels
        self.depthwise = widened(block.depthwise, inputs=True, outputs=True)
        self.pointwise = widened(block.pointwise, inputs=True, outputs=True)
        self.activation = _activation(block.activation)
        self.halve = nn.MaxPool2d(2) if block.depthwise.stride[0] == 2 else nn.Identity()
        self.fill: nn.Module = nn.Identity()
        if rounded(inputs) != rounded(outputs):
            self.fill = nn.Conv2d(rounded(inputs), rounded(outputs), 1, bias=False)
            with torch.no_grad():
                identity = torch.eye(rounded(outputs), rounded(inputs))
                self.fill.weight.copy_(identity[..., None, None])

    def forward(self, features: Tensor) -> Tensor:
        residual = self.pointwise(self.depthwise(features))
        activated: Tensor = self.activation(residual + self.fill(self.halve(features)))
        return activated


class SlopeBelow(nn.Module):
    """A PReLU expressed as convolutions."""

    def __init__(self, activation: nn.PReLU) -> None:
        super().__init__()
        channels = activation.num_parameters
        self.negated = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.added = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        with torch.no_grad():
            self.negated.weight.fill_(-1.0)
            self.added.weight.copy_((1 - activation.weight).reshape(-1, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        below: Tensor = self.added(torch.relu(self.negated(features)))
        return below + features


def rounded(channels: int) -> int:
    """Rounds a number of channels up to a whole number of blocks."""
    return -(-channels // BLOCK) * BLOCK


@torch.no_grad()
def widened(conv: nn.Conv2d, *, inputs: bool = False, outputs: bool = False) -> nn.Conv2d:
    """Returns a copy with channel counts rounded up; weights of the added channels are zero."""
    wide = copy.deepcopy(conv)
    if inputs:
        wide.in_channels = rounded(conv.in_channels)
    if outputs:
        wide.out_channels = rounded(conv.out_channels)
    if conv.groups > 1:
        wide.groups = wide.in_channels
    weight = torch.zeros(wide.out_channels, wide.in_channels // wide.groups, *conv.kernel_size)
    weight[: conv.out_channels, : conv.in_channels // conv.groups] = conv.weight
    wide.weight = nn.Parameter(weight, requires_grad=False)
    if conv.bias is not None:
        bias = torch.zeros(wide.out_channels)
        bias[: conv.out_channels] = conv.bias
        wide.bias = nn.Parameter(bias, requires_grad=False)
    return wide


def _rearrange(module: nn.Module) -> None:
    for name, part in module.named_children():
        if isinstance(part, Separable):
            setattr(module, name, ServedSeparable(part))
        elif isinstance(part, nn.PReLU):
            setattr(module, name, SlopeBelow(part))
        else:
            _rearrange(part)


def _activation(activation: nn.Module) -> nn.Module:
    return SlopeBelow(activation) if isinstance(activation, nn.PReLU) else activation
