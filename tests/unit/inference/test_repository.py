"""Locating models on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

import motioncast
from motioncast.inference import default_repository, repository
from motioncast.inference.repository import find_models
from motioncast.wire.errors import InvalidInputError


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_highest_version_of_each_model_is_found_by_number(tmp_path: Path) -> None:
    put(tmp_path, "b/9/model.onnx", "b/10/model.onnx", "a/1/model.onnx")
    assert list(find_models(tmp_path).items()) == [
        ("a", tmp_path / "a/1/model.onnx"),
        ("b", tmp_path / "b/10/model.onnx"),
    ]


def test_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a/1/model.onnx", "a/config.pbtxt", "README.md", "a/draft/model.onnx")
    (tmp_path / "ensemble" / "1").mkdir(parents=True)
    assert find_models(tmp_path) == {"a": tmp_path / "a/1/model.onnx"}


def test_a_repository_without_models_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"contains no model \(<model>/<version>/"):
        find_models(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"^repository: .*/nowhere is not a folder$"):
        find_models(tmp_path / "nowhere")


def test_the_environment_names_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTIONCAST_MODEL_REPOSITORY", "/some/where")
    assert default_repository() == Path("/some/where")


def test_an_installed_package_brings_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "lib" / "site-packages" / "motioncast"
    monkeypatch.delenv("MOTIONCAST_MODEL_REPOSITORY", raising=False)
    monkeypatch.setenv("MOTIONCAST_USER_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr(repository, "__file__", str(packages / "inference" / "repository.py"))
    monkeypatch.setattr(motioncast, "__path__", [str(packages)])
    with pytest.raises(InvalidInputError, match=r"set MOTIONCAST_MODEL_REPOSITORY to their"):
        default_repository()
    put(packages, "model_repository/a/1/model.onnx")
    assert default_repository() == packages / "model_repository"
