"""Folds every batch normalisation after a convolution into that convolution.

    normalise(conv(x)) = (w s) * x + (b - mean) s + shift     with s = scale / sqrt(variance + eps)

A pixel shuffle in between only regroups channels: r^2 channels of the convolution become one
channel of the norm.
"""

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norms(module: Network) -> Network:
    """Returns a copy in evaluation mode that computes the same function with fewer operations."""
    folded = copy.deepcopy(module).eval()
    for part in folded.modules():
        if isinstance(part, nn.Sequential):
            _fold_sequence(part)
    return folded


def _fold_sequence(sequence: nn.Sequential) -> None:
    places = [name for name, _ in sequence.named_children()]
    for before, place in pairwise(places):
        norm = sequence.get_submodule(place)
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        conv, channels = sequence.get_submodule(before), 1
        if isinstance(conv, nn.PixelShuffle):
            channels = conv.upscale_factor**2
            conv = sequence[places.index(before) - 1]
        if isinstance(conv, nn.Conv2d):
            absorb(conv, norm, channels)
            setattr(sequence, place, nn.Identity())


@torch.no_grad()
def absorb(conv: nn.Conv2d, norm: nn.BatchNorm2d, channels: int = 1) -> None:
    """Makes `conv` compute norm(conv(x)), `channels` of its outputs per channel of the norm."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    scale, shift = scale.repeat_interleave(channels), shift.repeat_interleave(channels)
    bias = _float64_bias(conv) * scale + shift
    conv.weight.copy_(conv.weight.double() * scale[:, None, None, None])
    conv.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)


def _float64_bias(conv: nn.Conv2d) -> Tensor:
    if conv.bias is None:
        return torch.zeros(conv.out_channels, dtype=torch.float64)
    return conv.bias.double()
