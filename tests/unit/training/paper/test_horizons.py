"""Whether the VRNN beats the others, at which horizons, and how significantly."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from support.random_networks import random_vrnn

from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.paper import horizons_command
from motioncast.paper.experiment import Values
from motioncast.paper.horizons import horizon_lines, horizon_verdicts, verdict_sentence

CLIPS = 8


def errors() -> dict[str, Values]:
    """Returns errors: the VRNN's are half of hold's at horizon 1 and equal at horizon 2."""
    held = np.random.default_rng(0).uniform(1, 2, size=(1, CLIPS, 2))
    vrnn = np.concatenate([held, held]) * [0.5, 1.0]
    return {"vrnn": vrnn, "hold": held}


def test_the_p_of_winning_on_every_clip_is_that_of_exact_enumeration() -> None:
    first, second = horizon_verdicts(errors())

    assert first.p_value == pytest.approx(1 / 2**CLIPS)
    assert first.p_holm == pytest.approx(2 / 2**CLIPS)  # Holm doubles it for two horizons
    assert first.relative_gain == pytest.approx(0.5)
    assert (first.clips_won, first.clips) == (CLIPS, CLIPS)
    assert second.p_value == 1
    assert second.difference == pytest.approx(0)


def test_the_sentence_names_the_horizons_at_which_it_is_sure() -> None:
    sentence = verdict_sentence(horizon_verdicts(errors()), "hold")

    assert "VRNN against hold" in sentence
    assert "significantly (p < 0.05) at horizon 1;" in sentence


def test_lines_tell_the_worst_initialisation_and_the_share_of_the_motion() -> None:
    table = errors()
    table["vrnn"] = table["vrnn"] * np.array([1.0, 1.5])[:, None, None]
    line = horizon_lines(table)[0]

    held = table["hold"][..., 0].mean()
    assert (line.predictor, line.horizon, line.initialisations) == ("vrnn", 1, 2)
    assert line.worst_initialisation == pytest.approx(0.75 * held)
    assert line.best_initialisation == pytest.approx(0.5 * held)
    assert line.relative_to_motion == pytest.approx(0.625)


def test_one_clip_alone_is_not_tested() -> None:
    assert horizon_verdicts({name: table[:, :1] for name, table in errors().items()}) == []


def test_constant_motion_is_forecast_by_the_linear_predictor_alone(tmp_path: Path) -> None:
    clips, frames = 3, 12
    time = torch.arange(frames)[:, None]
    velocity = torch.tensor([0.01, -0.02, 0.015])
    keypoints = torch.zeros(clips * frames, 4, 3)
    for clip in range(clips):
        keypoints[clip * frames : (clip + 1) * frames, :, 0] = velocity[clip] * time - 0.1
    starts = tuple(range(0, clips * frames + 1, frames))
    tracks = Tracks(("a", "b", "c"), starts, keypoints, (False,) * clips)
    save_tracks(tracks, tmp_path / "tracks.npz")
    save_predictor(random_vrnn(PredictorSizes(keypoints=4, hidden=8)), tmp_path / "vrnn_0.pt")

    command = ["--tracks", str(tmp_path / "tracks.npz"), "--predictors", str(tmp_path)]
    horizons_command.main([*command, "--out", str(tmp_path), "--observed", "4", "--horizon", "3"])

    folder = tmp_path / "horizons"
    lines = list(csv.DictReader((folder / "horizons.csv").read_text().splitlines()))
    means = {(line["predictor"], line["horizon"]): float(line["mean"]) for line in lines}
    pixels = 127.5 * velocity.abs().mean().item()
    for horizon in (1, 2, 3):
        assert means["linear", str(horizon)] == pytest.approx(0, abs=1e-4)
        assert means["hold", str(horizon)] == pytest.approx(horizon * pixels, rel=1e-4)
    assert (folder / "horizons.png").read_bytes().startswith(b"\x89PNG")
    assert "VRNN against linear" in (folder / "README.md").read_text()


def test_tracks_that_are_too_short_are_an_error_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_tracks(Tracks(("a",), (0, 5), torch.zeros(5, 4, 3), (False,)), tmp_path / "tracks.npz")
    save_predictor(random_vrnn(PredictorSizes(keypoints=4, hidden=8)), tmp_path / "vrnn_0.pt")
    command = ["--tracks", str(tmp_path / "tracks.npz"), "--predictors", str(tmp_path)]

    with pytest.raises(SystemExit) as stopped:
        horizons_command.main([*command, "--out", str(tmp_path)])

    assert stopped.value.code == 2
    assert "all clips are shorter than a window of 22 frames" in capsys.readouterr().err
