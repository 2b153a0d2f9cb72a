"""The convolution that the lite networks are made of: it folds into one ONNX Conv with its ReLU."""

from torch import nn


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
