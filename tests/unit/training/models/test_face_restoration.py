"""Sources are restored before they are warped; untrained, they stay what they are."""

from pathlib import Path

import torch
from torch.testing import assert_close

from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import FACE128
from motioncast.models.face.restoration import Restoration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.motion_transfer import MotionTransfer


def test_untrained_it_changes_nothing() -> None:
    source = torch.rand(2, 3, 64, 64)
    assert torch.equal(Restoration()(source), source)


def test_it_learns_to_remove_noise() -> None:
    """From flat squares all noise could be averaged away; a third must be gone after 150 steps."""
    torch.manual_seed(0)
    network = Restoration()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(150):
        clean = torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32) * 0.8 + 0.1
        loss = (network(clean + 0.05 * torch.randn(4, 3, 32, 32)) - clean).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.67 * 0.05**2


def test_a_correction_reaches_the_pixel_it_was_made_for() -> None:
    """The last layer's outputs are the four pixels of a square, colour by colour."""
    network = Restoration()
    source = torch.full((1, 3, 8, 8), 0.5)
    with torch.no_grad():
        assert network.last.bias is not None
        network.last.bias[4 * 1 + 2] = 0.25  # green, lower left
    change = network(source) - source
    expected = torch.zeros(1, 3, 8, 8)
    expected[:, 1, 1::2, 0::2] = 0.25
    assert_close(change, expected)


def test_a_checkpoint_without_it_gives_the_same_picture(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = MotionTransfer(FACE128).eval()
    path = tmp_path / "old.pt"
    save_motion_transfer(model, path)
    payload = torch.load(path)
    old = {key: value for key, value in payload["weights"].items() if "restoration" not in key}
    assert len(old) < len(payload["weights"])
    torch.save({**payload, "weights": old}, path)
    source = torch.rand(1, 3, 128, 128)
    synthesis = load_motion_transfer(path).synthesis
    assert isinstance(synthesis, FaceSynthesis)
    with torch.no_grad():
        found, expected = synthesis.encode(source).colours, synthesis.colours.prepare(source)
    for plane, wanted in zip(found, expected, strict=True):
        assert_close(plane, wanted)
