"""The configuration of a session: options, checked before they are sent, and the server's reply.

Every option is a field here, in the contract and in the orchestrator's `configuration.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from motioncast.client.errors import InvalidRequestError, ServerError
from motioncast.client.option_checks import frame_rate_of, named, text, whole_number
from motioncast.client.types import Encoding, Framing, KeypointEncoding, Mode, OutputEncoding
from motioncast.codec import DEFAULT_COARSENESS, MAX_COARSENESS, MAX_PACKET_FRAMES
from motioncast.framing import FramingMode
from motioncast.sending import Gate, Policy
from motioncast.timeline.interpolation import MAX_DELAY_FRAMES
from motioncast.timeline.pattern import (
    DEFAULT_OBSERVED,
    DEFAULT_PREDICTED,
    MAX_GROUP_FRAMES,
    Pattern,
)
from motioncast.v1.common_pb2 import KEYPOINT_ENCODING_CODED, KEYPOINT_ENCODING_FLOATS
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_RECONSTRUCTION,
    TRANSFER_MODE_TRANSFER,
    StreamConfig,
)
from motioncast.wire import framing as wire_framing
from motioncast.wire import images
from motioncast.wire.errors import InvalidInputError
from motioncast.wire.framing import decode_mode, encode_mode

ENCODINGS: Final[dict[Encoding, images.Encoding]] = {
    "rgb8": images.RGB8,
    "jpeg": images.JPEG,
    "png": images.PNG,
    "webp": images.WEBP,
    "avif": images.AVIF,
}
KEYPOINT_ENCODINGS: Final[dict[KeypointEncoding, int]] = {
    "floats": KEYPOINT_ENCODING_FLOATS,
    "coded": KEYPOINT_ENCODING_CODED,
}
MODES: Final = {
    Mode.RECONSTRUCTION: TRANSFER_MODE_RECONSTRUCTION,
    Mode.TRANSFER: TRANSFER_MODE_TRANSFER,
}
_MODES: Final = {number: mode for mode, number in MODES.items()}
OUTPUTS: Final[dict[OutputEncoding, images.Encoding]] = {
    "rgb8": images.RGB8,
    "jpeg": images.JPEG,
    "png": images.PNG,
    "h264": images.H264,
}
_OUTPUTS: Final = {number: name for name, number in OUTPUTS.items()}
_KEYPOINT_ENCODINGS: Final = {number: name for name, number in KEYPOINT_ENCODINGS.items()}


class StreamOptions(TypedDict, total=False):
    """Settings of a session; all of them are optional."""

    observed: int  # M, frames sent in each group of M + N: 1 to 256, default 1
    predicted: int  # N, frames forecast in each group: 0 to 256, default 0: every frame is sent
    model: str | None  # model configuration, for example "face256"; default: the server's
    relative_motion: bool  # transfer only: the video's motion since its first frame; default False
    frame_rate: float  # frames per second of the video: above 0 and up to 240, default 25
    frame_count: int | None  # frames of the whole video; default: its len(), unknown without one
    output: OutputEncoding  # encoding of result frames, default "rgb8"; "h264" is decoded here
    output_crf: int  # with "h264": constant rate factor, 1 (best) to 51, default 23
    delay_frames: int  # how many frames the server waits, to interpolate: 0 to 16, default 0
    live: bool  # frames are skipped when newer ones have arrived, not made late; default False
    pictures_only: bool  # frames come without keypoints, intervals and timings; default False
    seed: int | None  # of the predictor's noise, 64 bits; default: none, the mean path
    frame: Framing  # "auto", "fixed": the server frames pictures of any size; default "off"
    keypoint_encoding: KeypointEncoding  # how keypoints are sent, default "floats"
    coarseness: int  # coded keypoints only: 0 to 7, half an octave each; default 2, the model's
    packet_frames: int  # coded keypoints only: frames that share a packet, 1 to 8; default 1
    # Keypoints only: frames whose forecast errs by less than this are not sent, in pixels of 256;
    # or a `sending.Gate` with the model's weights and predictor; default None, all are sent. They
    # come back as predicted frames.
    gate: Policy | float | None
    datagrams: bool  # coded keypoints only: as QUIC datagrams if those get through
    quality: int | None  # of images sent as JPEG or AVIF: 1 (fewest bytes) to 100; default 95, 70


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """The configuration that a session runs with, with every default filled in by the server."""

    model: str
    mode: Mode
    relative_motion: bool
    observed: int  # M, frames sent in each group of M + N
    predicted: int  # N, frames forecast in each group of M + N
    frame_rate: float  # frames per second
    frame_count: int | None  # frames of the whole timeline; None when unknown
    output: OutputEncoding
    seed: int | None  # of the predictor's noise; None for the mean path
    height: int  # pixels
    width: int  # pixels
    keypoints: int  # K
    frame: FramingMode = FramingMode.OFF  # whether and how the server frames
    keypoint_encoding: KeypointEncoding = "floats"
    codec_tables: str = ""  # SHA-256 of the keypoints' codec tables; "" for floats
    datagrams: bool = False  # whether the server accepts datagrams
    delay_frames: int = 0  # how many frames the server waits, to interpolate
    live: bool = False  # whether frames are skipped when newer ones have arrived
    pictures_only: bool = False  # frames come without keypoints, intervals and timings
    output_crf: int | None = None  # constant rate factor of "h264"


_DEFAULTS: Final = StreamOptions(
    observed=DEFAULT_OBSERVED,
    predicted=DEFAULT_PREDICTED,
    model=None,
    relative_motion=False,
    frame_rate=25.0,
    frame_count=None,
    output="rgb8",
    output_crf=images.DEFAULT_CRF,
    delay_frames=0,
    live=False,
    pictures_only=False,
    seed=None,
    frame="off",
    keypoint_encoding="floats",
    coarseness=DEFAULT_COARSENESS,
    packet_frames=1,
    gate=None,
    datagrams=False,
    quality=None,
)


def encode_config(given: StreamOptions, mode: Mode) -> StreamConfig:
    """Returns the options as the message that opens a session.

    Raises:
        InvalidRequestError: An option is out of range.
        TypeError: There is no such option.
    """
    unknown = sorted(given.keys() - _DEFAULTS.keys())
    if unknown:
        raise TypeError(f"unknown option: {', '.join(unknown)}")
    options: StreamOptions = {**_DEFAULTS, **given}
    if options["relative_motion"] and mode is not Mode.TRANSFER:
        raise InvalidRequestError.of("relative_motion", "requires a separate source image")
    config = StreamConfig(
        mode=MODES[mode],
        relative_motion=options["relative_motion"],
        observed_frames=whole_number("observed", options["observed"], 1, MAX_GROUP_FRAMES),
        predicted_frames=whole_number("predicted", options["predicted"], 0, MAX_GROUP_FRAMES),
        frame_rate=frame_rate_of(options["frame_rate"]),
        output_encoding=named("output", options["output"], OUTPUTS),
    )
    if delay := whole_number("delay_frames", options["delay_frames"], 0, MAX_DELAY_FRAMES):
        config.delay_frames = delay
    if options["live"]:
        config.live = True
    if options["pictures_only"]:
        config.pictures_only = True
    crf = whole_number("output_crf", options["output_crf"], 1, images.MAX_CRF)
    if options["output"] == "h264":
        config.output_crf = crf
    elif "output_crf" in given:
        raise InvalidRequestError.of("output_crf", "only for output 'h264'")
    mode_of_framing = framing("frame", options["frame"])
    if mode_of_framing is not FramingMode.OFF:
        config.frame = encode_mode(mode_of_framing)
    whole_number("coarseness", options["coarseness"], 0, MAX_COARSENESS)
    whole_number("packet_frames", options["packet_frames"], 1, MAX_PACKET_FRAMES)
    sent_as = options["keypoint_encoding"]
    if named("keypoint_encoding", sent_as, KEYPOINT_ENCODINGS) == KEYPOINT_ENCODING_CODED:
        config.keypoint_encoding = KEYPOINT_ENCODING_CODED
    elif given.keys() & {"coarseness", "packet_frames"}:
        raise InvalidRequestError.of(
            "keypoint_encoding", "coarseness and packet_frames require 'coded'"
        )
    if options["datagrams"]:
        if config.keypoint_encoding != KEYPOINT_ENCODING_CODED:
            raise InvalidRequestError.of("datagrams", "require keypoint_encoding 'coded'")
        config.datagrams.SetInParent()
    gate_of(options["gate"])
    if options["quality"] is not None:
        whole_number("quality", options["quality"], 1, 100)
    if options["model"] is not None:
        config.model = text("model", options["model"])
    if options["frame_count"] is not None:
        config.frame_count = whole_number("frame_count", options["frame_count"], 1, 2**64 - 1)
    if options["seed"] is not None:
        config.seed = whole_number("seed", options["seed"], 0, 2**64 - 1)
    return config


def decode_config(message: StreamConfig) -> EffectiveConfig:
    """Returns the effective configuration; ServerError for an unknown value."""
    sent_as = message.keypoint_encoding or KEYPOINT_ENCODING_FLOATS
    if (
        message.mode not in _MODES
        or message.output_encoding not in _OUTPUTS
        or sent_as not in _KEYPOINT_ENCODINGS
    ):
        raise ServerError(
            "the server answered with a configuration that this client does not support"
        )
    return EffectiveConfig(
        model=message.model,
        mode=_MODES[message.mode],
        relative_motion=message.relative_motion,
        observed=message.observed_frames,
        predicted=message.predicted_frames,
        frame_rate=message.frame_rate,
        frame_count=message.frame_count or None,
        output=_OUTPUTS[message.output_encoding],
        seed=message.seed if message.HasField("seed") else None,
        height=message.height,
        width=message.width,
        keypoints=message.keypoints,
        frame=received_framing(message.frame),
        keypoint_encoding=_KEYPOINT_ENCODINGS[sent_as],
        codec_tables=message.codec_tables,
        datagrams=message.HasField("datagrams"),
        delay_frames=message.delay_frames,
        live=message.live,
        pictures_only=message.pictures_only,
        output_crf=message.output_crf if message.HasField("output_crf") else None,
    )


def gate_of(given: Policy | float | None) -> Policy | None:
    """Returns the gate that an option stands for; InvalidRequestError if it is invalid."""
    if given is None or not isinstance(given, float | int):
        return given
    try:
        return Gate(float(given))
    except ValueError as error:
        raise InvalidRequestError.of("gate", str(error).removeprefix("gate: ")) from error


def is_observed(index: int, observed: int, predicted: int) -> bool:
    """Returns whether the pattern sends frame `index`: the first M of every M + N are sent."""
    return Pattern(observed, predicted).expects(index)


def quality_of(options: StreamOptions, sent_as: Encoding) -> int | None:
    """Returns the quality of encoded images; None for the encoding's default.

    Raises:
        InvalidRequestError: The encoding has no quality.
    """
    quality = options.get("quality")
    if quality is not None and sent_as not in ("jpeg", "avif"):
        raise InvalidRequestError.of("quality", f"only for 'jpeg' and 'avif', not {sent_as!r}")
    return quality


def encoding(field: str, name: Encoding) -> images.Encoding:
    """Returns the contract's number for an encoding; InvalidRequestError for an unknown one."""
    number = named(field, name, ENCODINGS)
    if not images.available(number):
        raise InvalidRequestError.of(
            field, f"{name} cannot be encoded: this Pillow was built without it"
        )
    return number


def framing(field: str, name: Framing) -> FramingMode:
    """Returns the mode of that name; InvalidRequestError for an unknown one."""
    return named(field, name, {mode.value: mode for mode in FramingMode})


def received_framing(number: wire_framing.Mode) -> FramingMode:
    """Returns the server's framing mode; ServerError for an unknown value."""
    try:
        return decode_mode(number)
    except InvalidInputError as error:
        raise ServerError(f"the server answered with {error}") from error
