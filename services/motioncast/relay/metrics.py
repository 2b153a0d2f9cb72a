"""The relay's metrics; dashboards use these names."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

_KINDS: Final = ("config", "source", "keypoints", "feedback")


class RelayMetrics:
    """The collectors of one relay. Bytes are those of serialised messages, as elsewhere."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received_bytes = Counter(
            "motioncast_relay_received_bytes",
            "Bytes of messages received from senders and watchers, by kind.",
            ("kind",),
            registry=registry,
        )
        self.sent_bytes = Counter(
            "motioncast_relay_sent_bytes",
            "Bytes of messages sent to senders and watchers, by kind.",
            ("kind",),
            registry=registry,
        )
        self.payload_bytes = Counter(
            "motioncast_relay_payload_bytes",
            "Bytes of coded keypoint packets, without the messages around them, by direction.",
            ("direction",),
            registry=registry,
        )
        self.packets = Counter(
            "motioncast_relay_packets",
            "Coded keypoint packets: received, sent, and missed by watchers that were too slow.",
            ("direction",),
            registry=registry,
        )
        self.rooms = Gauge("motioncast_relay_rooms", "Current rooms.", registry=registry)
        self.watchers = Gauge("motioncast_relay_watchers", "Current watchers.", registry=registry)
        # Rates need a zero to start from.
        for kind in _KINDS:
            self.received_bytes.labels(kind)
            self.sent_bytes.labels(kind)
        for direction in ("received", "sent", "missed"):
            self.packets.labels(direction)
        for direction in ("received", "sent"):
            self.payload_bytes.labels(direction)

    def receive(self, kind: str, size: int, payload: int | None = None) -> None:
        """Counts a received message of a kind; `payload` is the size of a packet in it."""
        self.received_bytes.labels(kind).inc(size)
        if payload is not None:
            self.packets.labels("received").inc()
            self.payload_bytes.labels("received").inc(payload)

    def send(self, kind: str, size: int, payload: int | None = None) -> None:
        """Counts a sent message, in the same way."""
        self.sent_bytes.labels(kind).inc(size)
        if payload is not None:
            self.packets.labels("sent").inc()
            self.payload_bytes.labels("sent").inc(payload)
