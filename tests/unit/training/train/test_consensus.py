"""Keypoints that agree with themselves: consensus of views, its mapping, and the command."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from motioncast.data.augmentation import transform
from motioncast.data.face_set_writer import FaceSetWriter
from motioncast.data.found_faces import FoundFaces
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import FACE128, LITE64
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.consensus import consensus, error, main, seen_from

SIDE = 64
SPOT = torch.tensor([0.25, -0.125])  # x and y of a bright spot, in half frames


def spot() -> Tensor:
    """Returns a picture (3, S, S) of a smooth bright spot on black."""
    grid = torch.linspace(-1, 1, SIDE)
    along_x, along_y = (torch.exp(-0.5 * ((grid - at) / 0.12) ** 2) for at in SPOT)
    return (along_y[:, None] * along_x).expand(3, -1, -1)


def centroid(images: Tensor) -> Tensor:
    """Detects the centre of brightness of images (N, 3, S, S): keypoints (N, 1, 3)."""
    grid, light = torch.linspace(-1, 1, SIDE), images.mean(1)
    total = light.sum(dim=(1, 2))
    x, y = (light.sum(1) @ grid) / total, (light.sum(2) @ grid) / total
    return torch.stack([x, y, torch.ones_like(x)], dim=-1).unsqueeze(1)


def maps(*rows: tuple[float, float, float]) -> Tensor:
    """Returns views (N, 2, 3) of a rotation in radians, and a shift in half frames."""
    parts = [[[np.cos(a), -np.sin(a), x], [np.sin(a), np.cos(a), y]] for a, x, y in rows]
    return torch.tensor(parts, dtype=torch.float32)


def test_a_detector_that_follows_the_image_agrees_with_itself() -> None:
    views = maps((0.0, 0.1, 0.0), (0.3, 0.0, 0.1), (-0.2, -0.1, -0.1))
    found = consensus(centroid, spot(), views)
    assert torch.allclose(found, torch.tensor([[*SPOT, 1.0]]), atol=2e-3)


def test_one_view_that_is_far_off_does_not_count() -> None:
    views = maps((0.0, 0.0, 0.0), (0.1, 0.0, 0.0), (0.0, 0.1, 0.0))

    def mistaken(images: Tensor) -> Tensor:
        keypoints = centroid(images)
        keypoints[1, :, :2] += 0.5
        return keypoints

    found = consensus(mistaken, spot(), views)
    assert torch.allclose(found[0, :2], SPOT, atol=2e-3)


def test_the_median_of_an_even_number_of_views_is_in_the_middle() -> None:
    views = maps(*[(0.0, 0.0, 0.0)] * 4)

    def spread(images: Tensor) -> Tensor:
        keypoints = centroid(images)
        keypoints[..., :2] += torch.tensor([-0.3, -0.1, 0.1, 0.3]).view(4, 1, 1)
        return keypoints

    found = consensus(spread, spot(), views)
    assert torch.allclose(found[0, :2], SPOT, atol=2e-3)


def test_keypoints_are_expected_where_a_view_shows_them() -> None:
    (view,) = maps((0.25, 0.05, -0.1))
    moved = centroid(transform(spot()[None], view[None]))[0]
    expected = seen_from(torch.tensor([[*SPOT, 0.5]]), view)
    assert torch.allclose(moved[:, :2], expected[:, :2], atol=2e-3)
    assert expected[0, 2] == 0.5


def test_keypoints_outside_the_frame_are_no_error() -> None:
    wanted = torch.tensor([[[0.0, 0.0, 0.5], [1.2, 0.0, 0.5]]])
    found = wanted + torch.tensor([[[0.1, 0.0, 0.0], [9.0, 0.0, 9.0]]])
    assert float(error(found, wanted)) == pytest.approx(0.1 - 0.005)  # smooth L1, beta 0.01


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of one person, two pictures of noise."""
    folder = tmp_path_factory.mktemp("sets") / "people"
    random = np.random.default_rng(0)
    with FaceSetWriter(folder, 128) as writer:
        frames = random.integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
        points = np.zeros((2, ANCHORED, 2), np.float32)
        writer.write("anna", "anna", [FoundFaces(frames, points, np.ones(2, bool))])
    return folder


def test_only_the_unsupervised_detector_changes(faces: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before, after = tmp_path / "before.pt", tmp_path / "after.pt"
    save_motion_transfer(MotionTransfer(FACE128), before)
    arguments = ["--from", str(before), "--set", str(faces), "1", "--minutes", "0.01"]
    main([*arguments, "--batch-size", "2", "--views", "2", "--threads", "1", "--out", str(after)])
    first, second = (load_motion_transfer(path) for path in (before, after))
    assert isinstance(second.detector, FaceDetector)
    others = second.state_dict()
    changed = {
        name for name, value in first.state_dict().items() if not torch.equal(value, others[name])
    }
    assert changed
    assert all(name.startswith("detector.unsupervised.") for name in changed)
    assert not any("running" in name or "normalise" in name for name in changed)


def test_refusals_are_sentences(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lite, out = tmp_path / "lite64.pt", ["--out", str(tmp_path / "out.pt"), "--minutes", "0.01"]
    save_motion_transfer(MotionTransfer(LITE64), lite)

    def refusal(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*arguments, *out])
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    drawn = ["--set", str(faces), "1"]
    assert "none.pt: no such checkpoint" in refusal("--from", "none.pt", *drawn)
    assert "lite64.pt has no face detector" in refusal("--from", str(lite), *drawn)
    face = tmp_path / "face128.pt"
    save_motion_transfer(MotionTransfer(FACE128), face)
    start = ["--from", str(face)]
    assert "the share is much" in refusal(*start, "--set", str(faces), "much")
    assert "nowhere: is not a face set" in refusal(*start, "--set", "nowhere", "1")
    assert "no set contains chris" in refusal(*start, *drawn, "--without", "chris")
    assert "'--learning-rate'" in refusal(*start, *drawn, "--learning-rate", "-1")
    assert not (tmp_path / "out.pt").exists()
