"""The landmark loss with the shipped mesh and a real face."""

from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.face.anchored import AnchoredDetector
from motioncast.models.face.keypoints import MESH
from motioncast.models.mediapipe.mesh import Mesh
from motioncast.train.face_landmarks import LandmarkLoss

ROOT = Path(__file__).parents[4]
CLIP = ROOT / "clients/motioncast/cli/assets/interview.mp4"
CHECKPOINT = ROOT / "training/checkpoints/face256_synthesis.pt"


@pytest.fixture(scope="module")
def detector() -> AnchoredDetector:
    found = load_motion_transfer(CHECKPOINT).detector.anchored
    assert isinstance(found, AnchoredDetector)
    return found


@pytest.fixture(scope="module")
def frame() -> Tensor:
    """The centre of the first frame, (1, 3, 256, 256)."""
    with av.open(str(CLIP)) as video:
        first = Image.fromarray(next(video.decode(video=0)).to_ndarray(format="rgb24"))
    side = min(first.size)
    left, top = (first.width - side) // 2, (first.height - side) // 2
    square = first.crop((left, top, left + side, top + side)).resize((256, 256))
    levels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    return levels.view(1, 256, 256, 3).permute(0, 3, 1, 2).float() / 255


def test_a_face_that_is_rebuilt_costs_nothing(detector: AnchoredDetector, frame: Tensor) -> None:
    loss = LandmarkLoss(detector.mesh)
    assert float(loss(frame, frame, detector(frame))) == pytest.approx(0, abs=1e-6)


def test_a_face_beside_its_place_costs_how_far_it_is(
    detector: AnchoredDetector, frame: Tensor
) -> None:
    keypoints = detector(frame)
    left, right = (keypoints[0, MESH.index(corner), :2] for corner in (33, 263))
    eyes = float((left - right).norm()) * 127.5  # pixels
    moved = frame.roll(3, dims=-1)
    expected = 3 / eyes  # every point is off by three pixels, and weights sum to 1
    loss = float(LandmarkLoss(detector.mesh)(moved, frame, keypoints))
    assert loss == pytest.approx(expected, rel=0.35)
    assert float(LandmarkLoss(detector.mesh)(moved, frame, keypoints * 0)) == 0


class MarkedMesh(nn.Module):
    """Returns points encoded in the picture: grey is the lowering of the left lower lid."""

    def forward(self, crops: Tensor) -> Mesh:
        points = torch.zeros(len(crops), 478, 2)
        points[:, 33, 0], points[:, 263, 0] = 50.0, 150.0  # 100 pixels from eye to eye
        points[:, 145, 1] = 100 * crops.mean(dim=(1, 2, 3))
        return Mesh(points, torch.zeros(len(crops)))


def test_a_lid_that_hangs_costs_its_way_and_its_opening(frame: Tensor) -> None:
    keypoints = torch.rand(1, 70, 3, generator=torch.Generator().manual_seed(1))
    keypoints[..., 2] = 1
    open_eye, shut_eye = torch.full_like(frame, 0.08), torch.full_like(frame, 0.02)
    loss = float(LandmarkLoss(MarkedMesh())(shut_eye, open_eye, keypoints))  # type: ignore[arg-type]
    of_point = 6 / (6 * 16 + 3 * 12 + 2 * 12 + 2 * 2 + 28)  # 16 points of lids of 70
    assert loss == pytest.approx((of_point + 0.15) * 6 / 100, rel=1e-3)


def test_the_picture_learns_and_the_mesh_does_not(
    detector: AnchoredDetector, frame: Tensor
) -> None:
    moved = frame.roll(2, dims=-2).requires_grad_(True)
    loss = LandmarkLoss(detector.mesh)
    loss(moved, frame, detector(frame)).backward()
    assert moved.grad is not None
    assert float(moved.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in loss.parameters())
