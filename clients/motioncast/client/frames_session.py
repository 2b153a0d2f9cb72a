"""The session of a client that sends frames: pictures of one size, one message each."""

from __future__ import annotations

from collections.abc import Sequence

from motioncast.client.checked import checked_image, checked_keypoints, size
from motioncast.client.errors import InvalidRequestError
from motioncast.client.options import StreamOptions, encoding, quality_of
from motioncast.client.session import Session
from motioncast.client.sources import listed, message
from motioncast.client.types import Encoding, Keypoints, Mode, Pixels, Source
from motioncast.v1.motion_transfer_pb2 import DrivingFrame, SourceImage, StreamRequest
from motioncast.wire.images import encode_image


class FramesSession(Session[Pixels]):
    """The session of a client that sends frames; without a source its first frame is the source."""

    def __init__(
        self,
        frames: object,
        source: Pixels | Sequence[Pixels] | None,
        sent_as: Encoding,
        options: StreamOptions,
    ) -> None:
        mode = Mode.RECONSTRUCTION if source is None else Mode.TRANSFER
        super().__init__(frames, mode, options)
        if options.get("keypoint_encoding", "floats") != "floats":
            raise InvalidRequestError.of(
                "keypoint_encoding", "only for sessions that send keypoints"
            )
        if options.get("gate") is not None:
            raise InvalidRequestError.of("gate", "only for sessions that send keypoints")
        self._encoding = encoding("encoding", sent_as)
        self._quality = quality_of(options, sent_as)
        # If the server frames the pictures, sources may differ in size from the frames.
        self._sizes_differ = options.get("frame", "off") != "off"
        self._shape: tuple[int, ...] | None = None
        given = [] if source is None else listed(source, axes=3)
        self._source_images = [self._checked_source(field, image) for field, image in given]

    def _sources(self, index: int, element: Pixels) -> list[SourceImage]:
        images = self._source_images or [self._checked(f"frames[{index}]", element)]
        return [self._source(n, image, None) for n, image in enumerate(images)]

    def _further(self, source: Source) -> SourceImage:
        image = self._checked_source("source.image", source.image)
        keypoints = source.keypoints
        if keypoints is not None:
            keypoints = checked_keypoints("source.keypoints", keypoints)
        return self._source(source.index, image, keypoints)

    def _source(self, index: int, image: Pixels, keypoints: Keypoints | None) -> SourceImage:
        return message(index, image, keypoints, self._encoding, quality=self._quality)

    def _message(self, index: int, element: Pixels) -> StreamRequest:
        checked = self._checked(f"frames[{index}]", element)
        image = encode_image(checked, self._encoding, self._quality)
        return StreamRequest(frame=DrivingFrame(index=index, image=image))

    def _checked_source(self, field: str, image: Pixels) -> Pixels:
        return checked_image(field, image) if self._sizes_differ else self._checked(field, image)

    def _checked(self, field: str, image: Pixels) -> Pixels:
        image = checked_image(field, image)
        self._shape = self._shape or image.shape
        if image.shape != self._shape:
            problem = f"{size(image.shape)} pixels, but the source has {size(self._shape)}"
            raise InvalidRequestError.of(field, problem)
        return image
