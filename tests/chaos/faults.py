"""The faults: each breaks one part of a house, keeps it broken for a while and repairs it.

A fault returns a description of what it did, and where. It raises FindingError if the broken part
itself misbehaves: a process that does not exit, a damaged model that is accepted.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

import grpc
from chaos.house import House
from chaos.processes import Process
from tritonclient.grpc import service_pb2, service_pb2_grpc

Fault: TypeAlias = Callable[[House, random.Random], tuple[str, str]]
DRAIN_SECONDS: Final = 20.0  # for a process to exit after SIGTERM; its grace is 5
_CALLERS: Final = 40  # connections made while a process has no descriptors left


class FindingError(Exception):
    """A violation was found."""


def kill(house: House, chance: random.Random) -> tuple[str, str]:
    """Sends SIGKILL and starts a new process after a while."""
    one = _process(house, chance)
    one.end(signal.SIGKILL)
    time.sleep(chance.uniform(0, 4))
    _start(one)
    return "killed and started again", one.name


def restart(house: House, chance: random.Random) -> tuple[str, str]:
    """Sends SIGTERM and starts a new process."""
    one = _process(house, chance)
    seconds = one.end(signal.SIGTERM)
    if seconds > DRAIN_SECONDS:
        raise FindingError(f"{one.name} took {seconds:.0f} s to end")
    _start(one)
    return f"told to end (gone after {seconds:.1f} s) and started again", one.name


def hold(house: House, chance: random.Random) -> tuple[str, str]:
    """Sends SIGSTOP, and SIGCONT after a while."""
    one, seconds = _process(house, chance), chance.uniform(1, 8)
    one.tell(signal.SIGSTOP)
    time.sleep(seconds)
    one.tell(signal.SIGCONT)
    return f"stopped for {seconds:.1f} s", one.name


def cut(house: House, chance: random.Random) -> tuple[str, str]:
    """Resets every connection of a wire."""
    name = chance.choice(sorted(house.wires))
    count = house.wires[name].cut()
    return f"{count} connections reset", name


def half_open(house: House, chance: random.Random) -> tuple[str, str]:
    """Silently stops all traffic on a wire; resets the connections after a while."""
    name, seconds = chance.choice(sorted(house.wires)), chance.uniform(1, 8)
    wire = house.wires[name]
    wire.hold()
    time.sleep(seconds)
    wire.cut()
    wire.release()
    return f"half open for {seconds:.1f} s", name


def slow(house: House, chance: random.Random) -> tuple[str, str]:
    """Delays everything on a wire and lowers its throughput."""
    name, seconds = chance.choice(sorted(house.wires)), chance.uniform(1, 5)
    delay = chance.uniform(0.02, 0.2)
    house.wires[name].delay_seconds = delay
    time.sleep(seconds)
    house.wires[name].delay_seconds = 0.0
    return f"{1000 * delay:.0f} ms late for {seconds:.1f} s", name


def no_files(house: House, chance: random.Random) -> tuple[str, str]:
    """Leaves a process without free descriptors while many clients connect (EMFILE)."""
    one, spare = _process(house, chance), chance.randint(0, 3)
    with one.few_files(spare), ExitStack() as held:
        for _ in range(_CALLERS):
            with suppress(OSError):
                held.enter_context(socket.create_connection(("127.0.0.1", one.ports[0]), timeout=1))
        time.sleep(chance.uniform(1, 5))
    return f"{spare} descriptors left, {_CALLERS} callers", one.name


def full_disk(house: House, chance: random.Random) -> tuple[str, str]:
    """Runs a process with its log on a full disk, then with a normal log again."""
    one, seconds = _process(house, chance), chance.uniform(2, 6)
    one.end(signal.SIGTERM)
    one.start(Path("/dev/full"))
    one.wait_until_ready()
    time.sleep(seconds)
    one.end(signal.SIGTERM)
    _start(one)
    return f"logged to a full disk for {seconds:.1f} s", one.name


def clock(house: House, chance: random.Random) -> tuple[str, str]:
    """Shifts the wall clock by up to a day, either way, and back."""
    assert house.clock is not None
    seconds = chance.choice((-1, 1)) * chance.choice((2, 60, 3600, 86_400))
    house.clock.write_text(f"{seconds:+d}\n")
    time.sleep(chance.uniform(1, 4))
    house.clock.write_text("+0\n")
    return f"clock jumped by {seconds:+d} s and back", "whole"


def reload(house: House, chance: random.Random) -> tuple[str, str]:
    """Asks for a damaged version of a model, which must be refused while the old one is served."""
    with _damaged(house, chance) as (model, how):
        if _load(house.processes["models"], model):
            raise FindingError(f"{model} was loaded, {how}")
    if not _load(house.processes["models"], model):
        raise FindingError(f"{model} was not loaded when it was whole again")
    return f"{model} loaded anew, {how}: refused", "models"


def restart_on_damage(house: House, chance: random.Random) -> tuple[str, str]:
    """Restarts a model server that finds a damaged model, without which it must go on."""
    one = house.processes["models"]
    with _damaged(house, chance) as (model, how):
        one.end(signal.SIGKILL)
        one.start()
        time.sleep(chance.uniform(4, 8))
    one.end(signal.SIGTERM)
    _start(one)
    return f"started on a {model} that was {how}, and again on a whole one", one.name


def _process(house: House, chance: random.Random) -> Process:
    return house.processes[chance.choice(sorted(house.processes))]


def _start(one: Process) -> None:
    one.start()
    one.wait_until_ready()


@contextmanager
def _damaged(house: House, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Puts a damaged newer version of a model into the repository during the block."""
    model = chance.choice(("toy_keypoint", "toy_predictor", "toy_synthesis"))
    whole = (house.models / model / "1" / "model.onnx").read_bytes()
    how, data = chance.choice(
        [
            ("empty", b""),
            ("cut short", whole[: chance.randrange(1, len(whole))]),
            ("noise", chance.randbytes(len(whole))),
        ]
    )
    folder = house.models / model / "2"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(data)
    try:
        yield model, how
    finally:
        shutil.rmtree(folder)


def _load(server: Process, model: str) -> bool:
    """Asks a model server to load a model; returns whether it succeeded."""
    with grpc.insecure_channel(server.target) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            stub.RepositoryModelLoad(
                service_pb2.RepositoryModelLoadRequest(model_name=model),
                timeout=30,
                wait_for_ready=True,
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                raise FindingError(f"{model} was refused by {error.code()}") from error
            return False
    return True


FAULTS: Final[dict[str, Fault]] = {
    one.__name__: one
    for one in (
        *(kill, restart, hold, cut, half_open, slow, no_files, full_disk),
        *(clock, reload, restart_on_damage),
    )
}
