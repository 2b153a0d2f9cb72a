"""`motioncast bench` on the closed-form models: its figures and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from motioncast.bench.clients import GroupShape, read_clip
from motioncast.bench.measuring import BenchError
from motioncast.bench.raw import RawModels
from motioncast.bench.streams import BenchSettings, bench_streams
from motioncast.cli.app import app
from motioncast.cli.bundled import bundled_clip
from motioncast.cli.progress import progress_bars
from motioncast.client import InvalidRequestError
from motioncast.inference import OnnxRuntimeSettings

CLIP: Final = bundled_clip()


def test_every_figure_is_printed_and_written(toy_repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    options = ["--streams", "1", "--streams", "3", "--frames", "60", "--rounds", "1", "--quiet"]
    result = CliRunner().invoke(
        app, ["bench", "--models", str(toy_repository), "--json", str(file), *options]
    )
    assert result.exit_code == 0, result.output
    written = json.loads(file.read_text())
    assert written["schema"] == "motioncast.bench/1"
    assert written["model"] == "toy"
    assert [one["streams"] for one in written["results"]] == [1, 3]
    for one in written["results"]:
        assert one["frames"] == 60 * one["streams"]
        assert one["ratio"] == pytest.approx(
            one["frames_per_second"] / one["raw_frames_per_second"]
        )
        assert one["mean_group_frames"] == 10
        assert one["cpu_ms_per_frame"] > one["raw_cpu_ms_per_frame"] > 0
        for values in one["latency"].values():
            assert 0 < values["p50_ms"] <= values["p95_ms"] <= values["p99_ms"]
        assert f"{one['frames_per_second']:.1f}" in result.output
        assert f"{one['ratio']:.2f}" in result.output


@pytest.mark.parametrize(
    "settings", [BenchSettings(CLIP, rounds=0), BenchSettings(CLIP, streams=())]
)
async def test_nothing_to_measure_is_refused(settings: BenchSettings) -> None:
    with progress_bars(quiet=True) as stages, pytest.raises(BenchError, match=r"rounds|streams"):
        await bench_streams(settings, stages)


async def test_what_the_clients_refuse_is_one_sentence(toy_repository: Path) -> None:
    settings = BenchSettings(CLIP, repository=toy_repository, observed=300)
    with (
        progress_bars(quiet=True) as stages,
        pytest.raises(InvalidRequestError, match="observed: 300"),
    ):
        await bench_streams(settings, stages)


def test_the_raw_calls_are_those_of_the_groups(toy_repository: Path) -> None:
    clip = read_clip(CLIP, 16)
    raw = RawModels(toy_repository, "toy", OnnxRuntimeSettings(), clip)
    shapes = {
        name: value.shape
        for _, inputs in raw.calls(GroupShape(frames=10, observed=4))
        for name, value in inputs.items()
    }
    assert shapes == {
        "image": (4, 16, 16, 3),
        "keypoints": (1, 10, 2, 3),
        "observed": (1, 10),
        "noise": (1, 10, 2),
        "state": (1, 13),
        "source_image": (1, 16, 16, 3),
        "source_keypoints": (1, 2, 3),
        "driving_keypoints": (1, 10, 2, 3),
    }
    assert len(raw.calls(GroupShape(frames=4, observed=4))) == 2  # nothing to forecast
