"""Precedence of `serve` settings: command line, environment, file, defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer.main

from motioncast.cli.app import app
from motioncast.cli.serve_settings import SECTIONS, ServeSettings, parameters
from motioncast.cli.session_settings import PipelineName
from motioncast.cli.settings_sources import SettingsError, from_environment, from_file


def settings(*arguments: str) -> ServeSettings:
    """Returns the settings `motioncast serve` would use."""
    group: Any = typer.main.get_command(app)
    context = group.commands["serve"].make_context("serve", list(arguments))
    return ServeSettings.of(context.params)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "motioncast.toml"
    path.write_text(
        '[listen]\nport = 1\nhttp_port = 11\n[sessions]\nsilence = 3\npipeline = "ensemble"\n'
        '[log]\njson = true\n[models]\nrepository = "models"\n'
    )
    return path


def test_without_anything_the_defaults_hold() -> None:
    assert settings() == ServeSettings()


def test_the_file_counts_more_than_the_defaults(file: Path) -> None:
    found = settings("--config", str(file))
    assert (found.listen.port, found.listen.http_port, found.listen.host) == (1, 11, "127.0.0.1")
    assert (found.sessions.silence, found.sessions.pipeline) == (3.0, PipelineName.ENSEMBLE)
    assert found.log.json
    assert found.models.repository == file.parent / "models"  # relative to the file


def test_the_environment_counts_more_than_the_file_and_the_command_line_most(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTIONCAST_CONFIG", str(file))
    monkeypatch.setenv("MOTIONCAST_LISTEN_PORT", "2")
    monkeypatch.setenv("MOTIONCAST_LISTEN_HTTP_PORT", "12")
    monkeypatch.setenv("MOTIONCAST_LOG_JSON", "no")
    found = settings("--http-port", "23")
    assert (found.listen.port, found.listen.http_port) == (2, 23)
    assert not found.log.json


def test_every_setting_has_one_option_and_the_earlier_names_are_kept() -> None:
    group: Any = typer.main.get_command(app)
    options = [name for one in group.commands["serve"].params for name in one.opts]
    assert len(options) == len(set(options)) == 2 + len(parameters())  # and service and file
    earlier = (
        "host port http-port keypoint predictor synthesis models model threads max-runs provider "
        "precision engine triton-url triton-tls triton-root-certificates triton-client-certificate "
        "triton-client-key pipeline max-sessions max-sessions-per-peer silence max-message-bytes "
        "max-concurrent-calls max-queued-calls drain-grace log-level log-json"
    )
    assert {f"--{name}" for name in earlier.split()} <= set(options)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[lissen]", "lissen is unknown (expected one of listen, ssl, tokens, services, models,"),
        (
            "[listen]\nprot = 1",
            "listen.prot is unknown (expected one of host, port, http_port, insecure)",
        ),
        ("[listen]\nport = '1'", "listen.port is '1' (expected a whole number)"),
        ("[listen]\nport = 1.5", "listen.port is 1.5 (expected a whole number)"),
        ("[listen]\nport = true", "listen.port is True (expected a whole number)"),
        ("[listen]\nhost = 1", "listen.host is 1 (expected a string)"),
        ("[log]\njson = 1", "log.json is 1 (expected true or false)"),
        ("[sessions]\nsilence = 'long'", "sessions.silence is 'long' (expected a number)"),
        ("[sessions]\npipeline = 'both'", "is 'both' (expected one of services, ensemble)"),
        ("listen = 1", "listen is 1 (expected a section)"),
        ("[listen", "is not valid TOML (Expected ']'"),
    ],
)
def test_what_a_file_cannot_say_is_named_with_the_file(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        from_file(path, SECTIONS)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read \(No such file"):
        from_file(tmp_path / "none.toml", SECTIONS)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MOTIONCAST_LISTEN_PORT", "x", "MOTIONCAST_LISTEN_PORT is 'x' (expected a whole number)"),
        ("MOTIONCAST_LOG_JSON", "maybe", "MOTIONCAST_LOG_JSON is 'maybe' (expected true or false)"),
        ("MOTIONCAST_LISTEN_PROT", "1", "MOTIONCAST_LISTEN_PROT is unknown (expected one of"),
    ],
)
def test_what_a_variable_cannot_say_is_named(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({variable: value}, SECTIONS)
    assert sentence in str(caught.value)


def test_other_variables_and_empty_ones_say_nothing() -> None:
    variables = {
        "MOTIONCAST_MODEL_REPOSITORY": "/models",
        "MOTIONCAST_TRITON_SECRET": "never-in-a-setting",
        "MOTIONCAST_LISTEN_PORT": "",
        "MOTIONCAST_SESSIONS_MAXIMUM": "8",
    }
    found = from_environment(variables, SECTIONS, ["MOTIONCAST_TRITON_SECRET"])
    assert found == {"sessions_maximum": 8}


def test_what_kubernetes_sets_for_a_service_is_no_setting() -> None:
    variables = {
        "MOTIONCAST_TRITON_SERVICE_HOST": "10.0.0.7",
        "MOTIONCAST_TRITON_SERVICE_PORT_GRPC": "8001",
        "MOTIONCAST_TRITON_PORT": "tcp://10.0.0.7:8001",
        "MOTIONCAST_TRITON_PORT_8001_TCP_ADDR": "10.0.0.7",
    }
    assert from_environment(variables, SECTIONS) == {}
