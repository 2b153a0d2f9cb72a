"""The rearranged blocks of the anchored keypoints compute the same as the original ones."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from motioncast.export.anchored import ServedSeparable, SlopeBelow
from motioncast.models.mediapipe.layers import Separable


def test_a_prelu_is_two_convolutions_whatever_its_slopes() -> None:
    activation = nn.PReLU(4)
    with torch.no_grad():
        activation.weight.copy_(torch.tensor([0.25, 0.0, 3.0, -2.0]))
    features = torch.linspace(-2, 2, 36).reshape(1, 4, 3, 3).flip(1)
    assert_close(SlopeBelow(activation)(features), activation(features))


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(24, 24, 1), (24, 28, 1), (28, 40, 2)])
def test_a_block_filled_up_to_sixteens_computes_the_same(
    inputs: int, outputs: int, stride: int
) -> None:
    torch.manual_seed(0)
    block = Separable(inputs, outputs, stride, nn.ReLU())
    features = torch.randn(2, inputs, 8, 8)
    wide = torch.cat([features, torch.zeros(2, -inputs % 16, 8, 8)], dim=1)

    actual = ServedSeparable(block)(wide)

    assert actual.shape[1] == outputs + -outputs % 16
    assert_close(actual[:, :outputs], block(features))
    assert (actual[:, outputs:] == 0).all()
