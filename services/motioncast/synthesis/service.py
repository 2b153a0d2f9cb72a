"""SynthesisService: decodes a source and keypoints, delegates to the network, encodes images."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from motioncast.inference import Catalogue, Engine, MeasuredEngine
from motioncast.serving import Context, Deadline, Metrics, Registration
from motioncast.synthesis.synthesizer import Source, Synthesizer
from motioncast.v1.common_pb2 import Image
from motioncast.v1.synthesis_pb2 import DESCRIPTOR, SynthesizeRequest, SynthesizeResponse
from motioncast.v1.synthesis_pb2_grpc import (
    SynthesisServiceServicer,
    add_SynthesisServiceServicer_to_server,
)
from motioncast.wire.images import (
    Encoding,
    Pixels,
    decode_image,
    effective_encoding,
    encode_image,
    takes_codec,
)
from motioncast.wire.keypoints import decode_keypoint_sets, decode_keypoints
from motioncast.wire.limits import check_range

MAX_DRIVING: Final = 256


def registration(
    engine: Engine, *, default_model: str | None = None, metrics: Metrics
) -> Registration:
    """Returns the synthesis service to register; arguments and errors as the keypoint service's."""
    synthesizer = Synthesizer(MeasuredEngine(engine, metrics.registry))
    servicer = SynthesisServicer(Catalogue(engine, default_model), synthesizer)
    return Registration(
        name=DESCRIPTOR.services_by_name["SynthesisService"].full_name,
        add=partial(add_SynthesisServiceServicer_to_server, servicer),
        ready=engine.ready,
    )


class SynthesisServicer(SynthesisServiceServicer):
    """Answers Synthesize."""

    def __init__(self, catalogue: Catalogue, synthesizer: Synthesizer) -> None:
        self._catalogue = catalogue
        self._synthesizer = synthesizer

    async def Synthesize(self, request: SynthesizeRequest, context: Context) -> SynthesizeResponse:
        models = self._catalogue.resolve(request.model)
        encoding = effective_encoding(request.output_encoding)
        check_range("driving_keypoints", len(request.driving_keypoints), 1, MAX_DRIVING)
        count = models.keypoints
        source = Source(
            decode_image(request.source, models.height, models.width, "source"),
            decode_keypoints(request.source_keypoints, count, "source_keypoints"),
        )
        driving = decode_keypoint_sets(request.driving_keypoints, count, "driving_keypoints")
        made = await self._synthesizer.synthesize(models, source, driving, Deadline.of(context))
        return SynthesizeResponse(
            images=await _encode(made.images, encoding), inference_ms=1000 * made.seconds
        )


async def _encode(images: Pixels, encoding: Encoding) -> list[Image]:
    if takes_codec(encoding):
        return await asyncio.to_thread(_encode_all, images, encoding)
    return _encode_all(images, encoding)


def _encode_all(images: Pixels, encoding: Encoding) -> list[Image]:
    return [encode_image(image, encoding) for image in images]
