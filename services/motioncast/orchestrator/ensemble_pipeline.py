"""A pipeline that runs ensembles of models on an engine, without services in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import numpy as np
from prometheus_client import CollectorRegistry

from motioncast.codec.tables_file import ModelTables
from motioncast.framing import FINDER, Face, looks, seen
from motioncast.inference import Catalogue, Engine, MeasuredEngine, ModelSet, finds_faces
from motioncast.orchestrator.configuration import ServedModels, SessionConfig
from motioncast.orchestrator.ensemble_session import EnsembleSession, Made
from motioncast.orchestrator.models import ModelCalls, SessionCalls, detect, inputs_of
from motioncast.orchestrator.pipeline import (
    AT_ONCE,
    Cast,
    TakesTurns,
    encode_half_widths,
    milliseconds_since,
)
from motioncast.orchestrator.progress import BEGINNING, Progress
from motioncast.orchestrator.stretch import Stretch, begin_group
from motioncast.orchestrator.turns import Turns
from motioncast.serving import Deadline
from motioncast.tracing import Parts
from motioncast.v1.common_pb2 import Image, KeypointSet, ModelInfo
from motioncast.v1.motion_transfer_pb2 import SourceImage, StageTimings
from motioncast.wire.errors import InvalidInputError, UnknownModelError
from motioncast.wire.images import Encoding, Pixels, decode_image, encode_image, takes_codec
from motioncast.wire.keypoints import encode_keypoints


class EnsemblePipeline:
    """Makes frames with an engine's models and ensembles; see `Pipeline`.

    Args:
        engine: An open engine.
        default_model: Configuration for sessions that name none.
        call_timeout_seconds: Time limit for one call of the engine.
        registry: Where the engine's runs are timed.

    Raises:
        InvalidInputError: A configuration of the engine lacks an ensemble.
        UnknownModelError: The engine has no model with the default's name.
    """

    def __init__(
        self,
        engine: Engine,
        default_model: str | None,
        call_timeout_seconds: float,
        registry: CollectorRegistry,
    ) -> None:
        self._engine = engine
        self._turns = Turns()
        self._catalogue = Catalogue(engine, default_model)
        self._calls = ModelCalls(MeasuredEngine(engine, registry), call_timeout_seconds)
        for models in self._catalogue.all():
            _check(models, engine)

    async def list_models(self, deadline: Deadline) -> ServedModels:
        """Returns the configurations and the name of the default."""
        models = tuple(one.message() for one in self._catalogue.all())
        return ServedModels(models, self._catalogue.default_name)

    async def codec_tables(self, model: ModelInfo, deadline: Deadline) -> ModelTables:
        """Returns a model's codec tables as the engine had them when the catalogue was built."""
        codec = self._catalogue.resolve(model.name).codec
        assert codec is not None  # the client was given its digest
        return codec

    async def detect(
        self,
        model: ModelInfo,
        image: Image,
        deadline: Deadline,
        first: SourceImage | None = None,
    ) -> KeypointSet:
        """Returns the keypoints of a source image, registered with the first one if given."""
        models = self._catalogue.resolve(model.name)
        pixels = decode_image(image, models.height, models.width)[np.newaxis]
        source = None if first is None else inputs_of(first, models)
        calls = SessionCalls(self._calls, deadline)
        return encode_keypoints((await detect(models, calls, pixels, source, StageTimings()))[0])

    async def find_faces(self, square: Pixels, deadline: Deadline) -> list[Face]:
        """Returns the faces in a letterboxed picture."""
        if not finds_faces(self._engine):
            raise UnknownModelError(f"model: no {FINDER} is served")
        for image, look in looks(square):
            answer = await self._calls.run(FINDER, {"image": image[np.newaxis]}, deadline)
            if faces := seen(answer.response["faces"][0], look):
                return faces
        return []

    async def cast(
        self,
        stretches: AsyncIterator[Stretch],
        config: SessionConfig,
        deadline: Deadline,
        work: TakesTurns = AT_ONCE,
        resumed: Progress = BEGINNING,
    ) -> AsyncGenerator[Cast, None]:
        """Yields the frames of the stretches; see `Pipeline.cast`."""
        models = self._catalogue.resolve(config.model.name)
        session = EnsembleSession(models, SessionCalls(self._calls, deadline), config, resumed)
        groups = Parts("group")
        async for stretch in stretches:
            timings, group = StageTimings(), begin_group(groups, stretch)
            with group.within():
                async with (
                    self._turns.turn([frame.origin for frame in stretch.frames]),
                    work.turn("make", len(stretch.frames) - stretch.left_out),
                ):
                    made = await session.make(stretch, timings)
                images = await _encode_images(made.images, config.picture_encoding)
            group.end()
            timings.total_ms = milliseconds_since(stretch.complete_at)
            yield replace(_cast(stretch, made, images, timings), progress=session.progress(stretch))

    async def ready(self) -> bool:
        """Returns whether the engine could run a model now, the default included."""
        return await self._catalogue.ready()


def _check(models: ModelSet, engine: Engine) -> None:
    served = engine.models()
    for name in (
        models.reconstruct_ensemble,
        models.forecast_ensemble,
        models.motion_transfer_ensemble,
    ):
        if name not in served:
            raise InvalidInputError.of(
                "pipeline",
                f"ensemble needs {name}, which is not served; export it with the models of"
                f" {models.name} (`motioncast export`), or use the services pipeline",
            )


def _cast(stretch: Stretch, made: Made, images: list[Image], timings: StageTimings) -> Cast:
    return Cast(
        stretch.start + stretch.left_out,
        tuple(frame.origin for frame in stretch.frames[stretch.left_out :]),
        [encode_keypoints(one) for one in made.filled.keypoints],
        encode_half_widths(made.filled.half_widths),
        images,
        made.sources,
        timings,
        made.filled.errors,
        made.filled.interpolated,
    )


async def _encode_images(images: Pixels, encoding: Encoding) -> list[Image]:
    def encode() -> list[Image]:
        return [encode_image(image, encoding) for image in images]

    return await asyncio.to_thread(encode) if takes_codec(encoding) else encode()
