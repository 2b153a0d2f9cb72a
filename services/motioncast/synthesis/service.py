"""SynthesisService: decodes sources and keypoints, delegates to the network, encodes images."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from motioncast.inference import Catalogue, Engine, MeasuredEngine, ModelSet
from motioncast.serving import Context, Deadline, Metrics, Registration
from motioncast.sources import MAX_SOURCES
from motioncast.synthesis.synthesiser import Source, Synthesiser
from motioncast.v1.common_pb2 import Image
from motioncast.v1.synthesis_pb2 import DESCRIPTOR, SynthesizeRequest, SynthesizeResponse
from motioncast.v1.synthesis_pb2_grpc import (
    SynthesisServiceServicer,
    add_SynthesisServiceServicer_to_server,
)
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.images import (
    Encoding,
    Pixels,
    decode_image,
    effective_output,
    encode_image,
    takes_codec,
)
from motioncast.wire.keypoints import decode_keypoint_sets, decode_keypoints
from motioncast.wire.limits import check_range

MAX_DRIVING: Final = 256


def registration(
    engine: Engine, *, default_model: str | None = None, metrics: Metrics
) -> Registration:
    """Returns the synthesis service to register; see the keypoint service for the arguments."""
    synthesiser = Synthesiser(MeasuredEngine(engine, metrics.registry))
    catalogue = Catalogue(engine, default_model)
    servicer = SynthesisServicer(catalogue, synthesiser)
    images = MAX_SOURCES * catalogue.largest_image_bytes
    return Registration(
        name=DESCRIPTOR.services_by_name["SynthesisService"].full_name,
        add=partial(add_SynthesisServiceServicer_to_server, servicer),
        ready=catalogue.ready,
        max_request_bytes={"Synthesize": images + MAX_DRIVING * catalogue.largest_keypoints_bytes},
        log_level=logging.DEBUG,
    )


class SynthesisServicer(SynthesisServiceServicer):
    """Answers Synthesize."""

    def __init__(self, catalogue: Catalogue, synthesiser: Synthesiser) -> None:
        self._catalogue = catalogue
        self._synthesiser = synthesiser

    async def Synthesize(self, request: SynthesizeRequest, context: Context) -> SynthesizeResponse:
        models = self._catalogue.resolve(request.model)
        encoding = effective_output(request.output_encoding)
        check_range("driving_keypoints", len(request.driving_keypoints), 1, MAX_DRIVING)
        count = models.keypoints
        sources = _sources(request, models)
        driving = decode_keypoint_sets(request.driving_keypoints, count, "driving_keypoints")
        positions = _positions(request, len(sources))
        made = await self._synthesiser.synthesise(
            models, sources, positions, driving, Deadline.of(context)
        )
        return SynthesizeResponse(
            images=await _encode(made.images, encoding), inference_ms=1000 * made.seconds
        )


def _sources(request: SynthesizeRequest, models: ModelSet) -> list[Source]:
    check_range("further_sources", len(request.further_sources), 0, MAX_SOURCES - 1)
    given = [("source", request.source, "source_keypoints", request.source_keypoints)]
    for n, further in enumerate(request.further_sources):
        field = f"further_sources[{n}]"
        given.append((f"{field}.image", further.image, f"{field}.keypoints", further.keypoints))
    return [
        Source(
            decode_image(image, models.height, models.width, image_field),
            decode_keypoints(keypoints, models.keypoints, keypoints_field),
        )
        for image_field, image, keypoints_field, keypoints in given
    ]


def _positions(request: SynthesizeRequest, sources: int) -> list[int]:
    """Returns the position of each driving keypoint set's source."""
    given, frames = request.source_positions, len(request.driving_keypoints)
    if not given:
        return [0] * frames
    if len(given) != frames:
        raise InvalidInputError.of(
            "source_positions", f"{len(given)} positions, but {frames} driving keypoint sets"
        )
    for n, position in enumerate(given):
        check_range(f"source_positions[{n}]", position, 0, sources - 1)
    return list(given)


async def _encode(images: Pixels, encoding: Encoding) -> list[Image]:
    if takes_codec(encoding):
        return await asyncio.to_thread(_encode_all, images, encoding)
    return _encode_all(images, encoding)


def _encode_all(images: Pixels, encoding: Encoding) -> list[Image]:
    return [encode_image(image, encoding) for image in images]
