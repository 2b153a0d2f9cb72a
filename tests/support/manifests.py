"""Assembles the Kubernetes manifests with `kubectl kustomize`, for tests."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
import yaml

from motioncast.cli.app import app
from motioncast.cli.serve_settings import ServeSettings

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
TREE: Final = DEPLOY / "kubernetes"
OVERLAYS: Final = ("cpu", "keda", "triton", "all-in-one")
COMPONENT: Final = "app.kubernetes.io/component"

Manifest = dict[str, Any]
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@functools.cache
def assembled(overlay: str) -> tuple[Manifest, ...]:
    """Returns the manifests that `kubectl apply --kustomize` would send for an overlay."""
    return kustomized(TREE / "overlays" / overlay)


def kustomized(folder: Path) -> tuple[Manifest, ...]:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not here")
    result = subprocess.run(
        [program, "kustomize", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return tuple(yaml.safe_load_all(result.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in assembled(overlay) if one["kind"] == kind}


def pod_of(deployment: Manifest) -> Manifest:
    found: Manifest = deployment["spec"]["template"]["spec"]
    return found


def ours(overlay: str) -> dict[str, Manifest]:
    """Returns the containers that run this project's program, by Deployment."""
    found = {}
    for name, deployment in of_kind(overlay, "Deployment").items():
        for container in pod_of(deployment)["containers"]:
            if container["name"] == "motioncast":
                found[name] = container
    return found


def settings_of(container: Manifest, folder: Path) -> tuple[str | None, ServeSettings]:
    """Returns a container's service and its settings from file and arguments."""
    return parsed(tuple(one.replace("/etc/motioncast/", f"{folder}/") for one in container["args"]))


@functools.cache
def parsed(arguments: tuple[str, ...]) -> tuple[str | None, ServeSettings]:
    params: dict[str, Any] = command().make_context("serve", list(arguments)).params
    return params["service"], ServeSettings.of(params)


@functools.cache
def command() -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands["serve"]


def folder_of(overlay: str) -> Path:
    return TREE / "overlays" / overlay if overlay == "all-in-one" else TREE / "base"
