"""Measures keypoints' bit rate on the wire as datagrams, by frames per packet.

    python tests/benchmark/datagrams.py

Runs sessions of toy models over loopback, 500 frames at 25 per second. Their packets are small, so
the result is mostly overhead, which is the same for other models. Counts whole UDP datagrams with
28 bytes of UDP and IPv4 headers each, including QUIC's handshake and acknowledgements.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.codec_tables import add_tables, turned_tables
from support.datagram_session import AT_SOURCE, live, moving
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import connect
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import DatagramSettings, OrchestratorSettings

FRAMES = 500
SECONDS = FRAMES / 25


async def main(folder: Path) -> None:
    """Streams the same video with packets of 1, 2, 4 and 8 frames and prints the bit rates."""
    repository = build_toy_repository(folder)
    add_tables(repository, turned_tables(2, 6))
    orchestrator = OrchestratorSettings(datagrams=DatagramSettings())
    settings = LocalSettings(repository=repository, orchestrator=orchestrator)
    print("frames in a packet   payload   messages   wire, up   wire, down   kbit/s")
    async with LocalServices(settings) as local, connect(local.target) as service:
        for packed in (1, 2, 4, 8):
            stream = service.stream_keypoints(
                live(moving(FRAMES), 0.04),
                source=image_with_points((3, 4), (9, 7)),
                source_keypoints=AT_SOURCE,
                keypoint_encoding="coded",
                datagrams=True,
                packet_frames=packed,
            )
            async for _ in stream:
                pass
            sent = stream.datagrams
            assert sent is not None
            sizes = (
                sent.payload_bytes,
                sent.message_bytes,
                sent.udp_sent_bytes,
                sent.udp_received_bytes,
            )
            payload, messages, up, down = (8 * size / SECONDS / 1000 for size in sizes)
            print(f"{packed:>18}{payload:>10.2f}{messages:>11.2f}{up:>11.2f}{down:>13.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
