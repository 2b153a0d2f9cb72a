"""The processes in which Triton runs model instances, as seen in /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.triton.reaper import SHARED_MEMORY

_PROGRAM: Final = "triton_python_backend_stub"
_PARENT: Final = 1  # position in /proc/PID/stat after the name


@dataclass(frozen=True, slots=True)
class Stub:
    """One process.

    Attributes:
        pid: Its process id.
        model: The model's name.
        version: The model's version.
        instance: The name of the instance, "toy_keypoint_0_0".
        region: The shared memory between it and the server.
    """

    pid: int
    model: str
    version: str
    instance: str
    region: Path


def find_stubs(server: int) -> list[Stub]:
    """Returns the living stubs of the server with this pid."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            stub = _read(entry, server)
            if stub is not None:
                found.append(stub)
    return found


def _read(process: Path, server: int) -> Stub | None:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        if int(fields[_PARENT]) != server:
            return None
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended meanwhile
    # STUB <model>/<version>/model.onnx REGION ... INSTANCE FOLDER; a zombie's line is empty
    if len(arguments) < 5 or Path(arguments[0]).name != _PROGRAM:
        return None
    file = Path(arguments[1])
    return Stub(
        pid=int(process.name),
        model=file.parents[1].name,
        version=file.parent.name,
        instance=arguments[-2],
        region=SHARED_MEMORY / arguments[2],
    )
