"""`motioncast send --refresh` and `--first-quality` send further sources when needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import Run
from support.toy_models import image_with_points
from support.videos import write_video

FRAMES = 45


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    points = [((2 + t % 8, 9), (4, 11 - t % 5)) for t in range(FRAMES)]
    write_video(path, np.stack([image_with_points(*each) for each in points]))
    return path


def sent(
    run: Run, film: Path, coded_target: str, coded_repository: Path, out: Path, *options: str
) -> Any:
    ends = ("--target", coded_target, "--models", coded_repository)
    result = run("send", film, *ends, "--watchers", "0", "--json", out, *options)
    assert result.code == 0, result.err
    return json.loads(out.read_text())["traffic"]


def test_a_poor_picture_and_a_better_first_one_are_sources_too(
    run: Run, film: Path, coded_target: str, coded_repository: Path, tmp_path: Path
) -> None:
    def traffic(*options: str) -> Any:
        return sent(run, film, coded_target, coded_repository, tmp_path / "sent.json", *options)

    once = traffic()["source"]
    assert traffic("--refresh", "1")["source"] == once  # no picture is that poor
    assert traffic("--refresh", "60")["source"] > 1.3 * once  # all pictures are
    assert 1.3 * once < traffic("--first-quality", "20")["source"] < 2.2 * once


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--refresh", "30", "--source", "x.png"], "refresh: cannot be combined with --source"),
        (["--first-quality", "30", "--encoding", "webp"], "first-quality: requires --encoding"),
    ],
)
def test_options_that_cannot_be_together_are_refused(
    run: Run, film: Path, options: list[str], words: str
) -> None:
    result = run("send", film, *options)
    assert result.code == 1
    assert words in result.err
