"""`evaluate sources`: the gain from further sources, of a clip's past and by two oracles."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.toy_models import image_with_points
from support.toy_sources import build_telling_repository
from support.videos import write_video

from motioncast.evaluate import sources_command
from motioncast.evaluate.original import FrameFigures
from motioncast.evaluate.several_sources import WAYS, Way, far_apart, gather, in_hindsight
from motioncast.sources import ChoiceSettings, GatherSettings

AT_ONCE = ChoiceSettings(margin=0, rest_frames=0)


def mouths(*openings: float) -> NDArray[np.float32]:
    return np.array(
        [[[-1, 0, 0], [1, 0, 0], [0, one, 0], [0, -one, 0]] for one in openings], np.float32
    )


def figures(*psnr: float) -> FrameFigures:
    return FrameFigures(*[np.array(psnr, np.float64)] * 3)


def test_a_source_is_used_from_the_frame_on_that_it_is() -> None:
    keypoints = mouths(0.1, 0.9, 0.1, 0.9, 0.9)
    settings = GatherSettings(threshold=0.1, rest_frames=3)
    # Frame 1 would have become a source but is too soon after frame 0.
    assert gather(keypoints, (), settings, AT_ONCE) == Way([0, 3], [0, 0, 0, 1, 1])


def test_no_frame_to_come_is_known() -> None:
    keypoints = mouths(0.1, 0.3, 0.9, 0.2, 0.8, 0.5)
    settings = GatherSettings(threshold=0.05, rest_frames=1)
    whole = gather(keypoints, (), settings, AT_ONCE)
    for length in range(1, 6):
        part = gather(keypoints[:length], (), settings, AT_ONCE)
        assert part.chosen == whole.chosen[:length]
        assert part.places == [place for place in whole.places if place < length]


def test_each_far_source_is_what_those_before_it_show_worst() -> None:
    assert far_apart(mouths(0.5, 0.55, 0.1, 0.9, 0.5), (), 3) == [0, 2, 3]


def test_there_are_no_more_far_sources_than_different_frames() -> None:
    assert far_apart(mouths(0.5, 0.9, 0.5), (), 4) == [0, 1]


def test_hindsight_takes_the_best_of_the_sources_there_are_by_then() -> None:
    made = [figures(40, 30, 20, 35), figures(99, 99, 40, 30)]
    assert in_hindsight([0, 2], made) == Way([0, 2], [0, 0, 1, 0])


def test_the_command_measures_every_way_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, row in (("a.mkv", 9), ("b.mkv", 12)):
        points = [((2 + t % 8, row), (4, 11 - t % 5)) for t in range(24)]
        write_video(folder / name, np.stack([image_with_points(*each) for each in points]))
    models = build_telling_repository(tmp_path / "models")
    data = ["--data", str(folder), "--cache", str(tmp_path / "cache"), "--models", str(models)]
    sources_command.main([*data, "--threads", "1", "--sources", "3", "--out", str(tmp_path)])

    page = capsys.readouterr().out
    assert "| toy | gathered |" in page
    results = json.loads((tmp_path / "sources" / "results.json").read_text())
    rows = {row["sources"]: row for row in results["summary"]}
    assert tuple(rows) == WAYS
    assert (rows["one"]["images"], rows["one"]["gain_db"], rows["one"]["changes"]) == (1, 0, 0)
    assert 1 < rows["gathered"]["images"] <= 3
    assert rows["spread"]["images"] == 3
    assert rows["hindsight"]["psnr_db"] >= rows["gathered"]["psnr_db"]
    for row in rows.values():
        assert row["gain_db"] == pytest.approx(row["psnr_db"] - rows["one"]["psnr_db"])
    with (tmp_path / "sources" / "per_clip.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["clip"] for line in lines] == ["a.mkv"] * 5 + ["b.mkv"] * 5
    assert len({line["frames"] for line in lines[:5]}) == 1  # the same frames for all


@pytest.mark.parametrize("count", ["0", "5"])
def test_so_many_sources_are_refused(
    count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        sources_command.main(["--data", str(tmp_path), "--sources", count])
    assert ended.value.code == 2
    assert f"sources: {count} is out of range [1, 4]" in capsys.readouterr().err
