"""Sends one clip through an emulated network and shows it: its cost, and its error.

    sender -> network -> receiver -> playout          the SDK's own, on a virtual clock
       ^------ network <- acknowledgements            the same loss model, drawn independently

Frame 0 is the source: both ends have it, and it counts neither as a frame nor in bits. The playout
clock lags the sender's by a packet's transit time plus the number of frames it waits for.

Shapes: T frames, K keypoints (x, y, intensity).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
import numpy.typing as npt

from motioncast.codec import HEADER_BYTES, CodecTables
from motioncast.emulation import Link, Network
from motioncast.sending import (
    REFERENCES,
    Acknowledgement,
    EveryFrame,
    Forecaster,
    KeypointReceiver,
    KeypointSender,
    Playout,
    Policy,
)

FRAMES_PER_SECOND: Final = 25
PIXELS_PER_UNIT: Final = 127.5  # of an image of 256 pixels
UDP_IP_BYTES: Final = 28  # of every packet on the wire, IPv4
_EARLY_SECONDS: Final = 1e-7  # so that a packet that takes N frames arrives before frame N is due

Clip = npt.NDArray[np.float32]  # (T, K, 3)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the frames of a clip are sent and shown."""

    name: str
    references: str = "before"  # a name in `sending.REFERENCES`
    policy: Callable[[], Policy] = EveryFrame
    copies: int = 1
    copied: Callable[[], Policy] | None = None  # selects the frames to send repeatedly; None: all
    copied_after_loss: bool = False  # whether only for two seconds after a loss
    wait_frames: int = 0
    forecaster: Callable[[], Forecaster] | None = None  # of the playout; None holds frames
    answered: bool = True  # whether acknowledgements are sent


@dataclass(frozen=True, slots=True)
class Transmitted:
    """The transmission of one clip."""

    errors: list[float]  # of T - 1 frames: mean distance of keypoints from the truth, pixels at 256
    largest: list[float]  # the largest of the keypoints' distances
    packets: int  # including copies
    bits: int  # of packets without their headers, including copies
    frames_sent: int  # without copies

    @property
    def header_bits(self) -> int:
        """Bits of the packets with their headers of four bytes."""
        return self.bits + 8 * HEADER_BYTES * self.packets

    @property
    def wire_bits(self) -> int:
        """The same with UDP and IP."""
        return self.header_bits + 8 * UDP_IP_BYTES * self.packets


def transmit(
    tables: CodecTables,
    clip: Clip,
    scheme: Scheme,
    link: Link,
    *,
    delay_frames: int = 0,
    blend_frames: int = 0,
    seed: tuple[int, ...] = (0,),
) -> Transmitted:
    """Sends a clip (T, K, 3), T >= 2, and returns its cost and the frames shown."""
    sender = KeypointSender(
        tables,
        scheme.policy(),
        REFERENCES[scheme.references],
        wait_frames=scheme.wait_frames,
        copies=scheme.copies,
        copied=None if scheme.copied is None else scheme.copied(),
        copied_after_loss=scheme.copied_after_loss,
    )
    receiver = KeypointReceiver(tables)
    for end in (sender, receiver):
        end.set_source(0, clip[0])
    forth, back = Network(link, (*seed, 0)), Network(link, (*seed, 1))
    answers: list[Acknowledgement] = []
    playout = Playout(
        FRAMES_PER_SECOND,
        delay_frames=delay_frames + scheme.wait_frames,
        blend_frames=blend_frames,
        forecaster=None if scheme.forecaster is None else scheme.forecaster(),
    )
    playout.arrive(0, clip[0], link.delay_seconds)

    def receive(now: float) -> None:
        for arrival in forth.deliver(now):
            for got in receiver.receive(arrival.data):
                playout.arrive(got.index, got.keypoints, arrival.seconds)
            if scheme.answered:
                back.send(len(answers).to_bytes(4, "big"), max(arrival.seconds, back.now))
                answers.append(receiver.acknowledgement())

    shown: dict[int, npt.NDArray[np.float32]] = {}
    packets = bits = sent = tick = 0
    while len(clip) - 1 not in shown:
        now = tick / FRAMES_PER_SECOND
        receive(now)
        for arrival in back.deliver(now):
            sender.acknowledge(answers[int.from_bytes(arrival.data, "big")])
        due = sender.push(tick, clip[tick]) if 0 < tick < len(clip) else []
        due += sender.flush() if tick == len(clip) - 1 else []
        for packet in due:
            forth.send(packet.data, now)
            packets, bits = packets + 1, bits + 8 * (len(packet.data) - HEADER_BYTES)
            sent += len(packet.frames) if packet.copy == 0 else 0
        receive(now)  # packets without delay
        if (frame := playout.show(now)) is not None:
            shown[frame.index] = frame.keypoints
        tick += 1
    distances = np.stack([_distances(shown[t], clip[t]) for t in range(1, len(clip))])
    return Transmitted(
        distances.mean(axis=1).tolist(), distances.max(axis=1).tolist(), packets, bits, sent
    )


def transmit_all(
    tables: CodecTables,
    clips: Sequence[Clip],
    scheme: Scheme,
    link: Link,
    *,
    delay_frames: int = 0,
    blend_frames: int = 0,
    seed: int = 0,
) -> list[Transmitted]:
    """Sends every clip that has two or more frames, each with its own random losses.

    Raises ValueError when there is no such clip.
    """
    found = [
        transmit(
            tables,
            clip,
            scheme,
            link,
            delay_frames=delay_frames,
            blend_frames=blend_frames,
            seed=(seed, number),
        )
        for number, clip in enumerate(clips)
        if len(clip) > 1
    ]
    if not found:
        raise ValueError("clips: all are shorter than two frames")
    return found


def mean_error(found: Sequence[Transmitted]) -> float:
    """Returns the mean error over all frames of all clips, in pixels."""
    return fmean(value for one in found for value in one.errors)


def link_of(loss: float, mean_burst: float | None, round_trip_frames: float) -> Link:
    """Returns a link with the given loss, and half the round trip in each direction."""
    delay = round_trip_frames / 2 / FRAMES_PER_SECOND
    return Link(loss, mean_burst, delay_seconds=max(0.0, delay - _EARLY_SECONDS))


def _distances(found: Clip, truth: Clip) -> npt.NDArray[np.float64]:
    away = (found[:, :2] - truth[:, :2]).astype(np.float64) * PIXELS_PER_UNIT
    return np.hypot(away[:, 0], away[:, 1])
