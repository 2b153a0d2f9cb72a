"""Checks before a server is started: ports, platform, settings."""

from __future__ import annotations

import platform
import socket
import sys
from pathlib import Path

import pytest

from motioncast.triton import TritonSettings
from motioncast.triton.installation import Installation
from motioncast.triton.ports import take_ports
from motioncast.wire.errors import InvalidInputError, UnavailableError


def test_ports_that_are_left_open_are_free_and_differ() -> None:
    ports = take_ports("127.0.0.1", port=0, metrics_port=0)
    assert len(set(ports.values())) == 2
    for port in ports.values():
        socket.create_server(("127.0.0.1", port)).close()


def test_a_free_port_that_is_wanted_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert take_ports("127.0.0.1", port=port, metrics_port=0)["port"] == port


def test_one_port_cannot_serve_twice() -> None:
    port = take_ports("127.0.0.1", port=0)["port"]
    with pytest.raises(UnavailableError, match=rf"cannot listen on 127.0.0.1:{port} "):
        take_ports("127.0.0.1", port=port, metrics_port=port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"^port: cannot listen on 192.0.2.1:"):
        take_ports("192.0.2.1", port=0)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_a_platform_without_a_wheel_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(UnavailableError) as refused:
        Installation.find()
    assert str(refused.value) == (
        f"engine: Triton cannot be embedded on {system} {machine}; "
        "connect to one that runs elsewhere (--triton-url)"
    )


def test_a_python_that_has_no_numpy_1_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(UnavailableError, match=r"only in 3\.11 and 3\.12; connect to one"):
        Installation.find()


@pytest.mark.parametrize(
    ("field", "value"),
    [("port", -1), ("metrics_port", 65536), ("drain_seconds", -0.5), ("canary_seconds", -1.0)],
)
def test_a_setting_out_of_its_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{field}: "):
        TritonSettings(Path(), **{field: value})  # type: ignore[arg-type]
