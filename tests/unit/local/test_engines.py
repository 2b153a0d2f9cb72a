"""Every registered engine: its name, factory and accepted options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from motioncast.inference import OnnxRuntimeEngine
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.local.engines import ENGINES, REGISTRY, EngineOptions, kind_of, make_engine
from motioncast.triton import TritonEngine
from motioncast.wire.errors import InvalidInputError


def test_the_registry_has_these_engines() -> None:
    assert list(ENGINES) == ["inprocess", "triton", "remote"]
    assert len(ENGINES) == len(REGISTRY)


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("inprocess", EngineOptions(repository=Path()), OnnxRuntimeEngine),
        ("triton", EngineOptions(repository=Path()), TritonEngine),
        ("remote", EngineOptions(server=KServeSettings("h:1")), KServeEngine),
    ],
)
def test_each_makes_its_engine(name: str, options: EngineOptions, kind: type) -> None:
    assert type(make_engine(name, options)) is kind


@pytest.mark.parametrize("name", list(ENGINES))
def test_each_refuses_what_it_does_not_take(name: str) -> None:
    server = KServeSettings("h:1") if "server" in ENGINES[name].takes else None
    given = EngineOptions(server=server)
    for option, options in {
        "repository": replace(given, repository=Path()),
        "threads": replace(given, threads=2),
        "max_runs": replace(given, max_runs=2),
    }.items():
        if option in ENGINES[name].takes:
            make_engine(name, options)
        else:
            with pytest.raises(InvalidInputError, match=f"^{option.replace('_', '-')}: "):
                make_engine(name, options)


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"'gpu' is unknown .*inprocess, triton, remote"):
        kind_of("gpu")


def test_a_remote_engine_needs_a_server() -> None:
    with pytest.raises(InvalidInputError, match=r"^triton-url: missing"):
        make_engine("remote", EngineOptions())
