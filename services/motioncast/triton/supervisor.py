"""Loads and watches the models of one running server, and restores those whose process is gone.

Triton considers a model ready even if its process has died or hangs, and never starts another. So
each process is watched for its end, and a model that served nothing for a while is sent a canary, a
request that it has to answer. A server that does not answer at all is killed: whoever started it
starts another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from typing import Final

from motioncast.inference.checksums import verify
from motioncast.triton.control import Control, ModelError
from motioncast.triton.repository import Offer
from motioncast.triton.settings import TritonSettings
from motioncast.triton.stubs import Stub, find_stubs
from motioncast.wire.errors import InvalidInputError, UnavailableError

_log = logging.getLogger(__name__)

_SCAN_SECONDS: Final = 1.0  # how soon the process of a model loaded by a client is watched
_LOOK_SECONDS: Final = 0.2  # interval of checks for the process of a model that is being loaded
_LOG_KNOWS: Final = "the server cannot load it; see its log"
_FIRST_PAUSE: Final = 1.0  # before a model is tried again; doubled each time
_LONGEST_PAUSE: Final = 30.0
_QUESTIONS: Final = 2  # consecutive calls that a server fails to answer before it is killed


class Supervisor:
    """Watches the models of the server with this pid while `run` runs.

    Attributes:
        broken: Why models of the repository are not served, by name.
        down: Models that are being restored.
    """

    def __init__(
        self, control: Control, server: int, offer: Offer, settings: TritonSettings
    ) -> None:
        self.broken = dict(offer.broken)
        self.down: set[str] = set()
        self._control = control
        self._server = server
        self._offer = offer
        self._settings = settings
        self._watched: dict[int, int] = {}  # file descriptor of each stub's process, by pid
        self._ended: asyncio.Queue[Stub] = asyncio.Queue()
        self._loading = asyncio.Lock()  # the server loads one at a time anyway

    async def look_at_all(self) -> None:
        """Runs every loaded model once; records those that cannot run in `broken`.

        Raises:
            UnavailableError: The server has ended.
        """
        ready = await self._control.ready_models()
        for model in self._offer.loadable:
            try:
                if model not in ready:
                    raise ModelError(await self._control.reason(model) or _LOG_KNOWS)
                await self._try(model)
            except ModelError as error:
                self.broken[model] = str(error)
        for model, reason in self.broken.items():
            _log.error("the model %s is not served: %s", model, reason)

    async def run(self) -> None:
        """Watches until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._scan())
                tasks.create_task(self._give_canaries())
                tasks.create_task(self._watch_server())
                for model in self.down:  # left over from an earlier run
                    tasks.create_task(self._bring_back(model))
                while True:
                    stub = await self._ended.get()
                    tasks.create_task(self._tend(stub))
        finally:
            for descriptor in self._watched.values():
                asyncio.get_running_loop().remove_reader(descriptor)
                os.close(descriptor)
            self._watched.clear()

    async def _try(self, model: str) -> None:
        """Runs a model once; one that cannot run is unloaded."""
        if model in self._offer.models:  # models within ensembles are tried separately
            try:
                await self._control.try_model(model, self._settings.load_seconds)
            except ModelError:
                await self._control.unload(model, self._settings.load_seconds)
                raise

    async def _scan(self) -> None:
        """Looks for new processes periodically."""
        while True:
            for stub in await asyncio.to_thread(find_stubs, self._server):
                if stub.pid not in self._watched:
                    self._watch(stub)
            await asyncio.sleep(_SCAN_SECONDS)

    def _watch(self, stub: Stub) -> None:
        with suppress(FileNotFoundError):
            stub.region.chmod(0o600)  # where the reaper could not ensure it from the start
        try:
            descriptor = os.pidfd_open(stub.pid)
        except ProcessLookupError:
            self._ended.put_nowait(stub)
            return
        self._watched[stub.pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._see_end, stub)

    def _see_end(self, stub: Stub) -> None:
        descriptor = self._watched.pop(stub.pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._ended.put_nowait(stub)

    async def _tend(self, stub: Stub) -> None:
        """Restores the model if the end of its process was not intended."""
        living = await asyncio.to_thread(find_stubs, self._server)
        here = (stub.model, stub.version, stub.instance)
        replaced = any((it.model, it.version, it.instance) == here for it in living)
        if not replaced and stub.model not in self.down:
            try:
                ready = await self._control.ready_versions()
                meant = (stub.model, stub.version) not in ready
            except UnavailableError:
                return  # the server has ended too, which is handled elsewhere
            if not meant:
                _log.error("the process of the model %s has exited; restarting it", stub.model)
                await self._bring_back(stub.model)
        stub.region.unlink(missing_ok=True)  # the server leaves it behind when a stub is killed

    async def _bring_back(self, model: str) -> None:
        self.down.add(model)
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._loading:
                    await self._control.unload(model, self._settings.load_seconds)
                    await self._load(model)
                    await self._try(model)
                    await self._load_ensembles()
                if await self._processes(model):  # otherwise it has died again already
                    break
            except (ModelError, UnavailableError) as error:
                _log.error("the model %s cannot be loaded: %s", model, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self.down.discard(model)
        _log.warning("the model %s is served again", model)

    async def _load(self, model: str) -> None:
        """Loads a model; kills the server if it waits forever for a process that has died."""
        try:
            for file in (self._settings.repository / model).glob("*/model.onnx"):
                await asyncio.to_thread(verify, file)
        except InvalidInputError as error:
            raise ModelError(str(error)) from None
        before = await self._processes()
        loading = asyncio.create_task(self._control.load(model, self._settings.load_seconds))
        going_on = time.monotonic()  # when a process that is loading something was last seen
        try:
            while not loading.done():
                await asyncio.wait([loading], timeout=_LOOK_SECONDS)
                if await self._processes() - before:  # the model's, or one that a client loads
                    going_on = time.monotonic()
                elif time.monotonic() - going_on > self._settings.canary_limit_seconds:
                    _log.error("tritonserver can no longer load %s; restarting it", model)
                    os.kill(self._server, signal.SIGKILL)  # its owner notices and restarts it
                    break
            await loading
        finally:
            loading.cancel()

    async def _load_ensembles(self) -> None:
        """Loads ensembles that were unloaded together with one of their models."""
        ready = await self._control.ready_models()
        for ensemble in self._offer.ensembles:
            if ensemble not in ready and ensemble not in self.broken:
                try:
                    await self._control.load(ensemble, self._settings.load_seconds)
                except ModelError as error:
                    self.broken[ensemble] = str(error)
                    _log.error("the model %s is not served: %s", ensemble, error)

    async def _give_canaries(self) -> None:
        """Ensures that every model has answered something recently."""
        answered: dict[str, int] = {}
        while True:
            await asyncio.sleep(self._settings.canary_seconds)
            try:
                ready = await self._control.ready_models()
                for model in ready & self.broken.keys():  # loaded by a client since
                    del self.broken[model]
                for model in sorted(ready.intersection(self._offer.models) - self.down):
                    count = await self._control.successes(model)
                    if count == answered.get(model, 0):
                        await self._give_canary(model, count)
                    answered[model] = await self._control.successes(model)
            except UnavailableError as error:
                _log.warning("%s", error)  # a model is being loaded, or the server has ended

    async def _give_canary(self, model: str, count: int) -> None:
        """Runs a model; kills its processes if it hangs, that is, if nothing comes out of it."""
        started = time.monotonic()
        limit = self._settings.canary_limit_seconds
        try:
            await self._control.try_model(model, limit)
        except ModelError as error:
            _log.warning("the model %s cannot run on zeros: %s", model, error)
        except UnavailableError as error:
            # A canary refused because of a queue proves nothing: check whether queued calls make
            # progress.
            await asyncio.sleep(max(0.0, limit - (time.monotonic() - started)))
            if await self._control.successes(model) != count:
                return
            _log.error("the model %s does not respond (%s); killing its process", model, error)
            hanging = await self._processes(model)
            for pid in hanging:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)  # its end is noticed, and the model restored
            if not hanging:  # it ended before it was watched
                await self._bring_back(model)

    async def _watch_server(self) -> None:
        """Kills a server that hangs; its owner notices and restarts it."""
        silent = 0
        while silent < _QUESTIONS:
            if silent == 0:
                await asyncio.sleep(self._settings.canary_seconds)
            answers = await self._control.answers(self._settings.canary_limit_seconds)
            silent = 0 if answers else silent + 1
        _log.error("tritonserver does not respond; restarting it")
        os.kill(self._server, signal.SIGKILL)

    async def _processes(self, model: str | None = None) -> set[int]:
        """Returns the living processes of a model, or of all models."""
        stubs = await asyncio.to_thread(find_stubs, self._server)
        return {stub.pid for stub in stubs if model in (stub.model, None)}
