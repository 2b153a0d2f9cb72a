"""Captures the packets of a port (dumpcap, tshark) and sorts their bytes by content."""

from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SOURCE_BYTES: Final = 1400
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA: Final = 0
_COLUMNS: Final = (
    *("ip.len", "tcp.srcport", "tcp.dstport", "udp.srcport"),
    *("tcp.seq_raw", "tcp.payload"),
)


@dataclass(frozen=True, slots=True)
class _Packet:
    """The content of a TCP packet."""

    bytes: int
    calls: frozenset[int]  # calls with messages in it
    opening: bool  # has the first message of a call
    source: bool
    control: int  # bytes of frames other than messages
    bare: bool


@dataclass(slots=True)
class _Way:
    """Parses HTTP/2 in one direction of one connection."""

    rest: bytes = b""  # of an incomplete frame
    next_sequence: int | None = None
    messages: Counter[int] = field(default_factory=Counter)  # complete messages by call
    held: dict[int, bytes] = field(
        default_factory=lambda: defaultdict(bytes)
    )  # incomplete messages by call
    packets: list[_Packet] = field(default_factory=list)

    def take(self, size: int, sequence: int, payload: bytes) -> None:
        """Processes a packet."""
        if payload and self.next_sequence not in (None, sequence):
            payload = b""  # a retransmission
        if not payload:
            self.packets.append(_Packet(size, frozenset(), False, False, 0, True))
            return
        self.next_sequence = (sequence + len(payload)) % 2**32
        self.rest = (self.rest + payload).removeprefix(_PREFACE)
        calls, control, opening, source = set(), 0, False, len(self.rest) >= SOURCE_BYTES
        while len(self.rest) >= 9 and len(self.rest) >= (end := 9 + _number(self.rest[:3])):
            kind, call, body = self.rest[3], _number(self.rest[5:9]), self.rest[9:end]
            self.rest = self.rest[end:]
            if kind != _DATA:
                control += end
                continue
            calls.add(call)
            opening = opening or not self.messages[call]
            held = self.held[call] + body
            source = source or max(len(held), len(body)) >= SOURCE_BYTES
            while len(held) >= 5 and len(held) >= (end := 5 + _number(held[1:5])):
                held = held[end:]
                self.messages[call] += 1
            self.held[call] = held
        self.packets.append(_Packet(size, frozenset(calls), opening, source, control, False))

    def counts(self) -> Counter[str]:
        """Returns the bytes by kind."""
        session = max(self.messages, key=self.messages.__getitem__, default=0)
        counts: Counter[str] = Counter()
        for packet in self.packets:
            if packet.source:
                counts["source"] += packet.bytes
            elif packet.bare:
                counts["bare"] += packet.bytes
            elif packet.opening or (packet.calls and session not in packet.calls):
                counts["opening"] += packet.bytes
            elif packet.calls:
                counts["messages"] += packet.bytes - packet.control
                counts["control"] += packet.control
            else:
                counts["control"] += packet.bytes
        return counts


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def count(capture: Path, port: int) -> dict[tuple[int, str], Counter[str]]:
    """Returns bytes by kind for each client port and direction ("up", "down"); UDP as port 0.

    Args:
        capture: File written by dumpcap.
        port: The server's port.
    """
    names = [word for name in _COLUMNS for word in ("-e", name)]
    command = ["tshark", "-r", str(capture), "-T", "fields", *names]
    read = subprocess.run(command, check=True, capture_output=True, text=True)
    ways: dict[tuple[int, str], _Way] = defaultdict(_Way)
    counts: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for line in read.stdout.splitlines():
        size, source, target, udp, sequence, payload = line.split("\t")
        if udp:
            counts[0, "down" if int(udp) == port else "up"]["datagrams"] += int(size)
            continue
        way = (int(source), "up") if int(target) == port else (int(target), "down")
        ways[way].take(int(size), int(sequence), bytes.fromhex(payload))
    return counts | {way: one.counts() for way, one in ways.items()}


@contextmanager
def capturing(port: int, to: Path) -> Iterator[None]:
    """Captures traffic to and from a loopback port during the block."""
    command = ["dumpcap", "-q", "-i", "lo", "-f", f"port {port}", "-w", str(to)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("File:"):
                break
        try:
            yield
        finally:
            process.terminate()


def client_of(counts: dict[tuple[int, str], Counter[str]], way: str) -> int:
    """Returns the client port that sources came from ("up") or went to ("down")."""
    return max((one for one in counts if one[1] == way), key=lambda one: counts[one]["source"])[0]
