"""`motioncast receive`: renders a room's frames here and writes them as a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motioncast.cli.door import credentials
from motioncast.cli.failures import CommandError
from motioncast.cli.kernel_counts import WireBytes, WireCount
from motioncast.cli.marking import mark
from motioncast.cli.progress import Stages
from motioncast.cli.report import KeypointRates
from motioncast.cli.service import CONNECT_SECONDS
from motioncast.cli.traffic import WIRE_BYTES
from motioncast.client import (
    Ending,
    Opening,
    Origin,
    ReceivedFrame,
    ReceiverModels,
    TwoEndsTraffic,
    Watching,
    connect,
)
from motioncast.client.live import LiveReceiver
from motioncast.client.video import write_video
from motioncast.provenance import SourceType


@dataclass(frozen=True, slots=True)
class ReceiveJob:
    """What to watch, and where the frames go."""

    target: str  # HOST:PORT of a relay
    room: str
    token: str
    out: Path
    models: Path | None = None  # repository; None: the installed one
    threads: int = 0  # per inference; 0: one per core
    real_time: bool = False  # render only the frames that are due, not all of them
    delay_frames: int = 0  # how many frames later each is shown, to allow interpolation


@dataclass(frozen=True, slots=True)
class Received:
    """What was received and rendered."""

    opening: Opening
    first_index: int  # of the first frame that was written
    origins: dict[str, int]  # frames by origin
    repeated: int  # frames that were skipped, with the previous one shown instead
    seconds: float  # of the video
    traffic: TwoEndsTraffic
    wire: WireBytes | None  # the connection's total; None if this system does not count it

    @property
    def rates(self) -> KeypointRates:
        """The bit rates of keypoints, in bits per second of video."""
        traffic = self.traffic
        wire = traffic.keypoints + WIRE_BYTES * traffic.packets
        sizes = traffic.payload, traffic.keypoints, wire
        return KeypointRates(*(8 * size / self.seconds for size in sizes))

    def as_json(self) -> dict[str, Any]:
        """Returns the values for --json."""
        return {
            "model": self.opening.model,
            "frame_rate": self.opening.frame_rate,
            "pattern": str(self.opening.pattern),
            "first_index": self.first_index,
            "frames": self.origins,
            "repeated_frames": self.repeated,
            "bytes": asdict(self.traffic),
            "keypoint_bits_per_second": asdict(self.rates),
            "wire": None if self.wire is None else asdict(self.wire),
        }


async def receive_video(job: ReceiveJob, stages: Stages) -> Received:
    """Watches a room to its end and writes the rendered video, atomically.

    Raises:
        CommandError: The sender was lost, or no frame arrived.
        MotioncastError, DomainError, OSError: Errors of the client and of writing.
    """
    from motioncast.inference import default_repository  # needs the [serve] extra

    repository = job.models or default_repository()
    origins: Counter[str] = Counter({origin.value: 0 for origin in Origin})
    first_index = newest = -1
    repeated, before = 0, None
    counted = WireCount(job.target)
    async with (
        connect(job.target, timeout=CONNECT_SECONDS, **credentials()) as service,
        service.watch(job.room, job.token) as watching,
    ):
        opening = watching.opening
        models = ReceiverModels.of(repository, opening.model, threads=job.threads)
        advance = stages("receiving", opening.frame_count)
        wholly = mark(SourceType.SYNTHETIC, opening.model)
        with write_video(job.out, opening.frame_rate, mark=wholly) as video:
            async for frame in _frames(watching, models, job):
                if first_index < 0:
                    first_index = frame.index
                elif before is not None:
                    for _ in range(newest + 1, frame.index):
                        video.write(before)
                        repeated += 1
                newest, before = frame.index, frame.image
                video.write(frame.image)
                origins[frame.origin.value] += 1
                counted.look()  # the connection may end with its call
                advance()
            if watching.ending is not Ending.ENDED:
                raise CommandError("the sender was lost before the end of the video")
            if first_index < 0:
                raise CommandError("the video ended before any frame arrived")
        counted.look()
        seconds = (sum(origins.values()) + repeated) / opening.frame_rate
        traffic, wire = watching.traffic, counted.total
        return Received(opening, first_index, dict(origins), repeated, seconds, traffic, wire)


def _frames(
    watching: Watching, models: ReceiverModels, job: ReceiveJob
) -> AsyncGenerator[ReceivedFrame]:
    if not job.real_time:
        return watching.frames(models)
    receiver = LiveReceiver(
        watching.opening, models, watching.next_index, delay_frames=job.delay_frames
    )
    return watching.live(receiver)
