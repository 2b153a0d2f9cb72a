"""Predictors on disk: valid checkpoints are read back, and nothing else is."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from motioncast.models.predictors.checkpoint import (
    PredictorCheckpointError,
    build_predictor,
    load_predictor,
    save_predictor,
)
from motioncast.models.predictors.recurrent import MotionStatistics, PredictorSizes
from motioncast.models.predictors.registry import NETWORKS

SIZES = PredictorSizes(keypoints=3, hidden=8, latent=4, features=6)


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_a_predictor_survives_the_disk_to_half_precision(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    unit = torch.rand(3, 3) * 1e-5  # below what float16 can tell from zero
    statistics = MotionStatistics(mean=torch.rand(3, 3), std=torch.rand(3, 3), unit=unit)
    written = build_predictor(kind, SIZES, statistics)
    save_predictor(written, tmp_path / "predictor.pt")
    read = load_predictor(tmp_path / "predictor.pt")
    assert type(read) is type(written)
    assert read.sizes == SIZES
    assert not read.training
    assert_close(read.unit, unit, atol=0, rtol=0)
    assert_close(read.state_dict(), written.state_dict(), atol=1e-6, rtol=2**-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "motioncast.motion_transfer"}, "not a predictor"),
        ({"version": 99}, "has predictor format version 99"),
        ({"kind": "crystal_ball"}, "'crystal_ball' is unknown"),
        ({"sizes": {"keypoints": 4, "hidden": 8, "latent": 4, "features": 6}}, "size mismatch"),
        ({"weights": {}}, "damaged predictor"),
    ],
)
def test_what_is_no_known_predictor_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "predictor.pt"
    save_predictor(build_predictor("vrnn", SIZES), path)
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(PredictorCheckpointError, match=rf"(?s)predictor\.pt: .*{message}"):
        load_predictor(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 broken"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictor.pt"
    path.write_bytes(content)
    with pytest.raises(PredictorCheckpointError, match=r"predictor\.pt"):
        load_predictor(path)
