"""Interpolation of weights between two checkpoints."""

from pathlib import Path

import pytest
import torch
from support.random_networks import random_motion_transfer

from motioncast.laboratory.between import main
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import FACE128, FACE256, LITE64, LITE128


def test_weights_lie_on_the_line_between_two_checkpoints(tmp_path: Path) -> None:
    one, other = random_motion_transfer(LITE64, seed=1), random_motion_transfer(LITE64, seed=2)
    name = max(one.state_dict(), key=lambda name: one.state_dict()[name].numel())
    first, second = one.state_dict()[name].clone(), other.state_dict()[name].clone()
    assert (first != second).any()
    save_motion_transfer(one, tmp_path / "a.pt")
    save_motion_transfer(other, tmp_path / "b.pt")

    arguments = ["--first", str(tmp_path / "a.pt"), "--second", str(tmp_path / "b.pt")]
    main([*arguments, "--share", "0.25", "--out", str(tmp_path / "c.pt")])

    found = load_motion_transfer(tmp_path / "c.pt").state_dict()[name]
    torch.testing.assert_close(found, (3 * first + second) / 4, atol=2e-3, rtol=2e-3)  # float16


def test_face_networks_of_two_sizes_give_networks_of_the_second_s(tmp_path: Path) -> None:
    one, other = random_motion_transfer(FACE256, seed=1), random_motion_transfer(FACE128, seed=2)
    save_motion_transfer(one, tmp_path / "a.pt")
    save_motion_transfer(other, tmp_path / "b.pt")

    arguments = ["--first", str(tmp_path / "a.pt"), "--second", str(tmp_path / "b.pt")]
    main([*arguments, "--share", "0.75", "--out", str(tmp_path / "c.pt")])

    found = load_motion_transfer(tmp_path / "c.pt")
    assert found.configuration == FACE128
    name = "synthesis.of_motion.weight"
    expected = (one.state_dict()[name] + 3 * other.state_dict()[name]) / 4
    torch.testing.assert_close(found.state_dict()[name], expected, atol=2e-3, rtol=2e-3)


def test_what_the_first_lacks_is_the_second_s(tmp_path: Path) -> None:
    one, other = (random_motion_transfer(FACE128, seed=seed) for seed in (1, 2))
    save_motion_transfer(one, tmp_path / "a.pt")
    save_motion_transfer(other, tmp_path / "b.pt")
    payload = torch.load(tmp_path / "a.pt")
    kept = {name: w for name, w in payload["weights"].items() if "restoration" not in name}
    torch.save({**payload, "weights": kept}, tmp_path / "a.pt")

    arguments = ["--first", str(tmp_path / "a.pt"), "--second", str(tmp_path / "b.pt")]
    main([*arguments, "--out", str(tmp_path / "c.pt")])

    found = load_motion_transfer(tmp_path / "c.pt").state_dict()
    wanted = other.state_dict()
    restoration = [name for name in found if "restoration" in name]
    assert restoration
    for name in restoration:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-3, rtol=1e-3)
    name = "synthesis.of_motion.weight"
    middle = (one.state_dict()[name] + wanted[name]) / 2
    torch.testing.assert_close(found[name], middle, atol=2e-3, rtol=2e-3)


def test_two_configurations_have_nothing_between_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_motion_transfer(random_motion_transfer(LITE64), tmp_path / "a.pt")
    save_motion_transfer(random_motion_transfer(LITE128), tmp_path / "b.pt")
    arguments = ["--first", str(tmp_path / "a.pt"), "--second", str(tmp_path / "b.pt")]

    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--out", str(tmp_path / "c.pt")])

    assert stopped.value.code == 2
    assert "are of lite64 and lite128" in capsys.readouterr().err
    assert not (tmp_path / "c.pt").exists()
