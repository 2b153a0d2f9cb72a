"""Mouths are tinted by the light on the skin; untrained, nothing is."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import FACE128
from motioncast.models.face.keypoints import LOWER_LIP, MESH, UPPER_LIP
from motioncast.models.face.light import AVERAGE, Light
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.lite.colours import LUMA
from motioncast.models.motion_transfer import MotionTransfer

SIDE = 128


def face(opening: float = 0.2, presence: float = 1.0) -> Tensor:
    """Returns keypoints (1, 80, 3) with lips at x 0, y 0.4, and everything else at the centre."""
    points = torch.zeros(1, 80, 3)
    points[..., 2] = presence
    for lip, side in ((UPPER_LIP, -1), (LOWER_LIP, 1)):
        for point in lip:
            points[0, MESH.index(point), :2] = torch.tensor([0.0, 0.4 + side * opening / 2])
    return points


def plain(*colour: float) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)


def trained() -> Light:
    light = Light(SIDE)
    with torch.no_grad():
        light.strength.fill_(1.0)
    return light


def test_untrained_it_changes_nothing() -> None:
    light, faces = Light(SIDE), face().repeat(2, 1, 1)
    added = light(light.colours(torch.rand(2, 3, SIDE, SIDE)), faces, faces)
    assert_close(added, torch.zeros(2, 16, SIDE // 2, SIDE // 2))


def test_average_skin_gives_no_tint() -> None:
    assert_close(torch.tensor(AVERAGE) @ torch.tensor(LUMA), torch.tensor(1.0), atol=2e-3, rtol=0)
    light, skin = trained(), [0.6 * ratio for ratio in AVERAGE]
    tint = light.tint(light.colours(plain(*skin)), face())
    assert_close(tint, torch.zeros(1, 3), atol=0.01, rtol=0)


def test_a_dark_mouth_takes_the_colour_of_warm_light() -> None:
    """What was painted for average skin is multiplied as the light multiplies the skin."""
    light, gains = trained(), torch.tensor([1.1, 1.0, 0.7])
    skin = 0.5 * gains * torch.tensor(AVERAGE)
    luma = skin @ torch.tensor(LUMA) / 0.5
    added = light(light.colours(plain(*skin.tolist())), face(), face())
    middle = added[0, :, round(0.7 * (SIDE / 2 - 1)), SIDE // 4]  # y 0.4, between the lips
    dark = torch.full((3,), 0.03)
    painted = torch.sigmoid(dark.logit() + middle[:12].view(3, 4)[:, 0])
    assert_close(painted, dark * gains / luma, atol=0, rtol=0.05)
    assert_close(middle[:12].view(3, 4), middle[:12].view(3, 4)[:, :1].expand(3, 4))
    assert_close(middle[12:], torch.zeros(4))  # the masks


def test_it_is_bounded_whatever_the_colour() -> None:
    light = trained()
    for colour in ((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)):
        tint = light.tint(light.colours(plain(*colour)), face())
        assert tint.abs().max() <= 2


@pytest.mark.parametrize("opening", [0.0, 0.2, 0.3])
def test_it_is_between_the_lips_and_nowhere_else(opening: float) -> None:
    where = trained().mouth(face(opening))[0, 0]
    for y in (0.4, 0.4 - opening / 3, 0.4 + opening / 3):
        assert where[round((y + 1) / 2 * (SIDE / 2 - 1)), SIDE // 4] > 0.9
    assert where[: SIDE // 4].max() < 0.02  # the eyes
    assert where.max() <= 1


def test_without_a_face_nothing_is_tinted() -> None:
    light = trained()
    tint = light.tint(light.colours(plain(0.2, 0.5, 0.9)), face(presence=0.0))
    assert_close(tint, torch.zeros(1, 3))


def test_a_checkpoint_without_it_paints_as_before(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    model = MotionTransfer(FACE128).eval()
    with torch.no_grad():
        assert isinstance(model.synthesis, FaceSynthesis)
        model.synthesis.light.strength.fill_(math.pi)
    save_motion_transfer(model, path)
    payload = torch.load(path)
    old = {key: value for key, value in payload["weights"].items() if "light" not in key}
    assert len(old) == len(payload["weights"]) - 1
    torch.save({**payload, "weights": old}, path)
    synthesis = load_motion_transfer(path).synthesis
    assert isinstance(synthesis, FaceSynthesis)
    assert_close(synthesis.light.strength, torch.zeros(3))
