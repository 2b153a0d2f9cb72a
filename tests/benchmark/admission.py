"""Measures latency at half, one, two and four times a server's capacity (docs/load.md).

    python tests/benchmark/admission.py [--model lite128] [--seconds 15] [--target 1.0]

Starts its own `motioncast serve` and measures its capacity: the frames per second of sessions that
send as fast as they can. Then it runs real-time sessions, each on its own connection, that together
demand a multiple of that; refused clients retry after the delay they were given. For every load it
reports the 95th percentile of the latency of admitted sessions' frames, from when they were due to
be sent; the number of sessions served at the end; and the time refusals took. Exits with 1 if, at
four times the capacity, frames are more than 1.5 times as late as at capacity, or one refusal in 20
takes longer than 50 ms.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import grpc
import grpc.aio
import numpy as np
import typer
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from motioncast.client import connect_sync
from motioncast.client.video import read_video
from motioncast.data.command_line import Program
from motioncast.v1.motion_transfer_pb2 import (
    DrivingFrame,
    SourceImage,
    StreamConfig,
    StreamRequest,
)
from motioncast.v1.motion_transfer_pb2_grpc import MotionTransferServiceStub
from motioncast.wire.images import encode_image

CLIP: Final = Path(__file__).parents[2] / "clients/motioncast/cli/assets/grid_sbwu5s.mp4"
TIMES: Final = (0.5, 1.0, 2.0, 4.0)
AT_CAPACITY: Final = 8  # sessions
SLOWER, REFUSED_SECONDS = 1.5, 0.05
FLAT_OUT: Final = (4, 60)  # sessions, and frames of each, for measuring the capacity
PAUSE_SECONDS: Final = 3.0  # between loads


@dataclass
class Seen:
    """Measurements of a crowd of clients."""

    late: list[float] = field(default_factory=list)  # seconds, per frame
    refused: list[float] = field(default_factory=list)  # seconds, per refusal
    served: int = 0  # sessions at the end


@dataclass(frozen=True)
class Crowd:
    """Concurrent sessions in real time.

    Attributes:
        target: Address of the server.
        model: Name of the configuration; its images are `side` pixels squared.
        sessions: Number of clients.
        frame_rate: Of each session.
        seconds: How long the load lasts.
    """

    target: str
    model: str
    side: int
    sessions: int
    frame_rate: float
    seconds: float


class Client:
    """A client that asks for sessions until time is up."""

    def __init__(self, crowd: Crowd, images: list[Any], seen: Seen, number: int) -> None:
        self._crowd, self._images, self._seen = crowd, images, seen
        self._random = random.Random(number)

    async def run(self, until: float) -> None:
        await asyncio.sleep(self._random.uniform(0, 1))
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._crowd.target, options=options) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            while time.monotonic() < until:
                asked = time.monotonic()
                try:
                    await self._session(channel, until)
                    self._seen.served += 1
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    self._seen.refused.append(time.monotonic() - asked)
                    await asyncio.sleep(retry_seconds(error) * self._random.uniform(1, 1.5))

    async def _session(self, channel: grpc.aio.Channel, until: float) -> None:
        crowd, due = self._crowd, list[float]()
        stub: Any = MotionTransferServiceStub(channel)
        call = stub.Stream()
        config = StreamConfig(model=crowd.model, frame_rate=crowd.frame_rate)
        await call.write(StreamRequest(config=config))
        responses = aiter(call)
        await anext(responses)

        async def send() -> None:
            await call.write(StreamRequest(source=SourceImage(image=self._images[0])))
            began = time.monotonic()
            for index in itertools.count():
                moment = began + index / crowd.frame_rate
                await asyncio.sleep(max(0.0, moment - time.monotonic()))
                if moment > until:
                    break
                due.append(moment)
                image = self._images[index % len(self._images)]
                await call.write(StreamRequest(frame=DrivingFrame(index=index, image=image)))
            await call.done_writing()

        sending = asyncio.create_task(send())
        try:
            async for response in responses:
                if response.HasField("frame"):
                    self._seen.late.append(time.monotonic() - due[response.frame.index])
        finally:
            sending.cancel()
            await asyncio.wait([sending])


def retry_seconds(error: Any) -> float:
    status = rpc_status.from_call(error)
    retry = error_details_pb2.RetryInfo()
    if status is not None and any(detail.Unpack(retry) for detail in status.details):
        return float(retry.retry_delay.ToTimedelta().total_seconds())
    return 1.0


def clip(side: int) -> list[Any]:
    """Returns the bundled clip's frames as messages."""
    with read_video(CLIP, side) as video:
        return [encode_image(np.asarray(frame)) for frame in video.frames]


async def drive(crowd: Crowd) -> Seen:
    """Runs a crowd of clients; returns its measurements."""
    images, seen = clip(crowd.side), Seen()
    until = time.monotonic() + crowd.seconds
    clients = [Client(crowd, images, seen, number) for number in range(crowd.sessions)]
    await asyncio.gather(*(client.run(until) for client in clients))
    return seen


async def flat_out(target: str, model: str, side: int) -> float:
    """Returns the frames per second of sessions that send as fast as they can."""
    images, (sessions, frames) = clip(side), FLAT_OUT

    async def one() -> None:
        def requests() -> Iterator[StreamRequest]:
            yield StreamRequest(config=StreamConfig(model=model, frame_rate=0.001))
            yield StreamRequest(source=SourceImage(image=images[0]))
            for index in range(frames):
                image = images[index % len(images)]
                yield StreamRequest(frame=DrivingFrame(index=index, image=image))

        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            stub: Any = MotionTransferServiceStub(channel)
            async for _ in stub.Stream(requests()):
                pass

    await one()
    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(sessions)))
    return sessions * frames / (time.monotonic() - began)


@contextmanager
def serving(model: str, target: float) -> Iterator[str]:
    """Runs a server; yields its address."""
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", "--port", "0"]
    command += ["--http-port", "0", "--log-level", "ERROR", "--model", model]
    command += ["--latency-target", str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            announced = itertools.takewhile(bool, iter(server.stdout.readline, ""))
            yield next(line.split()[1] for line in announced if "orchestrator" in line.split()[:1])
        finally:
            server.terminate()


def quantile(values: list[float], share: float) -> float:
    return float(np.quantile(values, share, method="higher")) if values else float("nan")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    model: str = "lite128"
    seconds: Annotated[float, typer.Option(help="of each load")] = 15.0
    target: Annotated[float, typer.Option(help="of latency, seconds; 0: nobody is refused")] = 1.0
    drive: Annotated[str | None, typer.Option(hidden=True)] = None


def run(options: Options, command: str) -> None:
    """Measures the loads one after another."""
    if options.drive:
        print(json.dumps(asdict(asyncio.run(drive(Crowd(**json.loads(options.drive)))))))
        return
    with serving(options.model, options.target) as address:
        with connect_sync(address, timeout=60) as service:
            models = {one.name: one for one in service.server_info(timeout=60).models}
        side = models[options.model].height
        capacity = asyncio.run(flat_out(address, options.model, side))
        rate = capacity / AT_CAPACITY
        print(f"{capacity:.1f} frames/s; sessions of {rate:.2f} frames/s")
        print("times wanted served late_p50_ms late_p95_ms refusals refused_p95_ms refused_max_ms")
        p95: dict[float, float] = {}
        refused: list[float] = []
        for times in TIMES:
            time.sleep(PAUSE_SECONDS)
            crowd = Crowd(
                address, options.model, side, round(times * AT_CAPACITY), rate, options.seconds
            )
            # A separate process, so that its work does not delay this one's clock.
            child = [sys.executable, __file__, "--drive", json.dumps(asdict(crowd))]
            told = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True).stdout
            seen = Seen(**json.loads(told))
            p95[times] = quantile(seen.late, 0.95)
            refused += seen.refused
            print(
                f"{times:5.1f} {crowd.sessions:6} {seen.served:6}"
                f" {1000 * quantile(seen.late, 0.5):11.0f} {1000 * p95[times]:11.0f}"
                f" {len(seen.refused):8} {1000 * quantile(seen.refused, 0.95):14.0f}"
                f" {1000 * max(seen.refused, default=float('nan')):14.0f}",
                flush=True,
            )
    slower, early = p95[4.0] / p95[1.0], quantile(refused, 0.95)
    print(f"at 4 times the capacity {slower:.2f} times as late as at capacity (at most {SLOWER})")
    print(f"19 of 20 refusals within {1000 * early:.0f} ms (at most {1000 * REFUSED_SECONDS:.0f})")
    sys.exit(not (slower <= SLOWER and not early > REFUSED_SECONDS))


main = Program("admission.py", Options, run, __doc__)


if __name__ == "__main__":
    main()
