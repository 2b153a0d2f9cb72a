"""face128, untrained: the served and exported networks agree with the trainable ones."""

from __future__ import annotations

import pytest
import torch
from support.random_networks import randomise
from torch.testing import assert_close

from motioncast.export.exportables import Exportable, motion_transfer_exportables
from motioncast.export.exporter import build
from motioncast.export.parity import Case
from motioncast.models.configurations import FACE128
from motioncast.models.motion_transfer import MotionTransfer


@pytest.fixture(scope="module")
def exportables() -> tuple[Exportable, ...]:
    torch.manual_seed(0)
    networks = MotionTransfer(FACE128).eval()
    randomise(networks.synthesis)
    return motion_transfer_exportables(networks)


def test_the_served_detector_finds_what_the_trained_one_does(
    exportables: tuple[Exportable, ...],
) -> None:
    """Untrained weights still give 80 keypoints, all inside the picture."""
    image = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = exportables[0].reference(image)
        found = exportables[0].translated(image)
    assert found.shape == (2, 80, 3)
    assert_close(found, expected, atol=1e-3, rtol=0)
    assert found[..., :2].abs().max() <= 1


def test_the_synthesis_agrees_with_pytorch_whatever_its_weights(
    exportables: tuple[Exportable, ...],
) -> None:
    _, agreement = build(exportables[1], {"config": "face128"}, (Case(2, 2, 1),))
    assert agreement["image"].largest <= 1  # of 255


def test_registration_agrees_with_pytorch_whatever_its_weights(
    exportables: tuple[Exportable, ...],
) -> None:
    _, agreement = build(exportables[2], {"config": "face128"}, (Case(1, 3, 1), Case(1, 1, 2)))
    assert agreement["registered"].largest <= 1e-4


def test_int8_leaves_the_detector_of_faces_alone(
    exportables: tuple[Exportable, ...],
) -> None:
    """Its mesh outputs coordinates in 192 pixels: one of 256 levels would be most of a pixel."""
    assert [one.in_integers for one in exportables] == [False, True, False]
