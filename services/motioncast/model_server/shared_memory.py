"""The shared memory that clients on this machine have registered: named ranges of bytes."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2

from motioncast.inference.kserve.regions import FOLDER, OFFSET, REGION, SIZE
from motioncast.serving import Context
from motioncast.wire.errors import InvalidInputError

_LOCAL_PEERS = ("ipv4:127.", "ipv6:%5B::1%5D", "ipv6:[::1]", "unix:")


@dataclass(frozen=True, slots=True)
class _Region:
    name: str
    key: str
    offset: int
    data: memoryview


class SharedMemory:
    """Shared memory regions by name.

    This is Triton's protocol and trust model: anyone who may call this server from this machine can
    have it read and write the machine's shared memory. Callers on other machines cannot.
    """

    def __init__(self) -> None:
        self._regions: dict[str, _Region] = {}

    def register(self, request: Any, context: Context) -> None:
        """Maps a region that a client has created.

        Raises:
            InvalidInputError: There is no such region or not of that size, its name is taken, or
                the caller is on another machine.
        """
        if not context.peer().startswith(_LOCAL_PEERS):
            raise InvalidInputError.of("key", "shared memory is only for callers on this machine")
        if request.name in self._regions:
            raise InvalidInputError.of("name", f"{request.name} is registered already")
        data = _map(request.key, request.offset, request.byte_size)
        self._regions[request.name] = _Region(request.name, request.key, request.offset, data)

    def status(self, name: str) -> Any:
        """Returns the registered regions: one, or all for ""."""
        if name:
            self._find(name)
        response = service_pb2.SystemSharedMemoryStatusResponse()
        for region in self._regions.values():
            if name in ("", region.name):
                told = response.regions[region.name]
                told.name, told.key = region.name, region.key
                told.offset, told.byte_size = region.offset, len(region.data)
        return response

    def unregister(self, name: str) -> None:
        """Removes a region, all for "". Runs that use it continue; the last of them unmaps it."""
        if name:
            self._regions.pop(name, None)
        else:
            self._regions.clear()

    def stretch(self, tensor: Any) -> memoryview | None:
        """Returns the bytes that a tensor's parameters refer to; None when they refer to none.

        Raises:
            InvalidInputError: There is no such region, or it is too small.
        """
        if REGION not in tensor.parameters:
            return None
        region = self._find(tensor.parameters[REGION].string_param)
        offset = tensor.parameters[OFFSET].int64_param if OFFSET in tensor.parameters else 0
        size = tensor.parameters[SIZE].int64_param if SIZE in tensor.parameters else -1
        if offset < 0 or size < 0 or offset + size > len(region.data):
            raise InvalidInputError.of(
                tensor.name,
                f"{size} bytes at offset {offset}, but {region.name} has {len(region.data)}",
            )
        return region.data[offset : offset + size]

    def _find(self, name: str) -> _Region:
        if name not in self._regions:
            raise InvalidInputError.of("shared_memory_region", f"{name!r} is not registered")
        return self._regions[name]


def _map(key: str, offset: int, size: int) -> memoryview:
    name = key.removeprefix("/")
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise InvalidInputError.of("key", f"{key!r} is not a valid shared memory name")
    if size < 1:
        raise InvalidInputError.of("byte_size", f"{size} is less than 1")
    try:
        file = os.open(FOLDER / name, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise InvalidInputError.of("key", f"{key} cannot be opened ({error.strerror})") from None
    try:
        has = os.fstat(file).st_size
        if offset + size > has:
            raise InvalidInputError.of(
                "byte_size", f"{size} at offset {offset}, but {key} has {has} bytes"
            )
        return memoryview(mmap.mmap(file, offset + size))[offset:]
    finally:
        os.close(file)
