"""The three distributions share one version, and each source root is in exactly one of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
FILES: Final = ("pyproject.toml", "services/pyproject.toml", "training/pyproject.toml")


def read(file: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / file).read_text("utf-8"))


def requirements(project: dict[str, Any]) -> list[str]:
    extras = project.get("optional-dependencies", {}).values()
    return [*project["dependencies"], *(one for extra in extras for one in extra)]


def test_they_have_one_version() -> None:
    [version] = {read(file)["project"]["version"] for file in FILES}
    pinned = [
        one
        for file in FILES
        for one in requirements(read(file)["project"])
        if re.match(r"motioncast-|motioncast(\[cli\])?==", one)
    ]
    assert len(pinned) > 5
    assert {one.partition("==")[2] for one in pinned} == {version}


@pytest.mark.parametrize("root", ["proto", "clients", "services", "training", "export"])
def test_every_source_root_is_installed_by_one_of_them(root: str) -> None:
    folders = [
        ((ROOT / file).parent / folder).resolve()
        for file in FILES
        for folder in read(file)["tool"]["hatch"]["build"]["dev-mode-dirs"]
    ]
    assert folders.count(ROOT / root) == 1


def test_the_client_needs_nothing_heavy() -> None:
    names = {
        re.split(r"[\[<>=]", one)[0] for one in read("pyproject.toml")["project"]["dependencies"]
    }
    assert names == {
        "av", "googleapis-common-protos", "grpcio", "grpcio-status", "numpy", "pillow", "protobuf"
    }  # fmt: skip


def test_only_what_trains_needs_torch() -> None:
    needing = [
        file
        for file in FILES
        if any(one.startswith("torch") for one in requirements(read(file)["project"]))
    ]
    assert needing == ["training/pyproject.toml"]


def test_every_release_that_is_needed_is_fixed() -> None:
    text = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    fixed = {line.partition("==")[0] for line in text.split()}
    needed = {
        re.split(r"[\[<>=~;]", one)[0].lower().replace("_", "-")
        for file in FILES
        for one in requirements(read(file)["project"])
    }
    ours = {one for one in needed if one.startswith("motioncast")}
    assert needed - ours - fixed <= {"onnxruntime-gpu"}
