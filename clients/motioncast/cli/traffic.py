"""What went over the network in both directions, in words and beside video codecs."""

from __future__ import annotations

from dataclasses import dataclass

from motioncast.cli.report import Report


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
    """Says what was sent, kind by kind."""
    counts = report.bytes
    kinds = {
        f"source image, {report.configuration.image_encoding}": counts.source,
        "frames": counts.frames,
        "keypoints": counts.keypoints,
        "configuration": counts.config,
    }
    parts = ", ".join(f"{name} {size:,}" for name, size in kinds.items() if size)
    return f"{sent_bytes(report):,} bytes ({parts})"


def came_back_sentence(report: Report) -> str:
    """Says what came back, and why it is so much."""
    return f"{report.bytes.results:,} bytes (frames made by the service, uncompressed)"


def compared(report: Report) -> list[Compared]:
    """Returns this run and its rivals; empty where none were measured."""
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
    """Says what the bytes of `compared` are, and what the comparison comes to."""
    counted = (
        "All messages sent, the source among them; whole streams of the codecs, the first picture"
        " and the headers among them. HTTP/2 and TCP/IP come on top of either."
    )
    rows = compared(report)
    if not rows or rows[0].bytes < min(row.bytes for row in rows[1:]):
        return counted
    if report.configuration.sent_as == "frames":
        return f"{counted} Frames travel as pictures here; --send keypoints sends far less."
    return (
        f"{counted} Keypoints travel as 32-bit floats, not entropy coded yet: a video codec needs"
        " fewer bits today."
    )
