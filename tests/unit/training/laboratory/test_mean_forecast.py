"""The command that makes one predictor of two."""

from pathlib import Path

import pytest
import torch

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.laboratory.mean_forecast import main
from motioncast.models.predictors.checkpoint import build_predictor, load_predictor, save_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.windowed import WindowedVRNN

SIZES = PredictorSizes(keypoints=3, hidden=7, latent=2, features=6, inputs="displacements")


def tracks(path: Path, keypoints: int = 3, validation: bool = True) -> None:
    generator = torch.Generator().manual_seed(0)
    walk = 0.01 * torch.randn(80, keypoints, 3, generator=generator)
    frames = walk.cumsum(dim=0) + torch.tensor([0.0, 0.0, 0.5])
    save_tracks(Tracks(("a", "b"), (0, 40, 80), frames, (False, validation)), path)


def command(folder: Path, **others: str) -> list[str]:
    files = {"vrnn": "vrnn.pt", "simlpe": "simlpe.pt", "data": "tracks.npz", "out": "both.pt"}
    files |= others
    return [part for name, file in files.items() for part in (f"--{name}", str(folder / file))]


def test_the_predictor_is_written_with_its_interval(tmp_path: Path) -> None:
    for kind in ("vrnn", "simlpe"):
        save_predictor(build_predictor(kind, SIZES), tmp_path / f"{kind}.pt")
    tracks(tmp_path / "tracks.npz")
    main(command(tmp_path))
    both = load_predictor(tmp_path / "both.pt")
    assert isinstance(both, WindowedVRNN)
    assert both.states_interval


def test_what_does_not_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("vrnn", "simlpe"):
        save_predictor(build_predictor(kind, SIZES), tmp_path / f"{kind}.pt")
    tracks(tmp_path / "tracks.npz")
    tracks(tmp_path / "two.npz", keypoints=2)
    tracks(tmp_path / "all.npz", validation=False)

    def refusal(**others: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(command(tmp_path, **others))
        assert end.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    assert "is not a VRNN" in refusal(vrnn="simlpe.pt")
    assert "is not a siMLPe" in refusal(simlpe="vrnn.pt")
    assert "has 2 keypoints (expected 3" in refusal(data="two.npz")
    assert "no validation clips" in refusal(data="all.npz")
    assert not (tmp_path / "both.pt").exists()
