"""Which existing results may be overwritten, and by which command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motioncast.cli.before import check_replaceable, holds_results_of
from motioncast.cli.failures import CommandError


def test_a_folder_without_results_takes_them(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "new", force=False)
    (tmp_path / "notes.txt").write_text("mine")
    check_replaceable(tmp_path, force=False)


@pytest.mark.parametrize("name", ["result.mp4", "report.json", "full_picture.mp4"])
def test_results_are_replaced_by_force_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CommandError, match=r"already contains results; --force replaces them$"):
        check_replaceable(tmp_path, force=False)
    check_replaceable(tmp_path, force=True)


def test_results_are_known_by_their_video(tmp_path: Path) -> None:
    report = {"configuration": {"video": "interview.mp4"}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert holds_results_of(tmp_path, "interview.mp4")
    assert not holds_results_of(tmp_path, "talk.mp4")
    assert not holds_results_of(tmp_path / "none", "interview.mp4")
    (tmp_path / "report.json").write_text("[]")
    assert not holds_results_of(tmp_path, "interview.mp4")
