"""Removes camera noise and traces of compression from a source, once, before it is warped.

    restored = source + correction(source)

Whatever a source has, every frame warped from it has too: noise moves with the head, and stands
still in the room, where a viewer expects it to change. The correction is computed at half the
side, from squares of four pixels. Shapes: B sources, image side S.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.geometry import space_to_depth

CHANNELS = 24
COLOURS, PHASES = 3, 4
FOLDED = COLOURS * PHASES  # a square of four pixels
LEAK = 0.2
CONTRAST = 10.0  # by which the first layer amplifies differences at first


class Restoration(nn.Module):
    """Source images (B, 3, S, S) in [0, 1] -> the images without noise and traces of compression.

    Untrained it returns its input, as for networks trained without it.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (FOLDED, CHANNELS, CHANNELS)
        layers = [nn.Conv2d(count, CHANNELS, 3, padding=1) for count in inputs]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, LEAK)
        _see_differences(layers[0])
        leaks = [nn.LeakyReLU(LEAK, inplace=True) for _ in layers]
        self.body = nn.Sequential(
            *(part for pair in zip(layers, leaks, strict=True) for part in pair)
        )
        self.last = nn.Conv2d(CHANNELS, FOLDED, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        for layer in (*layers, self.last):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, source: Tensor) -> Tensor:
        correction = self.last(self.body(space_to_depth(source - 0.5, 2)))
        restored: Tensor = source + functional.pixel_shuffle(correction.float(), 2)
        return restored.clamp(0, 1)


@torch.no_grad()
def _see_differences(layer: nn.Conv2d) -> None:
    """Makes a layer blind to constant colours and sensitive to small differences.

    Noise is small beside the colours; a network that begins with both takes long to find it.
    """
    weights = layer.weight.view(CHANNELS, COLOURS, PHASES, 3, 3)
    weights -= weights.mean(dim=(2, 3, 4), keepdim=True)
    weights *= CONTRAST
