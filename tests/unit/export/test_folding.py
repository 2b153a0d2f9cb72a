"""Folding batch norms only changes the number of operations."""

import torch
from support.random_networks import randomise
from torch import nn
from torch.testing import assert_close

from motioncast.export.folding import fold_batch_norms


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def test_a_norm_after_a_convolution_is_folded_exactly() -> None:
    torch.manual_seed(0)
    block = randomise(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
    images = torch.randn(2, 3, 9, 9)
    folded = fold_batch_norms(block)
    assert norms(folded) == 0
    assert_close(folded(images), block(images))


def test_the_bias_of_a_convolution_is_folded_too() -> None:
    torch.manual_seed(1)
    block = randomise(nn.Sequential(nn.Conv2d(3, 8, 1, bias=True), nn.BatchNorm2d(8)))
    images = torch.randn(2, 3, 4, 4)
    assert_close(fold_batch_norms(block)(images), block(images))


def test_a_norm_is_folded_through_a_pixel_shuffle() -> None:
    torch.manual_seed(2)
    block = randomise(
        nn.Sequential(nn.Conv2d(3, 4 * 5, 1), nn.PixelShuffle(2), nn.BatchNorm2d(5), nn.ReLU())
    )
    images = torch.randn(2, 3, 4, 4)
    folded = fold_batch_norms(block)
    assert norms(folded) == 0
    assert_close(folded(images), block(images))


def test_a_norm_that_comes_before_its_convolution_stays() -> None:
    torch.manual_seed(3)
    block = randomise(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 8, 3)))
    images = torch.randn(2, 3, 5, 5)
    folded = fold_batch_norms(block)
    assert norms(folded) == 1
    assert_close(folded(images), block(images))


def test_the_network_that_is_folded_keeps_its_norms() -> None:
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    fold_batch_norms(nn.ModuleDict({"block": block}))
    assert norms(block) == 1
