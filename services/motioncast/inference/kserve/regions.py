"""System shared memory: stretches of memory that a client and a server on one machine both see.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_shared_memory.md
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from motioncast.inference.engine import Array

FOLDER: Final = Path("/dev/shm")  # where Linux has what shm_open opens
REGION: Final = "shared_memory_region"  # names of a tensor's parameters
OFFSET: Final = "shared_memory_offset"
SIZE: Final = "shared_memory_byte_size"
_PREFIX: Final = "motioncast_run_"
_ALIGNMENT: Final = 64  # bytes: a cache line, and more than any type asks for


class Region:
    """A stretch of shared memory, made by its first user; its bytes are 0 at first.

    Args:
        size: In bytes, above 0.

    Attributes:
        key: By which another process opens it while it has its name.
        data: The bytes.
    """

    def __init__(self, size: int) -> None:
        self.key = f"/{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.size = size
        file = os.open(FOLDER / self.key[1:], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(file, 0, size)  # where there is no space, now and not by SIGBUS
            self.data = memoryview(mmap.mmap(file, size))
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(file)

    def unlink(self) -> None:
        """Takes the name away; the bytes are there for as long as somebody has them mapped."""
        with suppress(FileNotFoundError):
            os.unlink(FOLDER / self.key[1:])

    def place(self, arrays: Mapping[str, Array]) -> dict[str, tuple[int, int]]:
        """Writes arrays one after the other; returns the offset and the size of each."""
        placed = dict(layout({name: array.nbytes for name, array in arrays.items()}))
        for name, (offset, size) in placed.items():
            there = np.frombuffer(self.data[offset : offset + size], arrays[name].dtype)
            np.copyto(there.reshape(arrays[name].shape), arrays[name])
        return placed


def sweep() -> None:
    """Takes the names away from regions of processes that were killed before they could."""
    for file in FOLDER.glob(f"{_PREFIX}[0-9]*_*"):
        process = file.name.removeprefix(_PREFIX).partition("_")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            with suppress(OSError):  # it belongs to another user
                file.unlink()


def layout(sizes: Mapping[str, int], start: int = 0) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields name, offset and size of stretches of these sizes in bytes, from an offset on."""
    for name, size in sizes.items():
        yield name, (start, size)
        start = aligned(start + size)


def aligned(offset: int) -> int:
    """Returns the next offset that a stretch may begin at."""
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def space_of(sizes: Mapping[str, int]) -> int:
    """Returns how many bytes such stretches take one after the other."""
    return sum(map(aligned, sizes.values()))
