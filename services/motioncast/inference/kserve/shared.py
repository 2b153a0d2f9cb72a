"""Runs whose tensors use shared memory instead of messages, with a server on this machine.

    region   [ inputs one after another | outputs one after another ]

A region is registered once and reused by one run at a time. Its name is removed as soon as the
server has mapped it: nothing is left in the file system, whatever happens to either process later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc.aio
from tritonclient.grpc import service_pb2

from motioncast.inference.engine import Array
from motioncast.inference.kserve.datatypes import datatype_of
from motioncast.inference.kserve.regions import (
    OFFSET,
    REGION,
    SIZE,
    Region,
    layout,
    space_of,
    sweep,
)
from motioncast.inference.kserve.tensors import decode_tensors
from motioncast.wire.errors import InvalidInputError

_SMALLEST: Final = 1024 * 1024  # bytes of the smallest region
_MOST: Final = 512 * 1024 * 1024  # bytes of all regions; beyond this, runs use messages
_MOST_FAILURES: Final = 100  # after which messages are used instead
_QUESTION_SECONDS: Final = 5.0
_CLOSING_SECONDS: Final = 5.0  # for the server to end the runs that use regions

_log = logging.getLogger(__name__)


class SharedMemory:
    """The regions that an engine shares with its server.

    Args:
        stub: The server's stub.
        least_bytes: Runs with fewer bytes of inputs and outputs use messages.
        metadata: Sent when regions are registered and unregistered.
    """

    def __init__(
        self, stub: Any, least_bytes: int, metadata: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._metadata = tuple(metadata)
        self._stub = stub
        self._least_bytes = least_bytes
        self._idle: list[Region] = []
        self._given_up: list[Region] = []  # a server may still write to them
        self._calls: set[Any] = set()
        self._registered: dict[str, int] = {}  # size in bytes by region name
        self._output_sizes: dict[tuple[Any, ...], dict[str, int]] = {}
        self._registering = asyncio.Lock()  # at most one region has a name at any time
        self._failures = 0
        self._usable = True
        sweep()

    def worth(self, model: str, inputs: Mapping[str, Array]) -> bool:
        """Returns whether a run should use shared memory.

        The size of its outputs has to be known: the first run with inputs of these shapes uses a
        message, and `learn` records the size of its outputs.
        """
        sizes = self._output_sizes.get(_shapes(model, inputs))
        if not self._usable or sizes is None:
            return False
        given = sum(array.nbytes for array in inputs.values())
        return given + sum(sizes.values()) >= self._least_bytes

    def learn(self, model: str, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Records the size of a run's outputs."""
        if len(self._output_sizes) > 1000:  # shapes that never recur
            self._output_sizes.clear()
        sizes = {name: array.nbytes for name, array in outputs.items()}
        self._output_sizes[_shapes(model, inputs)] = sizes

    async def run(
        self, model: str, inputs: Mapping[str, Array]
    ) -> tuple[dict[str, Array], Any] | None:
        """Runs a model once.

        Returns:
            Its outputs and the response; None when the run failed for any reason and has to be
                repeated without shared memory.
        """
        sizes = self._output_sizes[_shapes(model, inputs)]
        given = {name: array.nbytes for name, array in inputs.items()}
        region = await self._borrow(space_of(given) + space_of(sizes))
        if region is None:
            return None
        places = dict(layout(sizes, space_of(given)))
        request = _request(model, inputs, region, places)
        call = self._stub.ModelInfer(request)
        self._calls.add(call)
        try:
            response = await call
            outputs = _outputs(response, region, places)
        except (grpc.aio.AioRpcError, InvalidInputError) as error:
            _log.debug("a run through shared memory failed: %s", error)
            # An earlier run may still write its outputs to it; a restarted server knows no regions.
            await self._forget([region, *self._idle])
            self._output_sizes.pop(_shapes(model, inputs), None)
            self._failures += 1
            self._usable = self._usable and self._failures < _MOST_FAILURES
            return None
        except BaseException:  # the caller cancelled the run
            self._given_up.append(region)
            raise
        finally:
            self._calls.discard(call)
        self._idle.append(region)
        return outputs, response

    async def close(self) -> None:
        """Ends the runs that use regions, and unregisters all regions."""
        self._usable = False
        for call in self._calls:
            call.cancel()
        until = time.monotonic() + _CLOSING_SECONDS
        while self._registered and time.monotonic() < until:
            await asyncio.gather(*(self._unregister(name) for name in list(self._registered)))
            await asyncio.sleep(0.01 if self._registered else 0)
        if self._registered:
            _log.warning(
                "the server has not released shared memory of this client: %s", [*self._registered]
            )
        self._idle.clear()
        self._given_up.clear()

    async def _borrow(self, size: int) -> Region | None:
        """Returns a region for exclusive use by one run; None when none is available."""
        fitting = [region for region in self._idle if region.size >= size]
        if fitting:
            region = min(fitting, key=lambda each: each.size)
            self._idle.remove(region)
            return region
        wanted = max(_SMALLEST, 1 << (size - 1).bit_length())
        if sum(self._registered.values()) + wanted > _MOST:
            await self._forget([*self._given_up, *self._idle])
            if sum(self._registered.values()) + wanted > _MOST:
                return None
        return await self._register(wanted)

    async def _register(self, size: int) -> Region | None:
        async with self._registering:
            if not self._usable:
                return None
            try:
                region = Region(size)
            except OSError as error:
                _log.warning("cannot allocate %d bytes of shared memory (%s)", size, error.strerror)
                self._usable = False
                return None
            return await self._announce(region)

    async def _announce(self, region: Region) -> Region | None:
        """Has the server map a region; returns None when it does not."""
        name = region.key[1:]
        self._registered[name] = region.size  # set even if we are cancelled before the response
        try:
            await self._stub.SystemSharedMemoryRegister(
                service_pb2.SystemSharedMemoryRegisterRequest(
                    name=name, key=region.key, byte_size=region.size
                ),
                timeout=_QUESTION_SECONDS,
                metadata=self._metadata,
            )
        except grpc.aio.AioRpcError as error:
            _log.info("the server does not use shared memory of this client: %s", error.details())
            self._usable = error.code() is grpc.StatusCode.UNAVAILABLE
            del self._registered[name]
            return None
        finally:
            region.unlink()
        return region

    async def _forget(self, regions: list[Region]) -> None:
        """Unregisters regions; those that the server still uses are retried later."""
        self._idle = [region for region in self._idle if region not in regions]
        self._given_up = [region for region in self._given_up if region not in regions]
        for region in regions:
            if not await self._unregister(region.key[1:]):
                self._given_up.append(region)

    async def _unregister(self, name: str) -> bool:
        """Unregisters a region; returns whether the server has stopped using it."""
        request = service_pb2.SystemSharedMemoryUnregisterRequest(name=name)
        try:
            await self._stub.SystemSharedMemoryUnregister(
                request, timeout=_QUESTION_SECONDS, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            _log.debug("region %s was not unregistered: %s", name, error.details())
            # Without a server there is no mapping either.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
        self._registered.pop(name, None)
        return True


def _shapes(model: str, inputs: Mapping[str, Array]) -> tuple[Any, ...]:
    return (model, *sorted((name, array.shape) for name, array in inputs.items()))


def _request(
    model: str,
    inputs: Mapping[str, Array],
    region: Region,
    places: Mapping[str, tuple[int, int]],
) -> Any:
    """Returns the request for a run whose inputs are already in the region."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, (offset, size) in region.place(inputs).items():
        array = inputs[name]
        tensor = request.inputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        _say_where(tensor, region, offset, size)
    for name, (offset, size) in places.items():
        _say_where(request.outputs.add(name=name), region, offset, size)
    return request


def _say_where(tensor: Any, region: Region, offset: int, size: int) -> None:
    tensor.parameters[REGION].string_param = region.key[1:]
    tensor.parameters[OFFSET].int64_param = offset
    tensor.parameters[SIZE].int64_param = size


def _outputs(
    response: Any, region: Region, places: Mapping[str, tuple[int, int]]
) -> dict[str, Array]:
    """Returns copies of a run's outputs, read from the region unless the response holds them."""
    outputs: dict[str, Array] = {}
    raw = response.raw_output_contents or [b""] * len(response.outputs)
    for tensor, data in zip(response.outputs, raw, strict=True):
        if not data and tensor.name in places:
            offset, size = places[tensor.name]
            data = region.data[offset : offset + size]
        outputs[tensor.name] = decode_tensors([tensor], [data])[tensor.name].copy()
    return outputs
