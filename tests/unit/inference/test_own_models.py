"""User models are served alongside the shipped ones and never written into a package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from motioncast.inference import default_repository
from motioncast.inference.own_models import joined, user_models
from motioncast.inference.repository import find_models, own_repository, shipped_repository


def model(repository: Path, name: str, content: str = "x") -> Path:
    file = repository / name / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    (file.parents[1] / "config.pbtxt").write_text("")
    return file


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    monkeypatch.setenv("MOTIONCAST_USER_MODELS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    model(tmp_path / "shipped", "face256_keypoint", "shipped")
    return tmp_path / "shipped"


def test_without_models_of_ones_own_the_shipped_folder_is_served(own: Path, shipped: Path) -> None:
    assert joined(shipped) == shipped
    assert default_repository() == shipped_repository()


def test_both_are_in_one_repository(own: Path, shipped: Path) -> None:
    mine = model(own, "ada_keypoint")
    found = find_models(joined(shipped))
    assert list(found) == ["ada_keypoint", "face256_keypoint"]
    assert found["ada_keypoint"].samefile(mine)


def test_a_shipped_model_is_not_replaced_by_one_of_its_name(own: Path, shipped: Path) -> None:
    model(own, "face256_keypoint", "mine")
    assert find_models(joined(shipped))["face256_keypoint"].read_text() == "shipped"


def test_the_repository_follows_what_comes_and_goes(own: Path, shipped: Path) -> None:
    first, second = model(own, "ada_keypoint"), model(own, "bob_keypoint")
    view = joined(shipped)
    first.rename(first.with_suffix(".gone"))
    (first.parents[1] / "config.pbtxt").unlink()
    third = model(own, "cy_keypoint")
    assert joined(shipped) == view
    assert set(find_models(view)) == {"bob_keypoint", "cy_keypoint", "face256_keypoint"}
    assert second.is_file()
    assert third.is_file()


def test_two_installations_do_not_disturb_each_other(own: Path, shipped: Path) -> None:
    model(own, "ada_keypoint")
    other = shipped.with_name("other")
    model(other, "lite128_keypoint")
    assert joined(shipped) != joined(other)
    assert "lite128_keypoint" not in find_models(joined(shipped))


def test_a_repository_that_is_named_is_where_ones_own_models_go(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_repository() == own
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", str(tmp_path))
    assert own_repository() == default_repository() == tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is another elsewhere")
def test_on_linux_they_lie_where_the_system_keeps_such_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MOTIONCAST_USER_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert user_models() == tmp_path / "motioncast" / "models"
