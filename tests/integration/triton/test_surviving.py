"""Streams survive while any process of one of two Tritons is killed, hangs or is replaced.

Two orchestrators run ensembles on two Tritons. A Triton has three kinds of process: ours, which
supervises it, NVIDIA's server, and one per model. No frame may be missing or different. Streams may
resume elsewhere: Triton itself may crash when one of its processes hangs (docs/triton.md), and is
then unavailable for a moment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.fleet import TRITONS, Fleet, fleet
from support.surviving import Seen, same, stream_all
from support.toy_ensembles import build_joined_repository
from support.triton_server import skip_without_triton, triton_processes, until_whole

ENSEMBLES = ("toy_reconstruct", "toy_forecast", "toy_motion_transfer")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    skip_without_triton()
    folder = tmp_path_factory.mktemp("fleet")
    key = folder / "key"
    key.write_text("a key that both orchestrators have")
    with fleet(build_joined_repository(folder / "models"), key, TRITONS) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(running: Fleet) -> list[Seen]:
    return stream_all(running.targets, lambda: None)


@pytest.fixture(autouse=True)
def whole(running: Fleet) -> None:
    """Waits until both Tritons have recovered from the previous test."""
    until_whole([running.addresses[f"models-{n}"] for n in range(2)], ENSEMBLES)


@pytest.mark.parametrize("process", ["server", "toy_synthesis", "toy_predictor"])
def test_a_killed_process_of_a_triton_is_not_missed(
    running: Fleet, undisturbed: list[Seen], process: str
) -> None:
    pid = triton_processes(running.processes["models-0"].pid)[process]
    same(stream_all(running.targets, lambda: os.kill(pid, signal.SIGKILL)), undisturbed)


@pytest.mark.parametrize("process", ["server", "toy_synthesis", "toy_keypoint"])
def test_a_process_of_a_triton_that_hangs_is_left(
    running: Fleet, undisturbed: list[Seen], process: str
) -> None:
    pid = triton_processes(running.processes["models-1"].pid)[process]
    try:
        seen = stream_all(running.targets, lambda: os.kill(pid, signal.SIGSTOP))
    finally:
        with suppress(ProcessLookupError):  # as the supervisor eventually does to a hanging process
            os.kill(pid, signal.SIGKILL)
    same(seen, undisturbed)


def test_a_triton_may_be_killed_with_all_its_processes(
    running: Fleet, undisturbed: list[Seen]
) -> None:
    same(stream_all(running.targets, lambda: running.end("models-0")), undisturbed)
    running.start(["models-0"])


def test_tritons_are_replaced_one_after_the_other(running: Fleet, undisturbed: list[Seen]) -> None:
    def roll() -> None:
        for name in ("models-0", "models-1"):
            running.end(name, signal.SIGTERM)
            running.start([name])

    same(stream_all(running.targets, roll), undisturbed)
