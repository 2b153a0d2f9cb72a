"""Building blocks of the lite networks: each convolution and its ReLU fold into one ONNX Conv."""

import torch
from torch import Tensor, nn


def conv_bn_relu(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Returns conv3x3 -> batch norm -> ReLU; with stride 2 it halves the resolution."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def depth_to_space_up(channels_in: int, channels_out: int) -> nn.Sequential:
    """Returns a 1x1 convolution and a depth-to-space that doubles the resolution."""
    return nn.Sequential(
        nn.Conv2d(channels_in, 4 * channels_out, 1, bias=False),
        nn.PixelShuffle(2),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """relu(x + conv(relu(conv(x)))), 3x3; untrained it returns its input, which must be >= 0.

    Blocks can therefore be added to a trained network without changing its output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            conv_bn_relu(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            last,
        )

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.body(images))


def residuals(channels: int, count: int) -> list[Residual]:
    """Returns `count` residual blocks."""
    return [Residual(channels) for _ in range(count)]
