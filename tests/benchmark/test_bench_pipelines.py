"""`motioncast bench-pipelines` on the closed-form models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.toy_ensembles import build_joined_repository
from typer.testing import CliRunner

from motioncast.bench.measuring import BenchError
from motioncast.bench.pipelines import PipelinesSettings, bench_pipelines
from motioncast.cli.app import app
from motioncast.cli.bundled import bundled_clip
from motioncast.cli.progress import progress_bars


def test_both_pipelines_are_measured_with_the_same_streams(tmp_path: Path) -> None:
    repository, file = build_joined_repository(tmp_path / "models"), tmp_path / "result.json"
    command = ["bench-pipelines", "--engine", "inprocess", "--models", str(repository)]
    options = ["--streams", "1", "--streams", "2", "--frames", "40", "--rounds", "2", "--quiet"]
    result = CliRunner().invoke(app, [*command, "--json", str(file), *options])
    assert result.exit_code == 0, result.output
    written = json.loads(file.read_text())
    assert (written["schema"], written["model"]) == ("motioncast.bench_pipelines/1", "toy")
    assert {(one["pipeline"], one["streams"]) for one in written["results"]} == {
        (pipeline, streams) for pipeline in ("services", "ensemble") for streams in (1, 2)
    }
    for one in written["results"]:
        assert one["engine"] == "inprocess"
        assert one["frames"] == 40 * one["streams"]
        assert one["mean_group_frames"] == 10
        first, second = one["rounds"]
        assert one["frames_per_second"] == pytest.approx((first + second) / 2)  # the median of two
        for values in (one["group"], one["first_frame"]):
            assert 0 < values["p50_ms"] <= values["p95_ms"] <= values["p99_ms"]
        assert f"{one['frames_per_second']:.1f}" in result.output


@pytest.mark.parametrize(
    "settings",
    [PipelinesSettings(bundled_clip(), rounds=0), PipelinesSettings(bundled_clip(), streams=())],
)
async def test_nothing_to_measure_is_refused(settings: PipelinesSettings) -> None:
    with progress_bars(quiet=True) as stages, pytest.raises(BenchError, match=r"rounds|streams"):
        await bench_pipelines(settings, stages)
