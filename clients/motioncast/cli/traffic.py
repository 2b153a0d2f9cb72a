"""Network traffic in both directions, in words and compared with video codecs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motioncast.cli.report import KeypointRates, Report
from motioncast.client import ByteCounts, DatagramCounts

# Overhead of a single message: gRPC's prefix, HTTP/2's DATA header, TCP with timestamps, IPv4.
# Ethernet, acknowledgements and connection setup are excluded.
WIRE_BYTES: Final = 5 + 9 + 32 + 20


@dataclass(frozen=True, slots=True)
class Compared:
    """One way of sending the same frames."""

    name: str
    bytes: int
    bits_per_second: float
    psnr_db: float


def sent_bytes(report: Report) -> int:
    """Returns the bytes of all messages to the service."""
    counts = report.bytes
    return counts.config + counts.source + counts.frames + counts.keypoints


def sent_sentence(report: Report) -> str:
    """Returns a description of the bytes sent, by kind."""
    counts = report.bytes
    kinds = {
        f"source image, {report.configuration.image_encoding}": counts.source,
        "frames": counts.frames,
        "keypoints": counts.keypoints,
        "configuration": counts.config,
    }
    parts = ", ".join(f"{name} {size:,}" for name, size in kinds.items() if size)
    return f"{sent_bytes(report):,} bytes ({parts})"


def keypoint_rates(
    counts: ByteCounts, seconds: float, datagrams: DatagramCounts | None = None
) -> KeypointRates | None:
    """Returns the bit rates of keypoints in a video of this length; None if none were sent.

    Datagrams were counted on the wire, completely; the rest is estimated.
    """
    if not counts.keypoint_messages:
        return None
    by_grpc = counts.keypoint_messages - (0 if datagrams is None else datagrams.packets)
    size = counts.keypoints / counts.keypoint_messages
    wire = by_grpc * (size + WIRE_BYTES)
    if datagrams is not None:
        wire += datagrams.received_bytes
    sizes = counts.keypoint_payload, counts.keypoints, wire
    return KeypointRates(*(8 * size / seconds for size in sizes))


def keypoints_sentence(report: Report) -> str:
    """Returns the bit rates of keypoints, counted in three ways; "" if frames were sent."""
    rates = report.keypoint_rates
    if rates is None:
        return ""
    what = {"coded": "packets"}.get(report.configuration.keypoint_encoding or "", "floats")
    return (
        f"{bit_rate(rates.payload)} for the {what} alone, {bit_rate(rates.messages)} in messages,"
        f" about {bit_rate(rates.wire)} on the wire"
    )


def bit_rate(bits_per_second: float) -> str:
    """Returns a bit rate with its unit: `1.84 kbit/s`, `4.92 Mbit/s`."""
    if bits_per_second >= 999_500:  # three digits would round to 1000 kbit/s
        return f"{bits_per_second / 1e6:.3g} Mbit/s"
    return f"{bits_per_second / 1e3:.3g} kbit/s"


def came_back_sentence(report: Report) -> str:
    """Returns a description of the bytes received, and why there are so many."""
    how = {"rgb8": "uncompressed", "h264": "H.264"}.get(
        report.configuration.returned_as, report.configuration.returned_as.upper()
    )
    return f"{report.bytes.results:,} bytes (frames rendered by the service, {how})"


def compared(report: Report) -> list[Compared]:
    """Returns this run and its rivals; empty if none were measured."""
    quality = report.quality.all
    if quality is None or not report.rivals:
        return []
    seconds = report.frames.total / report.configuration.frame_rate
    size = sent_bytes(report)
    ours = Compared("motioncast", size, 8 * size / seconds, quality.psnr_db)
    return [
        ours,
        *(
            Compared(one.codec, one.bytes, one.bits_per_second, one.psnr_db)
            for one in report.rivals
        ),
    ]


def note(report: Report) -> str:
    """Explains what the bytes of `compared` include, and how the comparison comes out."""
    counted = (
        "motioncast: all messages sent, including the source. Codecs: whole streams, including the"
        " first picture and the headers. HTTP/2 and TCP/IP overhead is not counted in either."
    )
    rows = compared(report)
    if not rows or rows[0].bytes < min(row.bytes for row in rows[1:]):
        return counted
    if report.configuration.sent_as == "frames":
        return f"{counted} Frames were sent as pictures; --send keypoints sends far less."
    if report.configuration.keypoint_encoding == "floats":
        return f"{counted} Keypoints were sent as 32-bit floats; --keypoints coded sends less."
    seconds = report.frames.total / report.configuration.frame_rate
    alone = rows[0].bits_per_second - 8 * report.bytes.source / seconds
    return (
        f"{counted} The source is sent once, however long the video is; without it, this run takes"
        f" {bit_rate(alone)}."
    )
