"""From values per clip and frame to the report, and the folder it is written to."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from motioncast.evaluate.results import (
    RESULTS,
    ResultsError,
    results_folder,
    write_json,
    write_records,
)
from motioncast.models.predictors.gap_filling import hold
from motioncast.paper.entrants import Entrant
from motioncast.paper.experiment import ModeResult, Row
from motioncast.paper.sections import image_section, keypoint_section
from motioncast.paper.summary import Line, Section, per_frame, summarise, verdicts
from motioncast.paper.tables import write_per_clip, write_per_initialisation

ROWS = (Row("vrnn", 0), Row("vrnn", 1), Row("rnn", 0), Row("rnn", 1), Row("hold"))
MASK = np.array([True, False, False])


def section(clips: int = 6, videos: int = 6) -> Section:
    """Returns results where the VRNN's error is half that of hold, and the RNN's twice it."""
    rng = np.random.default_rng(0)
    held = rng.uniform(1, 2, size=(clips, 3)) * ~MASK
    mse = np.stack([0.5 * held, 0.5 * held, 2 * held, 2 * held, held])
    names = [f"v{clip % videos}" for clip in range(clips)]
    distance = np.array([1.0, 2.0, 5.0, 7.0, 4.0])
    return Section(
        "reconstruction", ROWS, {"mse": mse, "ssim": 1 - 0.1 * mse}, MASK, names, {"fvd": distance}
    )


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def find(lines: list[Line], predictor: str, measure: str, frames: str) -> Line:
    (line,) = [
        line
        for line in lines
        if (line.predictor, line.measure, line.frames) == (predictor, measure, frames)
    ]
    return line


def test_means_are_over_all_frames_or_the_predicted_ones() -> None:
    found = section()
    lines = summarise(found)

    held = found.values["mse"][4]
    assert find(lines, "hold", "mse", "all").mean == pytest.approx(held.mean())
    assert find(lines, "hold", "mse", "predicted").mean == pytest.approx(held[:, 1:].mean())
    assert find(lines, "vrnn", "mse", "all").initialisations == 2


def test_the_interval_of_a_figure_per_initialisation_is_students() -> None:
    line = find(summarise(section()), "rnn", "fvd", "all")

    # Two values 5 and 7: mean 6, standard error 1, t(0.975, 1 degree of freedom) = 12.7062.
    assert (line.mean, line.low, line.high) == pytest.approx((6, 6 - 12.7062, 6 + 12.7062))


def test_clips_of_one_video_give_figures_without_intervals_or_tests() -> None:
    found = section(clips=3, videos=1)

    line = find(summarise(found), "vrnn", "mse", "predicted")
    assert (line.low, line.high) == (None, None)
    assert verdicts(found) == []


def test_a_vrnn_that_is_better_on_every_video_is_so_with_the_p_of_exact_enumeration() -> None:
    found = {(v.measure, v.against): v for v in verdicts(section())}

    against_hold = found["mse", "hold"]
    # One of 2^6 sign patterns reaches the observed sum; Holm doubles it for two comparisons.
    assert against_hold.p_value == pytest.approx(1 / 64)
    assert against_hold.p_holm == pytest.approx(2 / 64)
    assert against_hold.relative_gain == pytest.approx(0.5)
    assert found["mse", "rnn"].relative_gain == pytest.approx(0.75)
    # Higher SSIM is better, so the difference is positive if the VRNN's is higher.
    assert found["ssim", "hold"].difference == pytest.approx(0.1 * against_hold.difference)
    assert found["fvd", "rnn"].difference == pytest.approx(4.5)
    assert found["fvd", "rnn"].over == "initialisations"


def test_curves_have_a_point_per_frame_with_its_horizon() -> None:
    found = section()
    curve = [line for line in per_frame(found, [0, 1, 2]) if line.predictor == "hold"]

    points = [line for line in curve if line.measure == "mse"]
    assert [(line.observed, line.horizon) for line in points] == [(True, 0), (False, 1), (False, 2)]
    assert_allclose([line.mean for line in points], found.values["mse"][4].mean(axis=0))


def test_reruns_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        write_records(tmp_path / name, Line, summarise(section(), seed=1))

    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_tables_of_clips_and_initialisations_hold_every_row(tmp_path: Path) -> None:
    found = section()
    write_per_clip(tmp_path / "clips.csv", [found], [f"c{clip}" for clip in range(6)])
    write_per_initialisation(tmp_path / "initialisations.csv", [found])

    clips = read_csv(tmp_path / "clips.csv")
    assert len(clips) == 5 * 6
    last = clips[-1]
    assert (last["predictor"], last["initialisation"], last["clip"]) == ("hold", "", "c5")
    assert float(last["mse"]) == pytest.approx(found.values["mse"][4, 5, 1:].mean())
    lines = read_csv(tmp_path / "initialisations.csv")
    distances = [float(line["value"]) for line in lines if line["measure"] == "fvd"]
    assert distances == [1, 2, 5, 7, 4]


def test_results_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "m1"

    def fail_halfway() -> None:
        with results_folder(folder, force=False) as unfinished:
            (unfinished / "half").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert list(tmp_path.iterdir()) == []


def test_earlier_results_are_replaced_when_asked_and_foreign_files_never(tmp_path: Path) -> None:
    ours, foreign = tmp_path / "m1", tmp_path / "holidays"
    with results_folder(ours, force=False) as unfinished:
        write_json(unfinished / RESULTS, {"run": 1})
    foreign.mkdir()
    (foreign / "photo.png").write_text("")

    with pytest.raises(ResultsError, match="--force"), results_folder(ours, force=False):
        pass
    with pytest.raises(ResultsError, match="not evaluation results"), results_folder(foreign, True):
        pass
    with results_folder(ours, force=True) as unfinished:
        write_json(unfinished / RESULTS, {"run": 2})
    assert json.loads((ours / RESULTS).read_text())["run"] == 2
    assert (foreign / "photo.png").exists()


def test_fvd_of_features_that_are_all_shifted_alike_is_the_squared_shift() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(5, 400))  # of five clips
    shift = rng.normal(size=400)
    features = np.stack([reference + shift, reference, reference], axis=1)
    result = ModeResult("transfer", (Row("vrnn", 0), Row("hold")), {}, features)

    found = image_section(result, torch.from_numpy(MASK), ["a", "b", "c", "d", "e"])

    assert_allclose(found.singles["fvd"], [np.square(shift).sum(), 0], atol=1e-6)


def test_clips_that_hold_still_where_others_move_are_far_in_keypoint_motion() -> None:
    time = torch.arange(32.0)[None, :, None]
    phase = torch.linspace(0, 6, 12)[:, None, None]
    x = 0.2 * torch.sin(0.3 * time + phase + torch.arange(4.0))  # (12, 32, 4)
    true = torch.stack([x, 0.5 * x, torch.ones_like(x)], dim=-1)
    still = true[:, :1].expand_as(true)
    entrants = [Entrant("vrnn", 0, hold), Entrant("hold", None, hold)]

    found = keypoint_section(
        entrants, torch.stack([true, still]), true, torch.ones(32, dtype=torch.bool), range(12)
    )

    distance = found.singles["keypoint_motion_distance"]
    assert distance[0] == pytest.approx(0, abs=1e-6)
    assert distance[1] > 1
    pixels = 127.5 * (true - still)[..., :2].norm(dim=-1).mean(dim=-1)
    assert_allclose(found.values["forecast_error"][1], pixels, rtol=1e-5)
