"""Compose files obey the compose specification, and the program reads every setting in deploy/."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from motioncast.cli.serve_settings import SECTIONS
from motioncast.cli.settings_sources import from_environment
from motioncast.inference.kserve.errors import SECRET_VARIABLE
from motioncast.inference.repository import ENVIRONMENT_VARIABLE
from motioncast.serving import http

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
COMPOSE: Final = sorted(DEPLOY.glob("compose*.yaml"))


def check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run(
        [*command, str(file)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_compose_files_obey_the_specification(file: Path) -> None:
    ended = check(file)
    assert ended.returncode == 0, ended.stdout


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(text.replace("depends_on:", "depend_on:", 1), "utf-8")
    ended = check(wrong)
    assert ended.returncode == 1
    assert "depend_on" in ended.stdout


def test_every_variable_that_deployment_files_set_is_read_by_the_program() -> None:
    files = [DEPLOY / "Dockerfile", *COMPOSE, *(DEPLOY / "kubernetes").rglob("*.yaml")]
    text = "\n".join(file.read_text("utf-8") for file in files)
    named = set(re.findall(r"\bMOTIONCAST_[A-Z][A-Z_]*", text))
    others = {SECRET_VARIABLE, ENVIRONMENT_VARIABLE}
    assert others <= named
    said = dict(re.findall(r"name: (MOTIONCAST_\w+), value: \"?([^\"}\s]+)", text))
    read = from_environment(dict.fromkeys(named - others, "1") | said, SECTIONS, others)
    assert len(read) == len(named - others)


def test_every_probe_asks_for_a_path_that_the_http_server_has() -> None:
    files = [DEPLOY / "Dockerfile", *(DEPLOY / "kubernetes").rglob("*.yaml")]
    asked = {
        path
        for file in files
        for path in re.findall(r"httpGet:.*?path: (/[\w/]+)|:8050(/\w+)", file.read_text("utf-8"))
        for path in path
        if path and not path.startswith("/v2/")  # Triton's
    }
    served = Path(http.__file__).read_text("utf-8")
    assert asked == {"/live", "/ready"}
    assert all(json.dumps(path) in served for path in asked)
