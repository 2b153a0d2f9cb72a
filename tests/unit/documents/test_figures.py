"""The documents' figures match docs/figures/measured, which record when and where."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from figures.drawing import BLOCK, INLINE, MEASURED, ROOT, documents, rewritten
from figures.measuring import (
    BENCHMARKS,
    EVALUATIONS,
    rows_of_bench,
    rows_of_models,
    rows_of_pipelines,
    rows_of_report,
)
from figures.tables import TABLES

PAGES = [page for page in documents() if BLOCK.search(page.read_text("utf-8"))]
FILES = sorted(MEASURED.glob("*.json"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_document_s_figures_are_those_that_were_measured(page: Path) -> None:
    text = page.read_text("utf-8")
    assert rewritten(text, TABLES) == text, "python -m figures, with docs on PYTHONPATH"


def test_every_table_is_in_a_document() -> None:
    named = {name for page in PAGES for name, _ in BLOCK.findall(page.read_text("utf-8"))}
    assert named == set(TABLES)


def test_every_measurement_says_when_where_and_how_and_is_shown() -> None:
    for file in FILES:
        content = json.loads(file.read_text("utf-8"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", content["date"]), file.name
        assert content["machine"]["cores"] > 0, file.name
        assert content["machine"]["processor"], file.name
        assert content["command"], file.name
    shown = {file for drawing in TABLES.values() for file in drawing.files}
    assert {file.stem for file in FILES} == shown
    assert set(BENCHMARKS) | set(EVALUATIONS) <= shown


@pytest.mark.parametrize("name", sorted({*BENCHMARKS, *EVALUATIONS}))
def test_a_file_says_the_command_that_writes_it(name: str) -> None:
    if name in EVALUATIONS:
        written = EVALUATIONS[name].written
    else:
        written = " ".join(["motioncast", *BENCHMARKS[name].command])
    content = json.loads((MEASURED / f"{name}.json").read_text("utf-8"))
    assert content["command"] == written


def test_an_evaluation_says_its_commands_without_this_machine_s_folders() -> None:
    assert EVALUATIONS["forecast_lite128_grid_test"].written == (
        "motioncast train tracks --checkpoint training/checkpoints/lite128_synthesis.pt"
        " --out tracks.npz --data grid/test"
        " && motioncast evaluate forecast --tracks tracks.npz"
        " --checkpoint-vrnn training/checkpoints/lite128_predictor.pt"
        " --checkpoint-gru training/checkpoints/lite128_gru.pt"
        " --checkpoint-var training/checkpoints/lite128_var.pt"
    )


@pytest.mark.parametrize("page", ["README.md", "docs/bench.md", "docs/model_cards/face256.md"])
def test_tables_of_quality_and_speed_stand_between_markers(page: str) -> None:
    rest = BLOCK.sub("", (ROOT / page).read_text("utf-8"))
    assert not re.search(r"^\|(?! `).*\b(PSNR|frames/s|ratio|horizon)\b", rest, re.MULTILINE)


def test_a_figure_that_differs_from_its_measurement_is_put_right() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    (name, block), *_ = BLOCK.findall(page)
    wrong = INLINE.sub(r"\g<1>9.99\g<7>", page.replace(block, block.replace(".", ",")))
    assert wrong != page
    assert name in TABLES
    assert rewritten(wrong, TABLES) == page


def test_the_rows_of_a_report_are_what_was_sent_and_its_rivals() -> None:
    rival = {"codec": "x264", "bytes": 50, "bits_per_second": 200.0, "psnr_db": 30.0}
    report = {
        "bytes": {"config": 1, "source": 60, "frames": 0, "keypoints": 39, "results": 9000},
        "frames": {"total": 50},
        "configuration": {"frame_rate": 25.0},
        "quality": {"all": {"psnr_db": 31.5}},
        "rivals": [rival | {"rate_factor": 30}],
    }
    ours, theirs = rows_of_report(report)
    assert (ours["bytes"], ours["kbit_per_second"], ours["psnr_db"]) == (100, 0.4, 31.5)
    assert theirs == {"name": "x264", "bytes": 50, "kbit_per_second": 0.2, "psnr_db": 30.0}


def test_the_rows_of_a_bench_are_its_results_by_streams() -> None:
    row = {"streams": 4, "frames_per_second": 9.0, "raw_frames_per_second": 10.0, "ratio": 0.9}
    assert rows_of_bench({"results": [row | {"frames": 60}]}) == [row]


def test_the_rows_of_pipelines_are_whole_milliseconds() -> None:
    times = {"p50_ms": 109.4, "p95_ms": 129.6, "p99_ms": 140.0}
    result = {
        "engine": "triton",
        "streams": 4,
        "pipeline": "ensemble",
        "frames_per_second": 12.5,
        "group": times,
        "first_frame": times,
    }
    assert rows_of_pipelines({"results": [result]}) == [
        {
            "engine": "triton",
            "streams": 4,
            "pipeline": "ensemble",
            "frames_per_second": 12.5,
            "group_p50_ms": 109,
            "group_p95_ms": 130,
            "first_p50_ms": 109,
            "first_p95_ms": 130,
        }
    ]


def test_the_rows_of_models_are_cpu_time_and_how_much_less_of_it() -> None:
    def speeds(detector: float, synthesis: float) -> dict[str, object]:
        parts = {"detector": {"cpu": detector}, "synthesis": {"cpu": synthesis}}
        return {"speeds": [{"frames": 10, **parts}]}

    rows = rows_of_models({"repositories": [speeds(2.0, 6.0), speeds(1.0, 3.0)]})["rows"]
    assert [(row["networks"], row["total_ms"], row["times"]) for row in rows] == [
        ("float32", 8.0, 1.0),
        ("INT8", 4.0, 2.0),
    ]
