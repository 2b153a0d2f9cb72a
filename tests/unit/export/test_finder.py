"""The shipped face finder is copied into repositories of framed models."""

from pathlib import Path

import pytest

from motioncast.export.finder import add_finder
from motioncast.framing import FINDER
from motioncast.inference.own_models import USER_VARIABLE
from motioncast.inference.repository import find_models, shipped_repository


def test_a_repository_of_framed_models_gets_the_shipped_face_finder(tmp_path: Path) -> None:
    add_finder(tmp_path)
    shipped = find_models(shipped_repository())[FINDER].read_bytes()
    assert find_models(tmp_path)[FINDER].read_bytes() == shipped
    assert [one.name for one in tmp_path.iterdir()] == [FINDER]


def test_the_face_finder_of_a_repository_is_kept(tmp_path: Path) -> None:
    own = tmp_path / FINDER / "1" / "model.onnx"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"own")
    add_finder(tmp_path)
    assert own.read_bytes() == b"own"


def test_the_users_own_models_are_served_with_the_shipped_face_finder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_VARIABLE, str(tmp_path))
    add_finder(tmp_path)
    assert list(tmp_path.iterdir()) == []
