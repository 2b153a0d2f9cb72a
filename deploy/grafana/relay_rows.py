"""The relay's row: rooms and watchers, forwarded packets, and packets that watchers missed."""

from __future__ import annotations

from typing import Final

from panels import Panel, gauge, rate, series

PACKETS: Final = "motioncast_relay_packets_total"
PAYLOAD: Final = "motioncast_relay_payload_bytes_total"
MISSED: Final = 'direction="missed"'
PASSED_ON: Final = 'direction=~"sent|missed"'
FROM_SENDERS: Final = 'direction="received"'
TO_WATCHERS: Final = 'direction="sent"'


def of_late(metric: str) -> str:
    """Returns the mean of a gauge over the rate interval, within which rooms may open and close."""
    return f'sum(avg_over_time({metric}{{instance=~"$instance"}}[$__rate_interval]))'


RELAY: Final[list[Panel]] = [
    series(
        "Rooms and watchers",
        "Currently open. A room has one sender; watchers synthesise the frames themselves.",
        (gauge("motioncast_relay_rooms"), "rooms"),
        (gauge("motioncast_relay_watchers"), "watchers"),
        min=0,
    ),
    series(
        "Packets",
        "Packets of coded keypoints. Sent is received times watchers, minus missed packets.",
        (rate(PACKETS, by="direction"), "{{direction}}"),
        unit="pps",
        min=0,
    ),
    series(
        "Missed packets",
        "Share of the packets due to watchers; a watcher that misses one skips to the next anchor.",
        (
            f"{rate(PACKETS, MISSED)} / {rate(PACKETS, PASSED_ON)}",
            "missed",
        ),
        unit="percentunit",
        thresholds=(0.01, 0.05),
        min=0,
        max=1,
    ),
    series(
        "Messages received",
        "Bytes from senders and watchers, by kind.",
        (rate("motioncast_relay_received_bytes_total", by="kind"), "{{kind}}"),
        unit="Bps",
        min=0,
    ),
    series(
        "Messages sent",
        "Bytes to senders and watchers, by kind.",
        (rate("motioncast_relay_sent_bytes_total", by="kind"), "{{kind}}"),
        unit="Bps",
        min=0,
    ),
    series(
        "Keypoint bit rate",
        "Packets only, without the messages around them: from one sender, and to one watcher.",
        (
            f"8 * {rate(PAYLOAD, FROM_SENDERS)} / {of_late('motioncast_relay_rooms')}",
            "per sender",
        ),
        (
            f"8 * {rate(PAYLOAD, TO_WATCHERS)} / {of_late('motioncast_relay_watchers')}",
            "per watcher",
        ),
        unit="bps",
        min=0,
    ),
]
