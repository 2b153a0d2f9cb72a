"""Layers as defined by TFLite: "same" padding of even sizes, blocks of separable convolutions."""

from torch import Tensor, nn
from torch.nn import functional


class SameConv(nn.Conv2d):
    """A convolution with TFLite's "same" padding, for images whose sides the stride divides.

    With stride 2 that is a column on the right and a row below, where PyTorch pads all around.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, size, stride, groups=groups)
        margin = size - stride
        before = margin // 2
        self._margins = (before, margin - before, before, margin - before)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, self._margins))


class Separable(nn.Module):
    """Residual block of mesh and near finder: activation(pointwise(depthwise(x)) + shortcut(x)).

    The shortcut halves the size by max pooling if the block does, and pads channels with zeros.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.activation = activation or nn.PReLU(outputs)
        self._stride = stride
        self._added = outputs - inputs

    def forward(self, features: Tensor) -> Tensor:
        residual = self.pointwise(self.depthwise(features))
        if self._stride == 2:
            features = functional.max_pool2d(features, 2)
        if self._added:
            features = functional.pad(features, (0, 0, 0, 0, 0, self._added))
        activated: Tensor = self.activation(residual + features)
        return activated


class Bottleneck(nn.Module):
    """Block of the face finder: two separable convolutions with few channels between them.

    Residual if neither channels nor size change: x -> relu(convolutions(x) + x).
    """

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs),
            nn.Conv2d(inputs, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner),
            nn.Conv2d(inner, outputs, 1),
        )
        self._residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.convolutions(features)
        return functional.relu(result + features if self._residual else result)
