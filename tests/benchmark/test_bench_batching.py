"""`motioncast bench-batching` on the closed-form models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.toy_configs import build_configured_repository
from support.triton_server import skip_without_triton
from typer.testing import CliRunner

from motioncast.bench.batching import BatchingSettings, bench_batching
from motioncast.bench.measuring import BenchError
from motioncast.cli.app import app
from motioncast.cli.progress import progress_bars


def test_every_model_is_measured_with_and_without_batching(tmp_path: Path) -> None:
    skip_without_triton()
    repository, file = tmp_path / "models", tmp_path / "result.json"
    build_configured_repository(repository)
    command = ["bench-batching", "--models", str(repository), "--json", str(file), "--quiet"]
    options = ["--delay", "0", "--callers", "1", "--callers", "3", "--calls", "6", "--rounds", "1"]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    written = json.loads(file.read_text())["results"]
    assert {(one["model"], one["callers"], one["delay_us"]) for one in written} == {
        (model, callers, delay)
        for model in ("keypoint", "predictor", "synthesis")
        for callers in (1, 3)
        for delay in (None, 0)
    }
    for one in written:
        assert one["calls_per_second"] > 0
        assert 0 < one["latency"]["p50_ms"] <= one["latency"]["p95_ms"]


@pytest.mark.parametrize(
    "settings",
    [BatchingSettings(calls=0), BatchingSettings(callers=()), BatchingSettings(delays=(-1,))],
)
async def test_nothing_to_measure_is_refused(settings: BatchingSettings) -> None:
    with (
        progress_bars(quiet=True) as stages,
        pytest.raises(BenchError, match=r"calls|callers|delays"),
    ):
        await bench_batching(settings, stages)
