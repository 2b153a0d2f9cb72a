"""System shared memory: ranges of memory visible to a client and a server on one machine.

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

FOLDER: Final = Path("/dev/shm")  # holds what shm_open opens on Linux
REGION: Final = "shared_memory_region"  # names of a tensor's parameters
OFFSET: Final = "shared_memory_offset"
SIZE: Final = "shared_memory_byte_size"
_PREFIX: Final = "motioncast_run_"
_ALIGNMENT: Final = 64  # bytes: a cache line, and more than any type requires


class Region:
    """A range of shared memory, created by its first user; initially zero.

    Args:
        size: In bytes, above 0.

    Attributes:
        key: Name under which another process can open it until it is unlinked.
        data: The bytes.
    """

    def __init__(self, size: int) -> None:
        self.key = f"/{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.size = size
        file = os.open(FOLDER / self.key[1:], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(file, 0, size)  # out of space fails now, not later by SIGBUS
            self.data = memoryview(mmap.mmap(file, size))
        except BaseException:
            self.unlink()
            raise
        finally:
            os.close(file)

    def unlink(self) -> None:
        """Removes the name; the bytes remain for as long as a process has them mapped."""
        with suppress(FileNotFoundError):
            os.unlink(FOLDER / self.key[1:])

    def place(self, arrays: Mapping[str, Array]) -> dict[str, tuple[int, int]]:
        """Writes arrays one after another; returns the offset and the size of each."""
        placed = dict(layout({name: array.nbytes for name, array in arrays.items()}))
        for name, (offset, size) in placed.items():
            there = np.frombuffer(self.data[offset : offset + size], arrays[name].dtype)
            np.copyto(there.reshape(arrays[name].shape), arrays[name])
        return placed


def sweep() -> None:
    """Removes the names of regions of processes that were killed before they could do so."""
    for file in FOLDER.glob(f"{_PREFIX}[0-9]*_*"):
        process = file.name.removeprefix(_PREFIX).partition("_")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            with suppress(OSError):  # it belongs to another user
                file.unlink()


def layout(sizes: Mapping[str, int], start: int = 0) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields the name, offset and size of ranges of these sizes in bytes, from an offset on."""
    for name, size in sizes.items():
        yield name, (start, size)
        start = aligned(start + size)


def aligned(offset: int) -> int:
    """Returns the next offset at which a range may begin."""
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def space_of(sizes: Mapping[str, int]) -> int:
    """Returns the total size of such ranges placed one after another."""
    return sum(map(aligned, sizes.values()))
