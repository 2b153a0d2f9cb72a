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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import typer

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.wire_capture import capturing, client_of, count

from motioncast.cli.traffic import WIRE_BYTES
from motioncast.data.command_line import Program

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/interview.mp4"
COMMAND: Final = [sys.executable, "-m", "motioncast.cli.main"]
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


@contextmanager
def serving(model: str, port: int) -> Iterator[None]:
    """Runs the services, with the datagram port equal to the TCP port."""
    options = ["--port", str(port), "--http-port", "0", "--datagram-port", str(port)]
    options += ["--model", model, "--latency-target", "0", "--log-level", "WARNING"]
    command = [*COMMAND, "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is listening" in process.stdout.readline()
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
    counted = counts[client_of(counts, "up"), "up"] + counts.get((0, "up"), Counter())
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
        client, label = client_of(counts, there), f"{command} {name}"
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
