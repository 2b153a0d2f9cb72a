"""Measures what policies send, and the error of the keypoints shown, without packet loss.

    motioncast evaluate sending --tracks TRACKS.npz --model face256
    python -m motioncast.evaluate.sending (the same)

Covers every frame, M:N, gates, delay and packing. Clips go from the SDK's own sender to its
receiver and playout (`transmission`), each packet against the frame sent before it. A receiver that
waits N frames interpolates between those it has; otherwise it holds the last one, or forecasts with
the model's predictor, as does the gate. *Error*: distance of shown from true keypoints, mean over
keypoints and frames; *largest*: that of a frame's worst keypoint, mean over frames; pixels of 256.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Annotated

import typer
from tqdm import tqdm

from motioncast.client.errors import MotioncastError
from motioncast.client.forecasting import KeypointPredictor
from motioncast.codec import CodecTables, EncodingError, TablesError
from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import TracksError
from motioncast.emulation import Link
from motioncast.evaluate.markdown import table
from motioncast.evaluate.sent_tracks import (
    SentTracksOptions,
    predictor_file,
    sent_tracks,
    write_lines,
)
from motioncast.evaluate.transmission import (
    FRAMES_PER_SECOND,
    Clip,
    Scheme,
    Transmitted,
    mean_error,
    transmit_all,
)
from motioncast.sending import EveryFrame, Forecaster, Gate, Policy, Regular
from motioncast.timeline.pattern import Pattern

BOUNDS_PIXELS = (0.5, 1.0, 2.0)
WAIT_FRAMES = 4  # to fill a packet: five in each if all are sent


@dataclass(frozen=True, slots=True)
class Line:
    """Means over all frames of all clips."""

    policy: str
    forecast: str  # hold, or vrnn: the served predictor
    delay_frames: int
    wait_frames: int
    clips: int
    frames: int
    frames_sent: float  # share
    packets_per_second: float
    error_pixels: float
    largest_error_pixels: float
    payload_kbits: float  # per second
    headers_kbits: float
    wire_kbits: float  # with UDP and IP


@dataclass(frozen=True, slots=True)
class Case:
    """One line to be measured."""

    policy: str
    make: Callable[[Forecaster | None], Policy]
    delay_frames: int = 0
    wait_frames: int = 0
    forecast: bool = False  # with the model's predictor


def cases(bounds: Sequence[float], weights: Sequence[float], *, forecast: bool) -> list[Case]:
    """Returns the lines of the table."""

    def gate(bound: float, forecaster: Forecaster | None) -> Policy:
        return Gate(bound, weights, forecaster=forecaster)

    def every(forecaster: Forecaster | None) -> Policy:
        return EveryFrame()

    def regular(forecaster: Forecaster | None) -> Policy:
        return Regular(Pattern(1, 1))

    found = [
        Case("every frame", every),
        Case("every frame", every, wait_frames=WAIT_FRAMES),
        Case("1:1", regular),
        Case("1:1", regular, delay_frames=1),
    ]
    for bound in bounds:
        name, make = f"gate, {bound:g} px", partial(gate, bound)
        found += [Case(name, make, delay) for delay in (0, 1, 2)]
        found.append(Case(name, make, wait_frames=WAIT_FRAMES))
        if forecast:
            found.append(Case(name, make, forecast=True))
    return found


def measure(
    tables: CodecTables,
    clips: Sequence[Clip],
    case: Case,
    forecaster: Forecaster | None = None,
) -> Line:
    """Sends clips (T, K, 3) by one policy; raises ValueError when none has two frames."""
    used = forecaster if case.forecast else None
    scheme = Scheme(
        case.policy,
        policy=partial(case.make, used),
        wait_frames=case.wait_frames,
        forecaster=None if used is None else (lambda: used),
        answered=False,
    )
    found = transmit_all(tables, clips, scheme, Link(), delay_frames=case.delay_frames)
    frames = sum(len(one.errors) for one in found)

    def a_second(of: Callable[[Transmitted], int]) -> float:
        return sum(map(of, found)) * FRAMES_PER_SECOND / frames

    return Line(
        policy=case.policy,
        forecast="predictor" if case.forecast else "hold",
        delay_frames=case.delay_frames,
        wait_frames=case.wait_frames,
        clips=len(found),
        frames=frames,
        frames_sent=sum(one.frames_sent for one in found) / frames,
        packets_per_second=a_second(lambda one: one.packets),
        error_pixels=mean_error(found),
        largest_error_pixels=fmean(value for one in found for value in one.largest),
        payload_kbits=a_second(lambda one: one.bits) / 1000,
        headers_kbits=a_second(lambda one: one.header_bits) / 1000,
        wire_kbits=a_second(lambda one: one.wire_bits) / 1000,
    )


def as_page(lines: Sequence[Line], command: str) -> str:
    """Returns the evaluation's page (Markdown)."""
    head = ["policy", "forecast", "delay", "waits", "frames sent", "packets a second"]
    head += ["error px", "largest px", "kbit/s payload", "with headers", "with UDP/IP"]
    rows = [
        [
            one.policy,
            one.forecast,
            str(one.delay_frames),
            str(one.wait_frames),
            f"{one.frames_sent:.3f}",
            f"{one.packets_per_second:.1f}",
            f"{one.error_pixels:.3f}",
            f"{one.largest_error_pixels:.2f}",
            f"{one.payload_kbits:.2f}",
            f"{one.headers_kbits:.2f}",
            f"{one.wire_kbits:.2f}",
        ]
        for one in lines
    ]
    said = f"{lines[0].clips} clips, {lines[0].frames} frames."
    return "\n\n".join(["# What is sent", said, f"```\n{command}\n```", table(head, rows)])


@dataclass(frozen=True, kw_only=True)
class SendingOptions(SentTracksOptions):
    """Whose keypoints are sent by which policies."""

    gate: Annotated[
        list[float],
        typer.Option(
            metavar="PIXELS", help="error bound of a gate, in pixels at 256; may be repeated"
        ),
    ] = field(default_factory=lambda: list(BOUNDS_PIXELS))
    predictor: Annotated[
        bool, typer.Option(help="also run gates with the model's predictor, which is slower")
    ] = True


def run(options: SendingOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    expected = (TablesError, EncodingError, TracksError, MotioncastError, OSError, ValueError)
    with refusing(*expected):
        sent = sent_tracks(options)
        forecaster = None
        if options.predictor:
            forecaster = KeypointPredictor(predictor_file(options.models, options.model))
        chosen = cases(options.gate, sent.weights, forecast=options.predictor)
        lines = [measure(sent.tables, sent.clips, one, forecaster) for one in tqdm(chosen)]
    write_lines(options.json, command, lines)
    print(as_page(lines, command))


main = Program("motioncast evaluate sending", SendingOptions, run, __doc__)


if __name__ == "__main__":
    main()
