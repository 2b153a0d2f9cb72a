"""Reruns benchmarks and evaluations on this machine; each one writes a file in `measured`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from figures.drawing import MEASURED, ROOT, Content
from motioncast.bench.measuring import machine_here

OURS: Final = "motioncast: a picture as AVIF, then coded keypoints"


def measure(files: Sequence[str]) -> None:
    """Reruns the short benchmarks behind these files and rewrites the files.

    Raises subprocess.CalledProcessError if one fails; its output says why.
    """
    for file in files:
        benchmark = BENCHMARKS[file]
        with tempfile.TemporaryDirectory() as folder:
            options = ["--out", str(Path(folder, "out"))] if benchmark.writes else []
            found = _run([*benchmark.command, *options, "--quiet"], Path.cwd())
        _write(file, "motioncast " + shlex.join(benchmark.command), {"rows": benchmark.rows(found)})


def evaluate(files: Sequence[str], data: Path, given: Mapping[str, Path]) -> None:
    """Reruns the evaluations behind these files on the video folders in `data`.

    `given` maps names in braces to files that the commands read but the repository does not have.

    Raises as `measure` does, and KeyError if such a file is not given.
    """
    for file in files:
        evaluation = EVALUATIONS[file]
        with tempfile.TemporaryDirectory() as work:
            names = {"here": str(ROOT), "work": work, **{name: str(given[name]) for name in given}}
            for command in evaluation.first:
                _start(_filled(command, names), data)
            found = _run(_filled(evaluation.command, names), data)
        _write(file, evaluation.written, evaluation.kept(found))


def _filled(command: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [part.format_map(names) for part in command]


def _run(command: Sequence[str], where: Path) -> Content:
    """Runs a motioncast command in a folder and returns the JSON it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        _start([*command, "--json", str(result)], where)
        found: Content = json.loads(result.read_text("utf-8"))
        return found


def _start(command: Sequence[str], where: Path) -> None:
    program = [sys.executable, "-m", "motioncast.cli.main", *command]
    subprocess.run(program, check=True, cwd=where)


def _write(file: str, command: str, figures: Content) -> None:
    content = {
        "date": date.today().isoformat(),
        "machine": {"processor": _processor(), "cores": machine_here().cores},
        "command": command,
        **figures,
    }
    (MEASURED / f"{file}.json").write_text(json.dumps(_rounded(content), indent=1) + "\n", "utf-8")


def _processor() -> str:
    """Returns the processor's name, noting AVX-512, which halves run times."""
    flags = Path("/proc/cpuinfo")
    wide = flags.is_file() and "avx512f" in flags.read_text("utf-8")
    return machine_here().processor + (" (AVX-512)" if wide else "")


def _rounded(value: Any) -> Any:
    """Rounds all numbers to four decimals, which is more than tables show."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def rows_of_report(report: Content) -> list[dict[str, Any]]:
    """Returns the bytes `motioncast demo` sent, and those video codecs need for the same frames."""
    counts = report["bytes"]
    size = sum(counts[kind] for kind in ("config", "source", "frames", "keypoints"))
    seconds = report["frames"]["total"] / report["configuration"]["frame_rate"]
    ours = (OURS, size, 8 * size / seconds, report["quality"]["all"]["psnr_db"])
    others = [
        (one["codec"], one["bytes"], one["bits_per_second"], one["psnr_db"])
        for one in report["rivals"]
    ]
    return [
        {"name": name, "bytes": bytes_, "kbit_per_second": rate / 1000, "psnr_db": psnr}
        for name, bytes_, rate, psnr in (ours, *others)
    ]


def rows_of_bench(result: Content) -> list[dict[str, Any]]:
    """Returns frames/s of `motioncast bench` by number of streams."""
    names = ("streams", "frames_per_second", "raw_frames_per_second", "ratio")
    return [{name: one[name] for name in names} for one in result["results"]]


def rows_of_pipelines(result: Content) -> list[dict[str, Any]]:
    """Returns the results of `motioncast bench-pipelines` by engine, streams and pipeline."""
    return [
        {
            "engine": one["engine"],
            "streams": one["streams"],
            "pipeline": one["pipeline"],
            "frames_per_second": one["frames_per_second"],
            **{
                f"{name}_p{share}_ms": round(one[what][f"p{share}_ms"])
                for name, what in (("group", "group"), ("first", "first_frame"))
                for share in (50, 95)
            },
        }
        for one in result["results"]
    ]


def rows_of_models(result: Content) -> Content:
    """Returns CPU ms per frame of `motioncast models compare`; the first repository is float32."""
    one, other = result["repositories"]
    rows = [
        {
            "networks": name,
            "frames_per_call": speed["frames"],
            **{f"{part}_ms": speed[part]["cpu"] for part in ("detector", "synthesis")},
            "total_ms": _cpu(speed),
            "times": _cpu(first) / _cpu(speed),
        }
        for name, repository in (("float32", one), ("INT8", other))
        for speed, first in zip(repository["speeds"], one["speeds"], strict=True)
    ]
    return {"rows": rows}


def _cpu(speed: Content) -> float:
    total: float = speed["detector"]["cpu"] + speed["synthesis"]["cpu"]
    return total


def means_over_clips(result: Content) -> Content:
    """Returns the results of `motioncast evaluate synthesis` that documents show."""
    return {name: result[name] for name in ("networks", "summary")}


def errors_by_horizon(result: Content) -> Content:
    """Returns the results of `motioncast evaluate forecast` that documents show."""
    return {
        name: result[name]
        for name in ("setting", "clips", "error_pixels", "error_relative_to_motion")
    }


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A command that takes minutes, and a function that turns its JSON into rows."""

    command: Sequence[str]
    rows: Callable[[Content], list[dict[str, Any]]]
    writes: bool = False  # also writes a folder of results
    alone: bool = False  # run only when named: it needs a Triton server


BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "demo": Benchmark(("demo", "--force"), rows_of_report, writes=True),
    "bench_lite128": Benchmark(("bench", "--model", "lite128"), rows_of_bench),
    "pipelines_lite128": Benchmark(
        ("bench-pipelines", "--model", "lite128"), rows_of_pipelines, alone=True
    ),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Commands that take minutes to hours and need folders of videos, and the results to keep.

    Names in braces: `here` is this repository, `work` a temporary folder; others are given.
    """

    command: Sequence[str]  # the command whose JSON is kept
    kept: Callable[[Content], Content] = means_over_clips
    first: tuple[Sequence[str], ...] = ()  # commands that prepare its input

    @property
    def written(self) -> str:
        """The commands as recorded in the file, without folders that differ from run to run."""
        commands = (" ".join(["motioncast", *one]) for one in (*self.first, self.command))
        return " && ".join(commands).replace("{here}/", "").replace("{work}/", "")


def _quality(options: str) -> Evaluation:
    return Evaluation(shlex.split(f"evaluate synthesis --data {options}"))


def _forecast(configuration: str, data: str, kinds: Mapping[str, str]) -> Evaluation:
    """Returns an evaluation that extracts keypoint tracks and runs every predictor on them."""
    synthesis = f"{{here}}/training/checkpoints/{configuration}_synthesis.pt"
    tracks = f"train tracks --checkpoint {synthesis} --out {{work}}/tracks.npz --data {data}"
    predictors = " ".join(f"--checkpoint-{kind} {file}" for kind, file in kinds.items())
    return Evaluation(
        shlex.split(f"evaluate forecast --tracks {{work}}/tracks.npz {predictors}"),
        errors_by_horizon,
        (shlex.split(tracks),),
    )


_FACE256 = {
    "windowed": "{here}/training/checkpoints/face256_predictor.pt",
    "vrnn": "{here}/training/checkpoints/face256_vrnn.pt",
    "gru": "{here}/training/checkpoints/face256_gru.pt",
    "simlpe": "{here}/training/checkpoints/face256_simlpe.pt",
    "var": "{var}",  # 59 MB, so it is not in the repository; `motioncast train predictor` fits it
}
_LITE128 = {
    "vrnn": "{here}/training/checkpoints/lite128_predictor.pt",
    "gru": "{here}/training/checkpoints/lite128_gru.pt",
    "var": "{here}/training/checkpoints/lite128_var.pt",
}
_INT8 = (
    "export --config lite128 --synthesis {here}/training/checkpoints/lite128_synthesis.pt"
    " --precision int8 --calibration grid/train --repository {work}/int8"
)

EVALUATIONS: Final[Mapping[str, Evaluation]] = {
    "quality_face256_people_test": _quality(
        "people/test --all --frame fixed --model face256 --pattern 1:0 --pattern 1:1 --pattern 5:5"
    ),
    "quality_face256_people_test_at_128": _quality(
        "people/test --all --frame fixed --model face256 --pattern 1:0 --measure-at 128"
    ),
    "quality_face128_people_test": _quality(
        "people/test --all --frame fixed --pattern 1:0"
        " --checkpoint {here}/training/checkpoints/face128_synthesis.pt"
        " --predictor {here}/training/checkpoints/face256_predictor.pt"
    ),
    "quality_face256_grid_unseen_speaker": _quality(
        "grid/unseen_speaker --all --frame fixed --model face256 --pattern 1:0"
    ),
    "quality_face256_grid_test": _quality(
        "grid/test --clips 12 --frame fixed --model face256 --pattern 1:0"
    ),
    "quality_face256_grid_unseen_speaker_at_128": _quality(
        "grid/unseen_speaker --all --frame fixed --model face256 --pattern 1:0 --measure-at 128"
    ),
    "quality_face256_grid_test_at_128": _quality(
        "grid/test --clips 12 --frame fixed --model face256 --pattern 1:0 --measure-at 128"
    ),
    "quality_face256_classic": _quality(
        "classic --all --frame fixed --model face256 --pattern 1:0"
    ),
    "quality_lite128_people_test": _quality(
        "people/test --all --frame fixed --model lite128 --pattern 1:0"
    ),
    "quality_lite128_grid_unseen_speaker": _quality("grid/unseen_speaker --all --model lite128"),
    "quality_lite128_grid_test": _quality("grid/test --all --model lite128"),
    "quality_lite128_classic": _quality("classic --all --model lite128 --pattern 1:0"),
    "forecast_face256_people_test": _forecast("face256", "people/test --frame fixed", _FACE256),
    "forecast_face256_grid_test": _forecast("face256", "grid/test --frame fixed", _FACE256),
    "forecast_lite128_grid_test": _forecast("lite128", "grid/test", _LITE128),
    "forecast_lite128_grid_unseen_speaker": _forecast("lite128", "grid/unseen_speaker", _LITE128),
    "models_lite128": Evaluation(
        shlex.split(
            "models compare {here}/model_repository {work}/int8 --config lite128 --threads 2"
        ),
        rows_of_models,
        (shlex.split(_INT8),),
    ),
}
