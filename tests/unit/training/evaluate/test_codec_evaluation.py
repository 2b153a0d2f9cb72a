"""The figures of the codec's evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.codec_tables import plain_tables

from motioncast.codec.tables_file import write_tables
from motioncast.data.keypoints import Tracks, save_tracks
from motioncast.evaluate.codec import main, measure


def test_who_stands_still_costs_headers_alone() -> None:
    clip = np.full((11, 3, 3), 0.25, np.float32)
    alone = measure(plain_tables(3), [clip], "frame before")
    five = measure(plain_tables(3), [clip], "frame before, 5 in a packet")

    assert (alone.clips, alone.frames, alone.error_pixels) == (1, 10, 0.0)
    assert alone.headers_kbits - alone.payload_kbits == pytest.approx(4 * 8 * 25 / 1000)
    assert five.headers_kbits - five.payload_kbits == pytest.approx(4 * 8 * 25 / 1000 / 5)
    assert alone.payload_kbits * 1000 / 25 < alone.information_bits + 8  # whole bytes


def test_the_error_is_the_distance_to_what_was_found() -> None:
    tables = plain_tables(3, step=1638)  # a tenth of half a side, more than the motion
    clip = np.zeros((2, 3, 3), np.float32)
    clip[1, :, 0] = 0.03  # less than half a step
    assert measure(tables, [clip], "source").error_pixels == pytest.approx(0.03 * 127.5, abs=0.01)


def test_no_clip_of_two_frames_has_nothing_to_send() -> None:
    with pytest.raises(ValueError, match="all are shorter than two frames"):
        measure(plain_tables(3), [np.zeros((1, 3, 3), np.float32)], "source")


def test_a_coarseness_that_is_none_and_a_missing_file_are_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "toy_keypoint"
    folder.mkdir()
    (folder / "codec.json").write_text(write_tables(plain_tables(3)))
    given = ["--model", "toy", "--models", str(tmp_path), "--tracks", str(tmp_path / "t.npz")]
    with pytest.raises(SystemExit) as stopped:
        main(given)
    assert stopped.value.code == 2
    assert "t.npz" in capsys.readouterr().err

    still = torch.full((5, 3, 3), 0.25)
    save_tracks(Tracks(("a",), (0, 5), still, (False,)), tmp_path / "t.npz")
    with pytest.raises(SystemExit) as stopped:
        main([*given, "--coarseness", "8"])
    assert stopped.value.code == 2
    assert "coarseness" in capsys.readouterr().err
    main([*given, "--coarseness", "3", "--coarseness", "4", "--json", str(tmp_path / "c.json")])
    rows = json.loads((tmp_path / "c.json").read_text())["rows"]
    assert [row["coarseness"] for row in rows[-2:]] == [3, 4]
