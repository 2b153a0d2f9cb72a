"""Streams survive while any one process of a fleet is killed, hangs or is told to stop.

Two orchestrators and two replicas of every service behind them run as processes. Every stream must
return each frame once, bit-identical to an undisturbed run.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from support.fleet import Fleet, fleet
from support.surviving import Seen, same, stream_all
from support.toy_models import build_toy_repository

NEAREST = ("orchestrator-0", "orchestrator-1")  # processes that streams are connected to


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    key = folder / "key"
    key.write_text("a key that both orchestrators have")
    with fleet(build_toy_repository(folder / "models"), key) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(running: Fleet) -> list[Seen]:
    return stream_all(running.targets, lambda: None)


@pytest.mark.parametrize("name", ["orchestrator-0", "keypoint-1", "predictor-0", "synthesis-1"])
def test_a_killed_process_is_not_missed(running: Fleet, undisturbed: list[Seen], name: str) -> None:
    seen = stream_all(running.targets, lambda: running.end(name))
    same(seen, undisturbed)
    assert any(one.resumes for one in seen) or name not in NEAREST
    running.start([name])


@pytest.mark.parametrize("name", ["orchestrator-1", "keypoint-0", "predictor-1", "synthesis-0"])
def test_a_process_that_hangs_is_left(running: Fleet, undisturbed: list[Seen], name: str) -> None:
    try:
        seen = stream_all(
            running.targets, lambda: running.processes[name].send_signal(signal.SIGSTOP)
        )
    finally:
        running.processes[name].send_signal(signal.SIGCONT)
    same(seen, undisturbed)
    assert any(one.resumes for one in seen) or name not in NEAREST


def test_processes_are_replaced_one_after_the_other(
    running: Fleet, undisturbed: list[Seen]
) -> None:
    def roll() -> None:
        for name in ("orchestrator-0", "synthesis-0", "orchestrator-1", "synthesis-1"):
            running.end(name, signal.SIGTERM)
            running.start([name])

    same(stream_all(running.targets, roll), undisturbed)
