"""Sends a clip as keypoints in all available ways, and draws it from its first frame.

    source image -> AVIF or lossless WebP; keypoints -> policy -> packets -> receiver -> playout
        -> synthesis

Sender, receiver and playout are the SDK's own. Nothing is lost or late: the effect of losses is
measured by `motioncast evaluate loss`.

Shapes: T frames, S pixels, K keypoints.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from motioncast.codec import DEFAULT_COARSENESS, CodecTables
from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.pipelines import Pipeline
from motioncast.evaluate.rate.stream import Rates, Stream, float_rates, packet_rates
from motioncast.sending import (
    EveryFrame,
    Forecaster,
    Gate,
    KeypointReceiver,
    KeypointSender,
    Playout,
    Policy,
    Regular,
)
from motioncast.timeline.pattern import Pattern
from motioncast.wire.images import AVIF, WEBP, Encoding, decode_image, encode_image

Track = npt.NDArray[np.float32]  # (T, K, 3)

EVERY_FRAME: Final = "every frame"
FLOATS: Final = "floats, lossless source"
SOURCE_ALONE: Final = "source alone"
COARSENESS: Final = (0, 2, 4, 6)
BOUNDS_PIXELS: Final = (1.0, 2.0)
_PACKET_FRAMES: Final = 5


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to send a track."""

    method: str
    setting: str
    policy: Callable[[Forecaster | None], Policy]
    coarseness: int = DEFAULT_COARSENESS
    forecast: bool = False  # with the model's predictor; otherwise the last frame is held
    delay_frames: int = 0
    wait_frames: int = 0  # to fill a packet
    lossless: bool = False  # whether the source image is lossless


def schemes(weights: tuple[float, ...], *, forecast: bool) -> list[Scheme]:
    """Returns the schemes to compare; fewer if there is no predictor to `forecast` with."""

    def every(_: Forecaster | None) -> Policy:
        return EveryFrame()

    def regular(pattern: Pattern, _: Forecaster | None) -> Policy:
        return Regular(pattern)

    def gate(bound: float, forecaster: Forecaster | None) -> Policy:
        return Gate(bound, weights, forecaster=forecaster)

    found = [Scheme(EVERY_FRAME, f"coarseness {one}", every, one) for one in COARSENESS]
    usual = f"coarseness {DEFAULT_COARSENESS}"
    found += [
        Scheme(f"{EVERY_FRAME}, lossless source", usual, every, lossless=True),
        Scheme(f"{EVERY_FRAME}, 5 in a packet", usual, every, wait_frames=_PACKET_FRAMES - 1),
    ]
    for pattern in (Pattern(1, 1), Pattern(5, 5)):
        policy = partial(regular, pattern)
        found.append(Scheme(f"{pattern}, hold", usual, policy))
        if forecast:
            found.append(Scheme(f"{pattern}, forecast", usual, policy, forecast=True))
    found.append(
        Scheme("1:1, a frame of delay", usual, partial(regular, Pattern(1, 1)), delay_frames=1)
    )
    for bound in BOUNDS_PIXELS:
        policy, setting = partial(gate, bound), f"{bound:g} px"
        found.append(Scheme("gate, hold", setting, policy))
        found.append(Scheme("gate, 2 frames of delay", setting, policy, delay_frames=2))
        if forecast:
            found.append(Scheme("gate, forecast", setting, policy, forecast=True))
    return found


def our_streams(
    pipeline: Pipeline,
    tables: CodecTables,
    clip: Frames,
    keypoints: Track,
    frame_rate: float,
    forecaster: Forecaster | None = None,
) -> Iterator[Stream]:
    """Yields a clip (T, S, S, 3) with keypoints (T, K, 3), sent in every way.

    Raises ValueError when the keypoints do not match the tables.
    """
    lossy, lossless = (Source(pipeline, clip[0], encoding) for encoding in (AVIF, WEBP))
    still = Rates(0.0, 0.0, 0.0, 0.0, len(lossy.file), len(lossy.file))
    yield Stream(SOURCE_ALONE, "", still, np.repeat(lossy.image[None], len(clip), axis=0))
    rates = float_rates(keypoints, lossless.file, frame_rate)
    yield Stream(FLOATS, "", rates, lossless.draw(keypoints))
    weights = tuple(pipeline.source_weights)
    for scheme in schemes(weights, forecast=forecaster is not None):
        source = lossless if scheme.lossless else lossy
        packets, shown = send(tables, keypoints, source.keypoints, scheme, forecaster)
        yield Stream(
            method=scheme.method,
            setting=scheme.setting,
            rates=packet_rates(packets, source.file, len(clip), frame_rate),
            frames=source.draw(shown),
            delay_frames=scheme.delay_frames + scheme.wait_frames,
        )


def send(
    tables: CodecTables,
    keypoints: Track,
    source: npt.NDArray[np.float32],
    scheme: Scheme,
    forecaster: Forecaster | None = None,
) -> tuple[list[bytes], Track]:
    """Returns the packets of a track (T, K, 3) after its first frame, and the keypoints shown.

    The first frame shown has the source's keypoints (K, 3), which both ends have.
    """
    used = forecaster if scheme.forecast else None
    sender = KeypointSender(
        tables,
        scheme.policy(used),
        wait_frames=scheme.wait_frames,
        coarseness=scheme.coarseness,
    )
    receiver = KeypointReceiver(tables)
    for end in (sender, receiver):
        end.set_source(0, source)
    delay = scheme.delay_frames + scheme.wait_frames
    playout = Playout(1, delay_frames=delay, blend_frames=0, forecaster=used)  # a frame a second
    playout.arrive(0, source, 0)
    packets: list[bytes] = []
    shown = [source]
    tick, last = 0, len(keypoints) - 1
    playout.show(delay)  # the source
    while len(shown) <= last:
        tick += 1
        due = sender.push(tick, keypoints[tick]) if tick <= last else []
        due += sender.flush() if tick == last else []
        for packet in due:
            packets.append(packet.data)
            for frame in receiver.receive(packet.data):
                playout.arrive(frame.index, frame.keypoints, tick)
        if tick > delay and (frame_shown := playout.show(tick)) is not None:
            shown.append(frame_shown.keypoints)
    return packets, np.stack(shown)


class Source:
    """A source image as sent, and what is drawn from it.

    Attributes:
        file: Its encoded bytes.
        image: (S, S, 3), as decoded.
        keypoints: (K, 3), found in the decoded image.
    """

    def __init__(self, pipeline: Pipeline, image: Frames, encoding: Encoding) -> None:
        message = encode_image(image, encoding)
        self.file = message.data
        self.image = decode_image(message, pipeline.size, pipeline.size)
        self._pipeline = pipeline
        self._found = pipeline.detect(self.image[None])[0]
        self.keypoints: npt.NDArray[np.float32] = self._found.numpy()
        self._drawn: dict[bytes, Frames] = {}

    def draw(self, track: Track) -> Frames:
        """Returns the frames (T, S, S, 3) of keypoints (T, K, 3), drawing equal ones only once."""
        wanted = {frame.tobytes(): frame for frame in track}
        missing = {name: frame for name, frame in wanted.items() if name not in self._drawn}
        if missing:
            driving = torch.from_numpy(np.stack(list(missing.values())))
            drawn = self._pipeline.draw(self.image, self._found, driving)
            self._drawn |= dict(zip(missing, drawn, strict=True))
        return np.stack([self._drawn[frame.tobytes()] for frame in track])
