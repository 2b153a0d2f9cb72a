"""KeypointService: decodes images, delegates to the detector, encodes keypoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np

from motioncast.framing import Letterbox, letterboxed
from motioncast.inference import Catalogue, Engine, MeasuredEngine, ModelSet
from motioncast.keypoint.detector import Detector, Source
from motioncast.keypoint.finder import Finder
from motioncast.serving import MAX_QUESTION_BYTES, Context, Deadline, Metrics, Registration
from motioncast.v1.common_pb2 import Image
from motioncast.v1.keypoint_pb2 import (
    DESCRIPTOR,
    DetectRequest,
    DetectResponse,
    FindFacesRequest,
    FindFacesResponse,
    ListModelsRequest,
    ListModelsResponse,
    ReadCodecTablesRequest,
    ReadCodecTablesResponse,
)
from motioncast.v1.keypoint_pb2_grpc import (
    KeypointServiceServicer,
    add_KeypointServiceServicer_to_server,
)
from motioncast.wire.codec import encode_tables
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import encode_faces
from motioncast.wire.images import Pixels, decode_image, decode_picture, takes_codec
from motioncast.wire.keypoints import decode_keypoints, encode_keypoints
from motioncast.wire.limits import check_range

MAX_IMAGES: Final = 64


def registration(
    engine: Engine, *, default_model: str | None = None, metrics: Metrics
) -> Registration:
    """Returns the keypoint service to register.

    Args:
        engine: An open engine; may be shared.
        default_model: Configuration for requests that name none; None selects the shipped one, or
            the first in alphabetical order.
        metrics: Where its inferences are timed.

    Raises:
        InvalidInputError: The engine has no configuration, or no complete one.
        UnknownModelError: The engine has no model with the default's name. If the default exists
            but cannot be served, the service is not ready, and requests that name no model are
            refused.
    """
    measured = MeasuredEngine(engine, metrics.registry)
    finder = Finder(engine, measured)
    catalogue = Catalogue(engine, default_model)
    servicer = KeypointServicer(catalogue, Detector(measured), finder)
    return Registration(
        name=DESCRIPTOR.services_by_name["KeypointService"].full_name,
        add=partial(add_KeypointServiceServicer_to_server, servicer),
        ready=catalogue.ready,
        unlimited_methods=frozenset({"ListModels"}),
        max_request_bytes={
            "ListModels": MAX_QUESTION_BYTES,
            "ReadCodecTables": MAX_QUESTION_BYTES,
            "Detect": (MAX_IMAGES + 1) * catalogue.largest_image_bytes
            + catalogue.largest_keypoints_bytes,
        },
        log_level=logging.DEBUG,
    )


class KeypointServicer(KeypointServiceServicer):
    """Answers Detect, FindFaces, ListModels and ReadCodecTables."""

    def __init__(self, catalogue: Catalogue, detector: Detector, finder: Finder) -> None:
        self._catalogue = catalogue
        self._detector = detector
        self._finder = finder

    async def Detect(self, request: DetectRequest, context: Context) -> DetectResponse:
        models = self._catalogue.resolve(request.model)
        check_range("images", len(request.images), 1, MAX_IMAGES)
        source = await _source(request, models)
        images = await _decode(request.images, models)
        detection = await self._detector.detect(models, images, Deadline.of(context), source)
        return DetectResponse(
            keypoints=map(encode_keypoints, detection.keypoints),
            inference_ms=1000 * detection.seconds,
        )

    async def FindFaces(self, request: FindFacesRequest, context: Context) -> FindFacesResponse:
        check_range("images", len(request.images), 1, MAX_IMAGES)
        squares = await asyncio.to_thread(_letterbox_all, request.images)
        finding = await self._finder.find(squares, Deadline.of(context))
        return FindFacesResponse(
            images=map(encode_faces, finding.faces), inference_ms=1000 * finding.seconds
        )

    async def ListModels(self, request: ListModelsRequest, context: Context) -> ListModelsResponse:
        return ListModelsResponse(
            models=[models.message() for models in self._catalogue.all()],
            default_model=self._catalogue.default_name,
        )

    async def ReadCodecTables(
        self, request: ReadCodecTablesRequest, context: Context
    ) -> ReadCodecTablesResponse:
        models = self._catalogue.resolve(request.model)
        return ReadCodecTablesResponse(tables=encode_tables(models.name, models.codec))


def _letterbox_all(images: Sequence[Image]) -> list[tuple[Pixels, Letterbox]]:
    """Returns the images as input of the finder; decodes them one at a time, to save memory."""
    return [letterboxed(decode_picture(image, f"images[{n}]")) for n, image in enumerate(images)]


async def _source(request: DetectRequest, models: ModelSet) -> Source | None:
    """Returns what the images' keypoints are registered with; None if they are not."""
    given = [name for name in ("source", "source_keypoints") if request.HasField(name)]
    if not given:
        return None
    if models.registration_model is None:
        raise InvalidInputError.of(given[0], f"{models.name} cannot register keypoints")
    if "source_keypoints" not in given:
        raise InvalidInputError.of("source_keypoints", "missing; required with source")
    if "source" not in given:
        raise InvalidInputError.of("source", "missing; required with source_keypoints")
    keypoints = decode_keypoints(request.source_keypoints, models.keypoints, "source_keypoints")
    decode = partial(decode_image, request.source, models.height, models.width, "source")
    takes = takes_codec(request.source.encoding)
    image = await asyncio.to_thread(decode) if takes else decode()
    return Source(models.registration_model, image, keypoints)


async def _decode(images: Sequence[Image], models: ModelSet) -> Pixels:
    """Returns the images as pixels (N, H, W, 3)."""
    if any(takes_codec(image.encoding) for image in images):
        return await asyncio.to_thread(_decode_all, images, models)
    return _decode_all(images, models)


def _decode_all(images: Sequence[Image], models: ModelSet) -> Pixels:
    height, width = models.height, models.width
    return np.stack(
        [decode_image(image, height, width, f"images[{n}]") for n, image in enumerate(images)]
    )
