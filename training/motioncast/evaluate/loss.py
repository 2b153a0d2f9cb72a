"""Measures the effect of packet loss on keypoints: error and bits of every way to send them.

    motioncast evaluate loss --tracks TRACKS.npz --model face256
    python -m motioncast.evaluate.loss (the same)

Clips go through an emulated network at 25 frames a second, with the SDK's own sender, receiver and
playout (`transmission`). Acknowledgements are lost like packets. *Error* is the mean distance of
shown from true keypoints in pixels of 256, and *times* is that over the same scheme's without loss;
*bits* are those of the packets without headers, copies included, over the chain's without loss.

    chain          against the frame before; a source when the receiver reports that it is stuck
    adaptive       as `acknowledged` for two seconds after a loss and at the start, else as `chain`
    adaptive, some as `adaptive`; for two seconds after a loss, packets with much motion go twice
    acknowledged   always against the newest acknowledged frame
    source         always against the source; no acknowledgements
    gate           only frames that holding the last one would miss by more than the bound; adaptive
    gate, twice    as `gate`, with every packet sent twice
    gate, some     as `gate`, sending twice only packets that a gate with 1.5 times the bound sends

Frames that did not arrive in time are shown as receivers show them: interpolated if a later one is
there, else forecast by the model's predictor. After a gate they are held: its bound is that of
holding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Annotated

import typer
from tqdm import tqdm

from motioncast.client import MotioncastError
from motioncast.client.forecasting import KeypointPredictor
from motioncast.codec import CodecTables, EncodingError, TablesError
from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import TracksError
from motioncast.emulation import Link, LinkError
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
    link_of,
    mean_error,
    transmit_all,
)
from motioncast.sending import COPIED_BOUND_PIXELS, Forecaster, Gate, Policy

LOSSES = (0.0, 0.05, 0.1, 0.2, 0.4)
BURST = 4.0  # packets
COPIED_BOUNDS = 1.5  # multiple of the gate's bound beyond which a packet is sent twice
CLEAN = "chain"  # the scheme with which the others' bits are compared


def schemes(
    gate_pixels: float, weights: Sequence[float], forecaster: Forecaster | None = None
) -> list[Scheme]:
    """Returns the ways to send keypoints that are compared.

    Args:
        gate_pixels: The gate's bound.
        weights: Weights of the keypoints for the gate; empty: all equal.
        forecaster: Forecasts missing frames where every frame is sent; None: they are held.
    """
    shown = None if forecaster is None else lambda: forecaster

    def gate() -> Policy:
        return Gate(gate_pixels, weights)

    def coarser() -> Policy:
        return Gate(COPIED_BOUNDS * gate_pixels, weights)

    return [
        Scheme(CLEAN, forecaster=shown),
        Scheme("adaptive", "adaptive", forecaster=shown),
        Scheme(
            "adaptive, some",
            "adaptive",
            copies=2,
            copied=lambda: Gate(COPIED_BOUND_PIXELS),
            copied_after_loss=True,
            forecaster=shown,
        ),
        Scheme("acknowledged", "acknowledged", forecaster=shown),
        Scheme("source", "source", forecaster=shown, answered=False),
        Scheme("gate", "adaptive", gate),
        Scheme("gate, twice", "adaptive", gate, copies=2),
        Scheme("gate, some", "adaptive", gate, copies=2, copied=coarser),
    ]


@dataclass(frozen=True, slots=True)
class LossLine:
    """Means over all frames of all clips and seeds."""

    scheme: str
    loss: float
    mean_burst: float | None  # packets; None: independent losses
    delay_frames: int
    seeds: int
    clips: int
    frames: int  # of one seed
    error_pixels: float
    largest_error_pixels: float  # of a frame's keypoints
    times: float  # error over that without loss, all else equal
    bits_times: float  # relative to the chain's without loss
    payload_kbits: float  # per second
    headers_kbits: float
    wire_kbits: float  # with UDP and IP
    frames_sent: float  # share


def measure(
    tables: CodecTables,
    clips: Sequence[Clip],
    compared: Sequence[Scheme],
    links: Sequence[Link],
    delays: Sequence[int] = (0,),
    seeds: Sequence[int] = (0,),
    blend_frames: int = 0,
) -> list[LossLine]:
    """Sends clips (T, K, 3) by every scheme over every link, the first of which loses nothing.

    With several seeds each clip is sent as often.

    Raises ValueError when no clip has two frames, or the keypoints do not match the tables.
    """

    def send(scheme: Scheme, link: Link, delay_frames: int) -> list[Transmitted]:
        transmit = partial(transmit_all, tables, clips, scheme, link, delay_frames=delay_frames)
        return [one for seed in seeds for one in transmit(blend_frames=blend_frames, seed=seed)]

    clean: dict[tuple[str, int], float] = {}  # errors without loss
    chain = send(Scheme(CLEAN), links[0], 0)
    chain_bits, lines = sum(one.bits for one in chain), []
    runs = [(s, link, delay) for s in compared for delay in delays for link in links]
    for scheme, link, delay in tqdm(runs, disable=None):
        found = send(scheme, link, delay)
        before = clean.setdefault((scheme.name, delay), mean_error(found))
        lines.append(_line(scheme, link, delay, found, before, chain_bits, len(seeds)))
    return lines


def _line(
    scheme: Scheme,
    link: Link,
    delay: int,
    found: Sequence[Transmitted],
    before: float,
    chain_bits: int,
    seeds: int,
) -> LossLine:
    frames = sum(len(one.errors) for one in found)
    to_kbits = FRAMES_PER_SECOND / frames / 1000
    return LossLine(
        scheme=scheme.name,
        loss=link.loss,
        mean_burst=link.mean_burst,
        delay_frames=delay,
        seeds=seeds,
        clips=len(found) // seeds,
        frames=frames // seeds,
        error_pixels=mean_error(found),
        largest_error_pixels=fmean(value for one in found for value in one.largest),
        times=mean_error(found) / before if before else 1.0,
        bits_times=sum(one.bits for one in found) / chain_bits if chain_bits else 1.0,
        payload_kbits=sum(one.bits for one in found) * to_kbits,
        headers_kbits=sum(one.header_bits for one in found) * to_kbits,
        wire_kbits=sum(one.wire_bits for one in found) * to_kbits,
        frames_sent=sum(one.frames_sent for one in found) / frames,
    )


def as_page(lines: Sequence[LossLine], command: str) -> str:
    """Returns the evaluation's page (Markdown)."""
    head = ["scheme", "loss", "mean burst", "delay", "error px", "times", "bits, times"]
    head += ["kbit/s payload", "with headers", "with UDP/IP", "frames sent"]
    rows = [
        [
            one.scheme,
            f"{100 * one.loss:.0f} %",
            "1" if one.mean_burst is None else f"{one.mean_burst:g}",
            str(one.delay_frames),
            f"{one.error_pixels:.3f}",
            f"{one.times:.2f}",
            f"{one.bits_times:.2f}",
            f"{one.payload_kbits:.2f}",
            f"{one.headers_kbits:.2f}",
            f"{one.wire_kbits:.2f}",
            f"{one.frames_sent:.3f}",
        ]
        for one in lines
    ]
    said = f"{lines[0].clips} clips, {lines[0].frames} frames, {lines[0].seeds} seeds."
    title = "# Keypoints over a network that loses packets"
    return "\n\n".join([title, said, f"```\n{command}\n```", table(head, rows)])


@dataclass(frozen=True, kw_only=True)
class LossOptions(SentTracksOptions):
    """Whose keypoints are sent, how, and over which links."""

    scheme: Annotated[
        list[str],
        typer.Option(
            metavar="NAME", help="one of the schemes above; may be repeated (default: all)"
        ),
    ] = field(default_factory=list)
    loss: Annotated[
        list[float],
        typer.Option(metavar="SHARE", help="share of packets lost, 0 to 0.5; may be repeated"),
    ] = field(default_factory=lambda: list(LOSSES))
    burst: Annotated[float, typer.Option(help="mean number of packets lost in a row")] = BURST
    round_trip: Annotated[
        float, typer.Option(metavar="FRAMES", help="round trip time in frames")
    ] = 5.0
    delay: Annotated[
        list[int],
        typer.Option(metavar="FRAMES", help="frames that the receiver waits; may be repeated"),
    ] = field(default_factory=lambda: [0, 2])
    gate: Annotated[
        float, typer.Option(metavar="PIXELS", help="error bound of the gate, in pixels at 256")
    ] = 1.0
    seed: Annotated[int, typer.Option(min=0, help="first seed of the packet losses")] = 0
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="number of seeds; bursts are few in one")
    ] = 4
    predictor: Annotated[
        bool, typer.Option(help="forecast missing frames with the model's predictor, or hold")
    ] = True


def run(options: LossOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    wrong = (TablesError, EncodingError, TracksError, LinkError, MotioncastError)
    with refusing(*wrong, OSError, ValueError):
        sent = sent_tracks(options)
        file = predictor_file(options.models, options.model)
        forecaster = KeypointPredictor(file) if options.predictor else None
        compared = _chosen(schemes(options.gate, sent.weights, forecaster), options.scheme)
        shares = sorted({0.0, *options.loss})
        links = [link_of(loss, None, options.round_trip) for loss in shares]
        links += [link_of(loss, options.burst, options.round_trip) for loss in shares if loss]
        delays = sorted({*options.delay})
        seeds = range(options.seed, options.seed + options.seeds)
        lines = measure(sent.tables, sent.clips, compared, links, delays, seeds)
    write_lines(options.json, command, lines)
    print(as_page(lines, command))


def _chosen(known: Sequence[Scheme], names: Sequence[str]) -> list[Scheme]:
    unknown = sorted(set(names) - {one.name for one in known})
    if unknown:
        expected = ", ".join(one.name for one in known)
        raise ValueError(f"scheme: {unknown[0]!r} is unknown (expected one of {expected})")
    return [one for one in known if one.name in names or not names]


main = Program("motioncast evaluate loss", LossOptions, run, __doc__)


if __name__ == "__main__":
    main()
