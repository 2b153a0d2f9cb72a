"""The engine of services that run their own Triton."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final, Self

from motioncast.inference import Inference, ModelMetadata
from motioncast.inference.codec_files import read_codec_file
from motioncast.inference.engine import Array
from motioncast.inference.kserve import KServeEngine, KServeSettings
from motioncast.triton.embedded import EmbeddedTriton
from motioncast.triton.settings import TritonSettings
from motioncast.wire.errors import UnavailableError

_RETRY_SECONDS: Final = 30.0  # enough for a crashed server to reload its models


class TritonEngine:
    """Runs the models of a repository on an embedded Triton; `motioncast.inference.Engine`.

    Runs that hit a model whose process has died, or a server that has crashed, are retried within
    the caller's deadline until the supervisor has restored it.

    Attributes:
        triton: The server.
    """

    def __init__(self, settings: TritonSettings) -> None:
        self.triton = EmbeddedTriton(settings)
        self._repository = settings.repository
        self._kserve: KServeEngine | None = None

    async def __aenter__(self) -> Self:
        """Starts the server; see `EmbeddedTriton`."""
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(self.triton)
            settings = KServeSettings(
                self.triton.address, retry_seconds=_RETRY_SECONDS, secret=self.triton.secret
            )
            self._kserve = await exits.enter_async_context(KServeEngine(settings))
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._kserve = None
        await self._exits.aclose()

    async def infer(self, model: str, inputs: Mapping[str, Array]) -> Inference:
        """Runs a model once; see `Engine.infer`."""
        return await self._open().infer(model, inputs)

    def models(self) -> tuple[str, ...]:
        """Returns the names of the models that can run, in alphabetical order."""
        return self._open().models()

    def offered(self) -> tuple[str, ...]:
        """Returns the names of all models of the repository, including those that cannot run."""
        return tuple(sorted({*self._open().offered(), *self.triton.broken}))

    def metadata(self, model: str) -> ModelMetadata:
        """Returns a model's inputs and outputs; see `Engine.metadata`."""
        metadata = self._open().metadata(model)
        # Triton does not report files that it does not know.
        return replace(metadata, codec_file=read_codec_file(self._repository / model))

    async def ready(self) -> bool:
        """Returns whether every model that could be loaded responds."""
        return self._kserve is not None and self.triton.ready and await self._kserve.ready()

    def _open(self) -> KServeEngine:
        if self._kserve is None:
            raise UnavailableError("engine: not open")
        return self._kserve
