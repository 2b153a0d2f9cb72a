"""Bilinear sampling with zeros outside the border, without ONNX Runtime's GridSample.

    y[p] = sum over the four taps t of weight_t[p] * neighbourhood[p][t]

GridSample takes 15 ns per value, as it locates each place again for every channel. Here the four
neighbours of a place are one row of a table; a row is fetched at once, and small matrix products
sum the neighbours.
Shapes: B sources, N samplings, P places, C channels, S pixels along a side.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

TAPS = 4  # (y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)


def neighbourhoods(maps: Tensor) -> Tensor:
    """Lists the taps of maps (B, S, S, C) as rows: (B * (S + 1)^2, 4 C).

    Rows begin at pixel -1, one before the first; pixels outside the border are zero.
    """
    padded = functional.pad(maps, (0, 0, 1, 1, 1, 1))
    above, below = padded[:, :-1], padded[:, 1:]
    taps = (above[:, :, :-1], above[:, :, 1:], below[:, :, :-1], below[:, :, 1:])
    return torch.cat(taps, dim=-1).flatten(0, 2)


def locate(places: Tensor, side: int, source: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the table rows (N * P,) of places and the weights of their taps (N, 4, P).

    Args:
        places: x and y (N, 2, P) in pixels from pixel -1; places outside are moved to the zeros
            around the map.
        side: side S of the sampled maps.
        source: which of the B maps each sampling reads, (N, 1).
    """
    furthest = float(np.nextafter(np.float32(side + 1), np.float32(0)))
    inside = places.clamp(0.0, furthest)
    corner = inside.floor()
    x, y = (inside - corner).unbind(1)
    xy = x * y
    weights = torch.stack([1 - x - y + xy, x - xy, y - xy, xy], dim=1)  # (N, 4, P)
    row = corner[:, 1] * (side + 1) + corner[:, 0] + source * (side + 1) ** 2
    return row.long().flatten(), weights


def sample_many(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Returns samples (N, P, C); for many channels, as one small product per place."""
    taps = table.index_select(0, rows).view(*weights.shape[::2], TAPS, -1)
    samples = weights.transpose(1, 2).unsqueeze(2) @ taps  # (N, P, 1, C)
    return samples.squeeze(2)


class SampleFew(nn.Module):
    """Returns samples (N, C, P); for few channels, as two large products with zeros and ones."""

    spread: Tensor
    gather: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        spread = torch.eye(TAPS).repeat_interleave(channels, dim=1)  # (4, 4 C)
        self.register_buffer("spread", spread, persistent=False)
        gather = torch.eye(channels).repeat(1, TAPS)  # (C, 4 C)
        self.register_buffer("gather", gather, persistent=False)

    def forward(self, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        taps = table.index_select(0, rows).view(*weights.shape[::2], -1)  # (N, P, 4 C)
        weighted = taps * (weights.transpose(1, 2) @ self.spread)
        return self.gather @ weighted.transpose(1, 2)


def hats(shift: Tensor, apart: Tensor) -> Tensor:
    """Returns the matrices (..., S, S) that shift a row of S pixels by `shift` (...), in pixels.

        hat[i, j] = max(0, 1 - |i + shift - j|)        with apart[i, j] = i - j

    For a uniform displacement, bilinear sampling reduces to one such product along each axis.
    """
    return (1 - (apart + shift[..., None, None]).abs()).clamp(min=0)
