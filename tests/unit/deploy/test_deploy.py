"""The files in deploy/ agree with one another and with the command line."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from motioncast.cli.app import app
from motioncast.cli.serve_settings import SECTIONS, ServeSettings
from motioncast.cli.serving import ports_of_one
from motioncast.cli.settings_sources import from_file
from motioncast.inference.kserve.errors import SECRET_VARIABLE
from motioncast.inference.kserve.settings import SECRET_HEADER

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = ("keypoint", "predictor", "synthesis", "orchestrator")


def read(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def options(name: str, file: str = "compose.yaml") -> dict[str, Any]:
    """Returns the options `motioncast serve` parses from a service's command in a compose file."""
    command: list[str] = read(file)["services"][name]["command"]
    mounted = dict(
        mount.split(":")[1::-1] for mount in read("compose.yaml")["x-service"]["volumes"]
    )
    here = [argument.replace("=/etc", f"={DEPLOY}") for argument in command]
    assert mounted == {"/etc/motioncast.toml": "./motioncast.toml"}
    group: Any = typer.main.get_command(app)
    params: dict[str, Any] = group.commands["serve"].make_context("serve", here).params
    return params


def port_of(name: str) -> int:
    """Returns the gRPC port at which a service listens."""
    return ports_of_one(ServeSettings.of(options(name)).listen, name).grpc


@pytest.mark.parametrize("name", SERVICES)
def test_the_command_line_understands_each_command_of_the_compose_file(name: str) -> None:
    parsed = options(name)
    assert parsed["service"] == name
    assert parsed["listen_host"] == "0.0.0.0"
    assert parsed["log_json"]


def test_the_example_file_names_every_setting_with_its_default() -> None:
    text = (DEPLOY / "motioncast.toml").read_text()
    given = from_file(DEPLOY / "motioncast.toml", SECTIONS)
    commented = re.findall(r"^# (\w+) = (\S+)", text, re.MULTILINE)
    listed = {key for key, _ in commented} | {"port"} | {name.partition("_")[2] for name in given}
    assert {one.name for kind in SECTIONS.values() for one in fields(kind)} <= listed
    for section in ("sessions", "calls"):
        shown = text.partition(f"[{section}]")[2].partition("\n[")[0]
        defaults = SECTIONS[section]()
        for key, value in re.findall(r"^# (\w+) = ([\d.]+)", shown, re.MULTILINE):
            assert getattr(defaults, key) in (float(value), None), key


def test_the_orchestrator_is_told_where_the_others_listen() -> None:
    orchestrator = options("orchestrator")
    for name in ("keypoint", "predictor", "synthesis"):
        assert orchestrator[f"services_{name}"] == f"dns:///{name}:{port_of(name)}"


@pytest.mark.parametrize("name", ["keypoint", "predictor", "synthesis"])
def test_on_triton_a_service_differs_in_nothing_but_who_runs_its_model(name: str) -> None:
    ours, on_triton = options(name), options(name, "compose.triton.yaml")
    assert on_triton | {"triton_url": None} == ours
    assert on_triton["triton_url"] == "triton:8001"  # Triton's own port for gRPC
    assert read("compose.triton.yaml")["services"][name]["depends_on"].keys() == {"triton"}


def test_triton_finds_the_repository_its_gpu_configs_and_their_cache() -> None:
    triton = read("compose.triton.yaml")["services"]["triton"]
    mounts = dict(mount.split(":")[:2] for mount in triton["volumes"])
    assert mounts["../model_repository"] == "/models"
    assert "--model-repository=/models" in triton["command"]
    [name] = [it.partition("=")[2] for it in triton["command"] if "--model-config-name" in it]
    configs = list((DEPLOY / "../model_repository").glob(f"*/configs/{name}.pbtxt"))
    assert configs
    cached = {path for file in configs for path in re.findall(r'value: "(/.*)"', file.read_text())}
    assert cached <= {mounts["tensorrt"]}


def test_triton_asks_for_the_secret_that_the_services_send() -> None:
    services = read("compose.triton.yaml")["services"]
    key = SECRET_HEADER.removeprefix("triton-grpc-protocol-")
    restricted = [it for it in services["triton"]["command"] if "-restricted-" in it]
    assert len(restricted) == 2  # gRPC and HTTP
    for option in restricted:
        assert "model-repository,shared-memory" in option
        assert f":{key}=${{{SECRET_VARIABLE}:?" in option  # compose refuses to start without
    for name in ("keypoint", "predictor", "synthesis"):
        assert services[name]["environment"] == {SECRET_VARIABLE: f"${{{SECRET_VARIABLE}}}"}


def test_prometheus_scrapes_every_service_at_its_http_port() -> None:
    jobs = read("prometheus/prometheus.yml")["scrape_configs"]
    scraped = {job["job_name"]: job["dns_sd_configs"] for job in jobs}
    assert set(scraped) == set(SERVICES)
    for name, (discovery,) in scraped.items():
        assert discovery["names"] == [name]
        assert discovery["port"] == options(name)["listen_http_port"]


def test_the_health_check_of_the_image_asks_the_port_that_every_service_has() -> None:
    asked = re.search(
        r"HEALTHCHECK.*?127\.0\.0\.1:(\d+)/ready", (DEPLOY / "Dockerfile").read_text(), re.DOTALL
    )
    assert asked is not None
    assert {options(name)["listen_http_port"] for name in SERVICES} == {int(asked[1])}


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    allowed = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M))
    assert copied == allowed
    assert {name for name in copied if not (ROOT / name).exists()} == set()


def test_what_is_mounted_into_the_containers_is_there() -> None:
    mounts = [
        mount.split(":")[0]
        for service in read("compose.yaml")["services"].values()
        for mount in service.get("volumes", ())
    ]
    files = [mount for mount in mounts if mount.startswith(".")]
    assert len(files) == 3 + len(SERVICES)
    assert [file for file in files if not (DEPLOY / file).exists()] == []
