"""The command that trains predictors, from tracks to the folder read by evaluation."""

from pathlib import Path

import pytest
import torch

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.models.predictors.checkpoint import load_forecaster, load_predictor, predictor_files
from motioncast.models.predictors.gap_filling import continue_free
from motioncast.train.predictor import main

CLIPS, FRAMES, KEYPOINTS = 12, 34, 3


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracks") / "tracks.npz"
    generator = torch.Generator().manual_seed(0)
    steps = 0.02 * torch.randn(CLIPS, FRAMES, KEYPOINTS, 3, generator=generator)
    positions = steps.cumsum(dim=1).clamp(-1, 1) + torch.tensor([0.0, 0.0, 0.5])
    save_tracks(
        Tracks(
            names=tuple(f"clip{i}" for i in range(CLIPS)),
            starts=tuple(range(0, CLIPS * FRAMES + 1, FRAMES)),
            keypoints=positions.flatten(0, 1),
            validation=tuple(i % 4 == 0 for i in range(CLIPS)),
        ),
        path,
    )
    return path


def test_several_seeds_and_the_autoregression_make_a_folder_of_predictors(
    tracks: Path, tmp_path: Path
) -> None:
    out = ["--data", str(tracks), "--out", str(tmp_path / "out")]
    main([*out, "--predictor", "gru", "--steps", "1", "--batch-size", "2", "--seeds", "0-1"])
    main([*out, "--predictor", "var"])

    files = predictor_files(tmp_path / "out")
    names = {kind: [path.name for path in paths] for kind, paths in files.items()}
    assert names == {"gru": ["gru_0.pt", "gru_1.pt"], "var": ["var.pt"]}
    first, second = (load_predictor(path).state_dict() for path in files["gru"])
    assert not torch.equal(first["decoder.0.weight"], second["decoder.0.weight"])
    observed = torch.zeros(1, 5, KEYPOINTS, 3)
    for path in (*files["gru"], *files["var"]):
        assert continue_free(load_forecaster(path), observed, 27).shape == (1, 27, KEYPOINTS, 3)


def test_tracks_of_another_number_of_keypoints_than_the_configuration_s_are_refused(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--config", "lite64_grid", "--data", str(tracks), "--out", str(tmp_path)])
    assert "tracks.npz: has 3 keypoints (expected 10, as in lite64_grid" in capsys.readouterr().err


@pytest.mark.parametrize("seeds", ["4-1", "a", "1,,2", "1-", ""])
def test_seeds_that_are_none_are_refused(
    tracks: Path, tmp_path: Path, seeds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tracks), "--out", str(tmp_path), "--seeds", seeds])
    assert "such as 0-4 or 0,2,5" in capsys.readouterr().err


def test_clips_that_are_too_short_are_refused_with_the_setting_that_asks_for_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.npz"
    save_tracks(Tracks(("a",), (0, 30), torch.zeros(30, 2, 3), (False,)), path)
    with pytest.raises(SystemExit):
        main(["--data", str(path), "--out", str(tmp_path)])
    message = "all training clips are shorter than 32 frames (predictor.schedule.window_frames)"
    assert f"short.npz: {message}" in capsys.readouterr().err


def test_tracks_without_validation_clips_train_to_the_last_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tracks.npz"
    keypoints = torch.linspace(-0.5, 0.5, 32)[:, None, None].expand(32, 2, 3)
    save_tracks(Tracks(("a",), (0, 32), keypoints.contiguous(), (False,)), path)
    run = ["--data", str(path), "--out", str(tmp_path)]
    main([*run, "--predictor", "gru", "--steps", "2", "--batch-size", "2"])
    assert load_predictor(tmp_path / "predictor.pt").sizes.keypoints == 2
    said = capsys.readouterr().out
    assert "predictor.pt: the last weights, without an interval, as no" in said
    assert "nan" not in said
