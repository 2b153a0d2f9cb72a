"""Lips and lids dominate the choice of a face's source."""

import pytest

from motioncast.models.configurations import FACE128, FACE256, LITE128, Configuration
from motioncast.models.face.keypoints import GROUPS
from motioncast.models.source_weights import source_weights


@pytest.mark.parametrize("face", [FACE128, FACE256])
def test_lips_and_lids_weigh_more_than_any_other_part(face: Configuration) -> None:
    weights = source_weights(face)
    assert len(weights) == face.keypoints
    means = {
        group.name: sum(weights[group.first : group.first + group.size]) / group.size
        for group in GROUPS
    }
    decisive = {name for name in means if "lips" in name or "eye" in name}
    others = [*(means[name] for name in means if name not in decisive), *weights[70:]]
    assert min(means[name] for name in decisive) > max(others)


def test_unsupervised_keypoints_weigh_the_same() -> None:
    assert source_weights(LITE128) == ()
