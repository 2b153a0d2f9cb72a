"""The output of `motioncast send` and `motioncast receive`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from motioncast.cli.kernel_counts import WireBytes
from motioncast.cli.receiving import Received
from motioncast.cli.sending import Sent
from motioncast.cli.traffic import WIRE_BYTES, bit_rate
from motioncast.client import TwoEndsTraffic
from motioncast.media import shown


def sent_lines(sent: Sent) -> Iterator[str]:
    """Yields sentences about what was sent."""
    traffic = sent.traffic
    yield (
        f"{sent.frames} frames of {sent.model} in {sent.packets} packets;"
        f" {sent.watchers} watchers at the end."
    )
    yield f"Sent: {_kinds(traffic)}."
    if sent.seconds > 0:
        payload, messages = (8 * n / sent.seconds for n in (traffic.payload, traffic.keypoints))
        yield (
            f"Keypoints: {bit_rate(payload)} for the packets alone, {bit_rate(messages)} in"
            " messages."
        )
        yield _both_ways(traffic, sent.seconds, "sent", "received")
        yield from _counted(sent.wire, sent.seconds)


def received_lines(received: Received, out: Path) -> Iterator[str]:
    """Yields sentences about what was received."""
    origins, rates = received.origins, received.rates
    frames = ", ".join(f"{count} {origin}" for origin, count in origins.items())
    began = f", from frame {received.first_index} on" if received.first_index else ""
    again = f"; {received.repeated} skipped" if received.repeated else ""
    yield (
        f"{sum(origins.values())} frames rendered by {received.opening.model}:"
        f" {frames}{began}{again}."
    )
    yield f"Received: {_kinds(received.traffic)}."
    yield (
        f"Keypoints: {bit_rate(rates.payload)} for the packets alone, {bit_rate(rates.messages)} in"
        f" messages, about {bit_rate(rates.wire)} on the wire."
    )
    yield _both_ways(received.traffic, received.seconds, "received", "sent")
    yield from _counted(received.wire, received.seconds)
    yield f"Written: {shown(out)}"


def _both_ways(traffic: TwoEndsTraffic, seconds: float, there: str, back: str) -> str:
    """Describes the traffic in both directions except sources, in messages and on the wire."""
    sizes = traffic.keypoints + traffic.config, traffic.feedback
    messages = traffic.packets, traffic.feedback_messages
    parts = [
        f"{bit_rate(8 * size / seconds)} {way},"
        f" about {bit_rate(8 * (size + WIRE_BYTES * count) / seconds)} on the wire"
        for way, size, count in zip((there, back), sizes, messages, strict=True)
    ]
    return f"Both directions, without the sources ({traffic.source:,} bytes): {'; '.join(parts)}."


def _counted(wire: WireBytes | None, seconds: float) -> Iterator[str]:
    """Yields a sentence with the kernel's counts, if it counts."""
    if wire is None:
        return
    ways = {"sent": wire.sent, "received": wire.received}
    parts = [f"{n:,} bytes {way} ({bit_rate(8 * n / seconds)})" for way, n in ways.items()]
    yield (
        f"Whole connection on the wire, as counted by the kernel: {', '.join(parts)}, including"
        " sources, acknowledgements and HTTP/2 control frames."
    )


def _kinds(traffic: TwoEndsTraffic) -> str:
    kinds = {
        "sources": traffic.source,
        "keypoints": traffic.keypoints,
        "configuration": traffic.config,
    }
    total = sum(kinds.values())
    parts = ", ".join(f"{name} {size:,}" for name, size in kinds.items())
    back = f"{traffic.feedback:,} bytes of feedback in the other direction"
    return f"{total:,} bytes ({parts}), plus {back}"
