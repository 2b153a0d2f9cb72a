"""Output appears whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from motioncast.cli.before import check_json
from motioncast.cli.failures import CommandError
from motioncast.cli.output import whole_file, whole_folder, write_json


def _everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _write_and_fail(out: Path, error: BaseException) -> None:
    with whole_folder(out) as folder:
        (folder / "report.json").write_text("new")
        raise error


def test_files_of_a_whole_folder_appear_when_the_block_ends(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with whole_folder(out) as folder:
        (folder / "a.txt").write_text("a")
        assert not (out / "a.txt").exists()
    assert _everything_below(tmp_path) == {"new", "new/out", "new/out/a.txt"}


def test_a_block_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        _write_and_fail(tmp_path / "new" / "out", RuntimeError())
    assert _everything_below(tmp_path) == set()


def test_an_existing_folder_keeps_its_other_files_and_gets_new_versions(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "report.json").write_text("old")
    with whole_folder(tmp_path) as folder:
        (folder / "report.json").write_text("new")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "report.json").read_text() == "new"
    assert _everything_below(tmp_path) == {"mine.txt", "report.json"}


def test_a_block_that_fails_leaves_an_existing_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_and_fail(tmp_path, KeyboardInterrupt())
    assert (tmp_path / "report.json").read_text() == "old"
    assert _everything_below(tmp_path) == {"report.json"}


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(NotADirectoryError, match="out"), whole_folder(tmp_path / "out" / below):
        pass
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder"), whole_file(tmp_path):
        pass


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", {"psnr_db": 31.5, "reason": None})
    assert json.loads((tmp_path / "value.json").read_text()) == {"psnr_db": 31.5, "reason": None}


def test_a_value_that_json_lacks_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", {"psnr_db": math.inf})
    assert _everything_below(tmp_path) == set()


@contextmanager
def _as_an_ordinary_user() -> Iterator[None]:
    """Drops root's privileges during the block, since root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="no such users here")
def test_a_folder_that_cannot_be_written_is_named_itself() -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        with _as_an_ordinary_user():
            with pytest.raises(PermissionError) as refused, whole_folder(Path(name)):
                pass
            with pytest.raises(CommandError, match=r"^json: .* is not a writable folder"):
                check_json(Path(name) / "new" / "report.json")
        assert refused.value.filename == name
        assert _everything_below(Path(name)) == set()
