"""The cost of a network: parameters, and multiply-accumulates of convolutions and linear layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(slots=True)
class Operations:
    """A count of multiply-accumulates, incremented while a network runs."""

    macs: int = 0


def parameters(*networks: nn.Module) -> int:
    """Returns the number of trainable values."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def macs(run: Callable[[], object], *networks: nn.Module) -> int:
    """Returns the multiply-accumulates of convolutions and linear layers during `run()`."""
    with torch.inference_mode(), _counting(*networks) as operations:
        run()
    return operations.macs


@contextmanager
def _counting(*networks: nn.Module) -> Iterator[Operations]:
    operations = Operations()

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.Conv2d):
            kernel = layer.kernel_size[0] * layer.kernel_size[1]
            operations.macs += output.numel() * layer.in_channels // layer.groups * kernel
        elif isinstance(layer, nn.Linear):
            operations.macs += output.numel() * layer.in_features

    hooks = [
        layer.register_forward_hook(count)
        for network in networks
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        yield operations
    finally:
        for hook in hooks:
            hook.remove()
