"""Measures the cost of keypoints as packets: bits, bytes and the quantisation error.

    motioncast evaluate codec --tracks TRACKS.npz --model face256
    python -m motioncast.evaluate.codec (the same)

Every clip is sent after its first frame, which is the source and counts neither as a frame nor in
bits, by the codec itself: a sender, packets, a receiver whose frames must match the sender's bit
for bit. Rates are for 25 frames a second. *Information*: entropy of the symbols under the tables,
as if a packet could have a fraction of a bit. *Payload*: whole bytes after the header. *Headers*:
including the four bytes of the header. Transports (gRPC, UDP and IP) add to that.

Shapes: T frames, K keypoints.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from motioncast.codec import (
    DEFAULT_COARSENESS,
    HEADER_BYTES,
    CodecTables,
    EncodingError,
    FrameReference,
    KeypointDecoder,
    KeypointEncoder,
    Reference,
    SourceReference,
    TablesError,
    read_tables,
)
from motioncast.codec.tables_file import FILE_NAME
from motioncast.data.command_line import Program, refusing
from motioncast.data.keypoints import Part, TracksError, load_tracks
from motioncast.evaluate.markdown import table
from motioncast.evaluate.quality_results import whole_file
from motioncast.evaluate.results import write_json

FRAMES_PER_SECOND = 25
PIXELS_PER_UNIT = 127.5  # of an image of 256 pixels
ACKNOWLEDGED_FRAMES = 5  # a round trip of 200 ms

Clip = npt.NDArray[np.float32]  # (T, K, 3)
Plan = Callable[[int], Iterator[tuple[range, Reference]]]  # frames T -> packets


@dataclass(frozen=True, slots=True)
class CodecCost:
    """Means over all frames of all clips."""

    scheme: str
    coarseness: int
    clips: int
    frames: int
    error_pixels: float  # distance between keypoint and decoded keypoint at 256
    information_bits: float  # per frame
    information_kbits: float  # per second
    payload_kbits: float
    headers_kbits: float
    packing_percent: float  # payload relative to information
    encode_ms: float  # processor time per frame
    decode_ms: float


def _one_by_one(frames: int) -> Iterator[tuple[range, Reference]]:
    return _together(frames, 1)


def _together(frames: int, count: int) -> Iterator[tuple[range, Reference]]:
    starts = [*range(1, frames, count), frames]
    for start, end in pairwise(starts):
        yield range(start, end), FrameReference(start - 1) if start > 1 else SourceReference(0)


def _acknowledged(frames: int) -> Iterator[tuple[range, Reference]]:
    for index in range(1, frames):
        known = index - ACKNOWLEDGED_FRAMES
        reference = FrameReference(known) if known > 0 else SourceReference(0)
        yield range(index, index + 1), reference


def _source(frames: int) -> Iterator[tuple[range, Reference]]:
    for index in range(1, frames):
        yield range(index, index + 1), SourceReference(0)


SCHEMES: dict[str, Plan] = {
    "frame before": _one_by_one,
    "frame before, 2 in a packet": lambda frames: _together(frames, 2),
    "frame before, 5 in a packet": lambda frames: _together(frames, 5),
    "fifth frame before": _acknowledged,
    "source": _source,
}


def measure(
    tables: CodecTables, clips: Sequence[Clip], scheme: str, coarseness: int = DEFAULT_COARSENESS
) -> CodecCost:
    """Returns the cost of sending clips (T, K, 3) by one scheme.

    Raises ValueError when no clip has two frames, or the keypoints do not match the tables.
    """
    frames, packets, information, payload = 0, 0, 0.0, 0
    encoding = decoding = 0.0
    errors: list[float] = []
    for clip in clips:
        encoder, decoder = KeypointEncoder(tables), KeypointDecoder(tables)
        for end in (encoder, decoder):
            end.set_source(0, clip[0])
        for indices, reference in SCHEMES[scheme](len(clip)):
            began = process_time()
            packet = encoder.encode([(i, clip[i]) for i in indices], reference, coarseness)
            between = process_time()
            received = decoder.decode(packet.data)
            encoding, decoding = encoding + between - began, decoding + process_time() - between
            decoded = np.stack([frame.keypoints for frame in received])
            if not np.array_equal(decoded, packet.keypoints):
                raise AssertionError("sender and receiver have different keypoints")
            away = (decoded - clip[indices.start : indices.stop])[..., :2] * PIXELS_PER_UNIT
            errors += np.hypot(away[..., 0], away[..., 1]).mean(axis=-1).tolist()
            frames, packets = frames + len(indices), packets + 1
            information += packet.information_bits
            payload += len(packet.data) - HEADER_BYTES
    if frames == 0:
        raise ValueError("clips: all are shorter than two frames")
    to_kbits = FRAMES_PER_SECOND / frames / 1000
    return CodecCost(
        scheme=scheme,
        coarseness=coarseness,
        clips=len(clips),
        frames=frames,
        error_pixels=fmean(errors),
        information_bits=information / frames,
        information_kbits=information * to_kbits,
        payload_kbits=8 * payload * to_kbits,
        headers_kbits=8 * (payload + HEADER_BYTES * packets) * to_kbits,
        packing_percent=100 * (8 * payload / information - 1),
        encode_ms=1000 * encoding / frames,
        decode_ms=1000 * decoding / frames,
    )


def as_page(rows: Sequence[CodecCost], command: str) -> str:
    """Returns the evaluation's page (Markdown)."""
    head = ["reference", "coarseness", "error px", "bits a frame", "kbit/s information"]
    head += ["payload", "with headers", "packing %", "encode ms", "decode ms"]
    lines = [
        [
            row.scheme,
            str(row.coarseness),
            f"{row.error_pixels:.3f}",
            f"{row.information_bits:.1f}",
            f"{row.information_kbits:.2f}",
            f"{row.payload_kbits:.2f}",
            f"{row.headers_kbits:.2f}",
            f"{row.packing_percent:.1f}",
            f"{row.encode_ms:.2f}",
            f"{row.decode_ms:.2f}",
        ]
        for row in rows
    ]
    said = f"{rows[0].clips} clips, {rows[0].frames} frames, all of them sent."
    return "\n\n".join(["# The keypoint codec", said, f"```\n{command}\n```", table(head, lines)])


@dataclass(frozen=True, kw_only=True)
class CodecOptions:
    """Whose keypoints are sent, with which tables."""

    tracks: Annotated[
        Path, typer.Option(metavar="FILE", help="keypoint tracks, from `motioncast train tracks`")
    ]
    model: Annotated[
        str, typer.Option(metavar="NAME", help="configuration of the models, such as face256")
    ]
    models: Annotated[Path, typer.Option(metavar="FOLDER", help="model repository")] = Path(
        "model_repository"
    )
    part: Annotated[Part, typer.Option(help="which clips of the tracks to use")] = "all"
    coarseness: Annotated[
        list[int],
        typer.Option(metavar="C", help="further coarseness to measure, 0 to 7; may be repeated"),
    ] = field(default_factory=list)
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file to write all figures to")
    ] = None


def run(options: CodecOptions, command: str) -> None:
    """Evaluates and prints; raises Refusal for invalid input."""
    with refusing(TablesError, EncodingError, TracksError, OSError, ValueError):
        tables = read_tables(tables_file(options.models, options.model))
        tracks = load_tracks(options.tracks)
        clips = [clip.numpy() for clip in tracks.subset(options.part)]
        rows = [measure(tables, clips, scheme) for scheme in SCHEMES]
        rows += [measure(tables, clips, "frame before", other) for other in options.coarseness]
    if options.json is not None:
        with whole_file(options.json) as unfinished:
            write_json(unfinished, {"command": command, "rows": [asdict(row) for row in rows]})
    print(as_page(rows, command))


def tables_file(models: Path, model: str) -> Path:
    """Returns the location of a configuration's codec tables in a model repository."""
    return models / f"{model}_keypoint" / FILE_NAME


main = Program("motioncast evaluate codec", CodecOptions, run, __doc__)


if __name__ == "__main__":
    main()
