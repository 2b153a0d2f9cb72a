"""Compares sessions' traffic as captured on the wire with what their reports say.

    python tests/benchmark/wire.py [--model lite128] [--frames 117] [--only stream|ends]

Runs `motioncast serve` with `stream`, and with `send` and `receive`, as its clients, each in a
process, in real time over loopback; dumpcap captures every packet and tshark decodes them (Debian:
tshark; as root). Bytes are those of IP packets. A packet is classified by its content:

    source      part of a message with a picture, at least SOURCE_BYTES
    opening     the first message of a call, and all messages of calls other than the session
    messages    the session's messages with HTTP/2 and IP headers: what the reports estimate
    control     other HTTP/2 frames: PING, WINDOW_UPDATE, SETTINGS, HEADERS
    bare        TCP acknowledgements, connection setup and teardown
    datagrams   UDP
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import typer

from motioncast.cli.traffic import WIRE_BYTES
from motioncast.data.command_line import Program

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/interview.mp4"
COMMAND: Final = [sys.executable, "-m", "motioncast.cli.main"]
SOURCE_BYTES: Final = 1400
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA: Final = 0
_COLUMNS: Final = (
    *("ip.len", "tcp.srcport", "tcp.dstport", "udp.srcport"),
    *("tcp.seq_raw", "tcp.payload"),
)


STREAMS: Final = (
    ("--predicted", "0"),
    ("--observed", "1", "--predicted", "1"),
    ("--predicted", "0", "--packet-frames", "5"),
    ("--predicted", "0", "--keypoints", "floats"),
    ("--predicted", "0", "--datagrams"),
    ("--predicted", "0", "--datagrams", "--packet-frames", "5"),
)
ENDS: Final = (("--wait", "0"), ("--wait", "7"))


class Target(NamedTuple):
    """The server, and the model of the sessions."""

    address: str
    port: int
    model: str


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


@contextmanager
def serving(model: str, port: int) -> Iterator[None]:
    """Runs the services, with the datagram port equal to the TCP port."""
    options = ["--port", str(port), "--http-port", "0", "--datagram-port", str(port)]
    options += ["--model", model, "--latency-target", "0", "--log-level", "WARNING"]
    command = [*COMMAND, "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "listens" in process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


def stream(target: str, model: str, folder: Path, *options: str) -> dict[str, Any]:
    """Streams the clip through the services; returns the report."""
    out = folder / "stream"
    subprocess.run(
        [*COMMAND, "stream", str(CLIP), "--target", target, "--model", model, "--out", str(out),
         "--send", "keypoints", "--real-time", "--force", "--quiet", *options],
        check=True,
    )  # fmt: skip
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def two_ends(target: str, model: str, folder: Path, *options: str) -> dict[str, Any]:
    """Sends the clip to a receiver; returns both ends' reports."""
    sent, received = folder / "sent.json", folder / "received.json"
    send = [*COMMAND, "send", str(CLIP), "--target", target, "--model", model]
    with subprocess.Popen(
        [*send, "--quiet", "--json", str(sent), *options], stdout=subprocess.PIPE, text=True
    ) as sender:
        assert sender.stdout is not None
        words = sender.stdout.readline().split()
        room, token = (words[words.index(name) + 1] for name in ("--room", "--token"))
        receive = [*COMMAND, "receive", "--target", target, "--room", room, "--token", token]
        receive += ["--out", str(folder / "received.mp4"), "--json", str(received), "--force"]
        subprocess.run([*receive, "--quiet"], check=True)
    return {"sent": json.loads(sent.read_text()), "received": json.loads(received.read_text())}


def row(name: str, said: float, seconds: float, counted: Counter[str]) -> str:
    """Returns a line of the table; `said` is the reported rate in bits per second."""
    rates = {kind: 8 * size / seconds / 1000 for kind, size in counted.items()}
    seen = rates.get("messages", 0) + rates.get("datagrams", 0)
    difference = 100 * (said / 1000 / seen - 1) if seen else 0.0
    rest = " | ".join(f"{rates.get(kind, 0):.2f}" for kind in ("control", "bare"))
    once = counted["opening"] + counted["source"]
    return f"| {name} | {said / 1000:.2f} | {seen:.2f} | {difference:+.1f} % | {rest} | {once:,} |"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _client(counts: dict[tuple[int, str], Counter[str]], way: str) -> int:
    """Returns the client port that sources came from ("up") or went to ("down")."""
    return max((one for one in counts if one[1] == way), key=lambda one: counts[one]["source"])[0]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which sessions run."""

    model: str = "lite128"
    frames: Annotated[int, typer.Option(min=1, help="of the interview")] = 117
    only: Annotated[Literal["all", "stream", "ends"], typer.Option(help="sessions to run")] = "all"


def run(options: Options, command: str) -> None:
    """Runs every kind of session and prints the table, then the kernel's counts."""
    port, totals = _free_port(), list[str]()
    limit = ["--limit", str(options.frames)]
    print("| session, way | said, kbit/s | counted | difference | control | bare | once, bytes |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as temporary, serving(options.model, port):
        target, folder = Target(f"127.0.0.1:{port}", port, options.model), Path(temporary)
        for asked in STREAMS if options.only != "ends" else ():
            print(measured_stream(target, folder, [*asked, *limit], " ".join(asked)), flush=True)
        for asked in ENDS if options.only != "stream" else ():
            rows, counted = measured_ends(target, folder, [*asked, *limit], " ".join(asked))
            print(*rows, sep="\n", flush=True)
            totals += counted
    print("\nAll of the connection, as the kernel counted it for send and receive:")
    print(*totals, sep="\n")


def measured_stream(target: Target, folder: Path, options: list[str], name: str) -> str:
    """Runs `motioncast stream` and returns its row."""
    capture = folder / "wire.pcapng"
    with capturing(target.port, capture):
        report = stream(target.address, target.model, folder, *options)
    counts = count(capture, target.port)
    counted = counts[_client(counts, "up"), "up"] + counts.get((0, "up"), Counter())
    seconds = report["frames"]["total"] / report["configuration"]["frame_rate"]
    return row(f"stream {name}", report["keypoint_rates"]["wire"], seconds, counted)


def measured_ends(
    target: Target, folder: Path, options: list[str], name: str
) -> tuple[list[str], list[str]]:
    """Runs `motioncast send` and `receive`; returns their rows and the kernel's counts."""
    capture = folder / "wire.pcapng"
    with capturing(target.port, capture):
        both = two_ends(target.address, target.model, folder, *options)
    counts = count(capture, target.port)
    seconds = both["sent"]["seconds"]
    traffics = (both["sent"]["traffic"], both["received"]["bytes"])
    rows, totals = list[str](), list[str]()
    for end, command, traffic, there, back in zip(
        both, ("send", "receive"), traffics, ("up", "down"), ("down", "up"), strict=True
    ):
        client, label = _client(counts, there), f"{command} {name}"
        video = traffic["keypoints"] + WIRE_BYTES * traffic["packets"]
        answers = traffic["feedback"] + WIRE_BYTES * traffic["feedback_messages"]
        for what, size, way in (("video", video, there), ("answers", answers, back)):
            rows.append(row(f"{label}, {what}", 8 * size / seconds, seconds, counts[client, way]))
        for what, way in (("sent", "up"), ("received", "down")):
            said, seen = both[end]["wire"][what], sum(counts[client, way].values())
            totals.append(f"{label}: {said:,} bytes {what}, {seen:,} counted")
    return rows, totals


main = Program("wire.py", Options, run, __doc__)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
