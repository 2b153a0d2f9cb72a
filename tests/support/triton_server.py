"""Shared by tests of the real Triton: availability, NVIDIA's client, processes and leftovers."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient as TritonClient
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from motioncast.triton.installation import Installation
from motioncast.triton.stubs import find_stubs
from motioncast.wire.errors import UnavailableError

_SECONDS: Final = 60.0  # time limit for an answer
_TYPES: Final = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}


def skip_without_triton() -> None:
    """Skips the test with a reason if Triton cannot be embedded."""
    try:
        Installation.find()
    except UnavailableError as error:
        pytest.skip(str(error))


async def ask(client: InferenceServerClient, model: str, **inputs: NDArray[Any]) -> InferResult:
    """Sends one request with NVIDIA's client and returns the result."""
    tensors = []
    for name, array in inputs.items():
        tensor = InferInput(name, list(array.shape), _TYPES[array.dtype.name])
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return await client.infer(model, tensors, client_timeout=_SECONDS)


def predictor_inputs(keypoints: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Returns the toy predictor's inputs for one fully observed timeline (T, 2, 3)."""
    steps = len(keypoints)
    return {
        "keypoints": keypoints[None],
        "observed": np.ones((1, steps), np.float32),
        "noise": np.zeros((1, steps, 2), np.float32),
        "state": np.zeros((1, 13), np.float32),
    }


def children(pid: int) -> set[int]:
    """Returns the pids of a process's children."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.add(int(entry.parent.name))
    return found


def triton_processes(command: int) -> dict[str, int]:
    """Returns the pids of `motioncast serve models --engine triton`: "server", and by model.

    Args:
        command: Pid of the command itself, which is not included.
    """
    [reaper] = children(command)
    [server] = children(reaper)
    return {"server": server, **{stub.model: stub.pid for stub in find_stubs(server)}}


def until_whole(addresses: Sequence[str], models: Sequence[str]) -> None:
    """Waits until every server runs these models again."""
    ends = time.monotonic() + 2 * _SECONDS
    for address in addresses:
        with TritonClient(address) as client:
            while not _runs(client, models):
                assert time.monotonic() < ends, f"{address} is not mended"
                time.sleep(0.1)


def _runs(client: TritonClient, models: Sequence[str]) -> bool:
    try:
        return all(client.is_model_ready(name, client_timeout=5) for name in models)
    except InferenceServerException:
        return False


def processor_seconds(pid: int) -> float:
    """Returns the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int) -> bool:
    """Returns whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def folders(temporary: Path) -> list[Path]:
    """Returns the embedded servers' folders in a temporary folder."""
    return list(temporary.glob("motioncast_triton_*"))


def shared_memory_name(server: int) -> str:
    """Returns the name prefix of a server's shared memory regions."""
    arguments = Path(f"/proc/{server}/cmdline").read_text().split("\0")
    [option] = [it for it in arguments if "shm-region-prefix-name=" in it]
    return option.rpartition("=")[2]


def regions(name: str) -> list[Path]:
    """Returns the shared memory regions with a name prefix."""
    return list(Path("/dev/shm").glob(f"{name}*"))
