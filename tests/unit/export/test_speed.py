"""The comparison's arithmetic, and the command on a small repository."""

from pathlib import Path

import numpy as np
import pytest
from support.random_networks import random_motion_transfer
from support.videos import write_video

from motioncast.export.exporter import export_models
from motioncast.export.models_command import as_table, main
from motioncast.export.speed import LoadedModels, psnr_db, told_apart
from motioncast.models.checkpoint import save_motion_transfer
from motioncast.models.configurations import LITE64


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speed")
    save_motion_transfer(random_motion_transfer(LITE64), folder / "synthesis.pt")
    export_models("lite64", folder / "models", synthesis=folder / "synthesis.pt")
    return folder / "models"


def test_encoding_and_decoding_are_told_apart() -> None:
    encode, decode = 4.0, 3.0
    found = told_apart(four_sources=4 * (encode + decode), four_frames=encode + 4 * decode)
    assert found == pytest.approx((encode, decode))


def test_psnr_is_that_of_the_frames_after_the_first(repository: Path) -> None:
    models = LoadedModels(repository, "lite64", threads=1)
    clip = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    made = models.reconstruct(clip)
    assert made.shape == (2, 64, 64, 3)
    mse = [
        np.mean((one.astype(float) - other) ** 2) for one, other in zip(made, clip[1:], strict=True)
    ]
    expected = np.mean([10 * np.log10(255**2 / one) for one in mse])
    assert psnr_db(models, [clip]) == pytest.approx(expected)


def test_a_repository_compared_with_itself_costs_nothing(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
    for n in range(40):  # about one in twenty is for validation
        write_video(tmp_path / f"{n}.mkv", frames)
    arguments = [
        "compare",
        str(repository),
        str(repository),
        "--config",
        "lite64",
        "--threads",
        "1",
    ]
    main([*arguments, "--rounds", "1", "--data", str(tmp_path), "--clips", "1"])
    page = capsys.readouterr().out
    costs = [line.split("|")[3].strip() for line in page.splitlines() if "models" in line][-2:]
    assert costs == ["0.00", "0.00"]
    assert "encode a source" in page


def test_a_model_that_is_not_there_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["compare", str(repository), "--config", "other"])
    assert f"{repository}: has no model other_keypoint" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(["operators", "--repository", str(repository), "--config", "lite64"])
    assert "has no model lite64_predictor" in capsys.readouterr().err


def test_the_columns_of_a_table_are_aligned() -> None:
    assert as_table(["a", "b"], [["long", "1"]]) == "| a    | b |\n| ---- | - |\n| long | 1 |"
