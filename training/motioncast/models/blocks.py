"""The blocks of Monkey-Net as per-frame 2-D convolutions, and the hourglass they build.

Down = conv3 -> batch norm -> ReLU -> average pool
Up   = nearest x2 -> conv3 -> batch norm -> ReLU
Same = grouped conv1 -> batch norm -> leaky ReLU
Res  = (batch norm -> ReLU -> conv3) x 2 + skip
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, MAX_CHANNELS, LEVELS = 32, 512, 5


def level_channels(level: int) -> int:
    """Returns the channels after `level` down blocks: 32 at full resolution, doubling up to 512."""
    return min(MAX_CHANNELS, WIDTH << level)


def down_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Returns a block that halves the resolution."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
        nn.AvgPool2d(2),
    )


def up_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Returns a block that doubles the resolution."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2.0),
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def same_block(channels: int, groups: int) -> nn.Sequential:
    """Returns a grouped 1x1 block: channels of different groups do not mix."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, groups=groups),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(0.2, inplace=True),
    )


class ResBlock(nn.Module):
    """Pre-activation residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.conv1(functional.relu(self.norm1(features)))
        outer: Tensor = self.conv2(functional.relu(self.norm2(inner)))
        return features + outer


class Encoder(nn.Module):
    """Five down blocks; returns the input and the output of every block, finest first."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        widths = [channels_in, *(level_channels(level + 1) for level in range(LEVELS))]
        self.blocks = nn.ModuleList(map(down_block, widths[:-1], widths[1:]))

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [image]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps


class Decoder(nn.Module):
    """Five up blocks; each output is concatenated with the encoder map of the same resolution.

    Every map is expected to have `extra` channels more than the encoder's. The output has
    32 + channels_in + extra channels at full resolution.
    """

    def __init__(self, channels_in: int, extra: int = 0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for level in reversed(range(LEVELS)):
            skip = 0 if level == LEVELS - 1 else level_channels(level + 1)
            below = level_channels(level + 1)
            self.blocks.append(up_block(below + skip + extra, level_channels(level)))
        self.channels_out = WIDTH + channels_in + extra

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        features = maps[-1]
        for block, skip in zip(self.blocks, reversed(maps[:-1]), strict=True):
            features = torch.cat([block(features), skip], dim=1)
        return features


class Hourglass(nn.Module):
    """Encoder, decoder and a 3x3 convolution to the requested number of channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.encoder = Encoder(channels_in)
        self.decoder = Decoder(channels_in)
        self.last = nn.Conv2d(self.decoder.channels_out, channels_out, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        output: Tensor = self.last(self.decoder(self.encoder(image)))
        return output
