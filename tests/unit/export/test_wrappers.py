"""The served image format: bytes in, bytes out, channels last."""

import torch
from torch.testing import assert_close

from motioncast.export.wrappers import levels, unit_range


def test_every_level_survives_the_way_in_and_out() -> None:
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert_close(levels(unit_range(image).unsqueeze(1)), image.unsqueeze(1))


def test_colours_become_planes_in_their_order() -> None:
    image = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    image[0, 0, 1] = torch.tensor([255, 51, 0], dtype=torch.uint8)
    assert_close(unit_range(image)[0, :, 0, 1], torch.tensor([1.0, 0.2, 0.0]))


def test_values_are_rounded_to_the_nearest_level() -> None:
    values = torch.tensor([99.4, 99.6]).reshape(1, 1, 1, 1, 2) / 255
    assert levels(values).flatten().tolist() == [99, 100]


def test_values_beyond_the_range_become_its_ends() -> None:
    values = torch.tensor([-0.5, 1.5]).reshape(1, 1, 1, 1, 2)
    assert levels(values).flatten().tolist() == [0, 255]
