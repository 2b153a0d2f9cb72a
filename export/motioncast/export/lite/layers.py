"""Convolutions merged with adjacent pixel rearrangements, and a softplus of fast operators.

ONNX Runtime moves values one by one, so a space-to-depth costs more than the convolution after it,
and a depth-to-space as much as the convolution before it. Merged into the convolution, the former
is free; with channels last, the latter moves whole rows.
"""

import torch
from torch import Tensor, nn

BLOCK = 2  # pixels folded along each axis by a space-to-depth


@torch.no_grad()
def from_pixels(
    conv: nn.Conv2d, channels: slice = slice(None), scale: float = 1.0, bias: bool = True
) -> nn.Conv2d:
    """Returns a space-to-depth followed by `conv`, 3x3, as one convolution of the pixels.

        conv(space_to_depth(x))[y] = sum over ky, dy of w[(c, dy), ky] x[c, 2 (y + ky - 1) + dy]
                                   = sum over j = 2 ky + dy of w'[c, j] x[c, 2 y + j - 2]

    Args:
        conv: 3x3 with a padding of 1.
        channels: the inputs of `conv` that come from the space-to-depth.
        scale: a factor applied to the inputs.
        bias: whether to include its bias.
    """
    weight = conv.weight[:, channels] * scale
    outputs, inputs = weight.shape[0], weight.shape[1] // BLOCK**2
    blocks = weight.view(outputs, inputs, BLOCK, BLOCK, 3, 3)  # (O, C, dy, dx, ky, kx)
    pixels = blocks.permute(0, 1, 4, 2, 5, 3).reshape(outputs, inputs, 3 * BLOCK, 3 * BLOCK)
    return _convolution(pixels, conv.bias if bias else None, stride=BLOCK, padding=BLOCK)


@torch.no_grad()
def planes_of_pixels(conv: nn.Conv2d, channels: slice, rgb_of_chroma: Tensor) -> nn.Conv2d:
    """Returns a space-to-depth of colours followed by `conv`, taking luma and chroma instead.

    The inputs are the four phases of luma, then Cb and Cr, which the phases share;
    `rgb_of_chroma` (3, 2) gives what Cb and Cr add to luma for red, green and blue.
    """
    weight = conv.weight[:, channels]
    blocks = weight.view(weight.shape[0], len(rgb_of_chroma), BLOCK**2, *weight.shape[2:])
    chroma = torch.einsum("ocpyx,cj->ojyx", blocks, rgb_of_chroma)
    return _convolution(torch.cat([blocks.sum(dim=1), chroma], dim=1), None, padding=1)


@torch.no_grad()
def part_of(conv: nn.Conv2d, channels: slice, bias: bool = True) -> nn.Conv2d:
    """Returns `conv` restricted to some of its inputs, with or without its bias."""
    own = conv.bias if bias else None
    return _convolution(conv.weight[:, channels], own, padding=conv.padding[0])


@torch.no_grad()
def phases_first(conv: nn.Conv2d) -> nn.Conv2d:
    """Returns `conv` with its outputs reordered for `depth_to_space`: (dy, dx, c)."""
    order = torch.arange(conv.out_channels).view(-1, BLOCK**2).t().flatten()
    bias = None if conv.bias is None else conv.bias[order]
    return _convolution(conv.weight[order], bias, padding=conv.padding[0])


def first_of(sequence: nn.Module) -> nn.Conv2d:
    """Returns the first layer of a sequence, which must be a convolution."""
    first = next(sequence.children())
    assert isinstance(first, nn.Conv2d)
    return first


def depth_to_space(maps: Tensor) -> Tensor:
    """Rearranges (N, (dy, dx, c), h, w) to (N, c, 2 h, 2 w)."""
    count, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(count, height, width, BLOCK, channels // BLOCK)
    rows = rows.transpose(2, 3)  # (N, h, dy, w, (dx, c)): moves whole pixels
    pixels = rows.reshape(count, BLOCK * height, BLOCK * width, channels // BLOCK**2)
    return pixels.permute(0, 3, 1, 2)


def softplus(values: Tensor) -> Tensor:
    """Returns log(1 + exp(x)) without overflow, in vectorised operators.

    The logarithm is a series, 2 artanh(y / (2 + y)) = log(1 + y): ONNX Runtime's Log rounds
    differently where its threads' shares meet, so that results would depend on the batch.
    """
    small = torch.exp(-values.abs())
    part = small / (2 + small)  # at most 1/3: eight terms are exact to 1e-9
    square = part * part
    series = torch.full_like(square, 1 / 15)
    for odd in range(13, 0, -2):
        series = series * square + 1 / odd
    return values.clamp(min=0) + 2 * part * series


def _convolution(
    weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int | str = 0
) -> nn.Conv2d:
    outputs, inputs, *kernel = weight.shape
    conv = nn.Conv2d(
        inputs, outputs, (kernel[0], kernel[1]), stride, padding, bias=bias is not None
    )
    conv.weight.copy_(weight)
    if bias is not None and conv.bias is not None:
        conv.bias.copy_(bias)
    return conv.requires_grad_(False)
