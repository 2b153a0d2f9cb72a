"""Every network configuration can be built and detects its number of keypoints."""

import pytest
import torch

from motioncast.models.configurations import CONFIGURATIONS, configuration
from motioncast.models.motion_transfer import NETWORKS, MotionTransfer


def test_the_registry_has_these_configurations() -> None:
    assert set(CONFIGURATIONS) == {
        *("paper64", "paper64_bair", "lite128", "lite64", "base256", "face128", "face256")
    }
    assert {one.architecture for one in CONFIGURATIONS.values()} == set(NETWORKS)


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if "face" not in name])
def test_networks_of_a_configuration_find_its_number_of_keypoints(name: str) -> None:
    one = configuration(name)
    with torch.device("meta"):  # only shapes
        images = torch.empty(2, 3, one.image_size, one.image_size)
        assert MotionTransfer(one).detect(images).shape == (2, one.keypoints, 3)


def test_an_unknown_configuration_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"'lite7' is unknown .*base256, face128"):
        configuration("lite7")
