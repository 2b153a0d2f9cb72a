"""`motioncast receive`: a room's frames, made here and written as a video."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motioncast.cli.failures import CommandError
from motioncast.cli.progress import Stages
from motioncast.cli.report import KeypointRates
from motioncast.cli.service import CONNECT_SECONDS
from motioncast.cli.traffic import WIRE_BYTES
from motioncast.client import Ending, Opening, Origin, ReceiverModels, TwoEndsTraffic, connect
from motioncast.client.video import write_video


@dataclass(frozen=True, slots=True)
class ReceiveJob:
    """What to watch, and where the frames go."""

    target: str  # HOST:PORT of a relay
    room: str
    token: str
    out: Path
    models: Path | None = None  # repository; None: the one installed
    threads: int = 0  # of one inference; 0: one per core


@dataclass(frozen=True, slots=True)
class Received:
    """What came, and what was made of it."""

    opening: Opening
    first_index: int  # of the first frame that was written
    origins: dict[str, int]  # frames by origin
    seconds: float  # of the video
    traffic: TwoEndsTraffic

    @property
    def rates(self) -> KeypointRates:
        """What keypoints took, in bits per second of video."""
        traffic = self.traffic
        wire = traffic.keypoints + WIRE_BYTES * traffic.packets
        sizes = traffic.payload, traffic.keypoints, wire
        return KeypointRates(*(8 * size / self.seconds for size in sizes))

    def as_json(self) -> dict[str, Any]:
        """Returns it for --json."""
        return {
            "model": self.opening.model,
            "frame_rate": self.opening.frame_rate,
            "pattern": str(self.opening.pattern),
            "first_index": self.first_index,
            "frames": self.origins,
            "bytes": asdict(self.traffic),
            "keypoint_bits_per_second": asdict(self.rates),
        }


async def receive_video(job: ReceiveJob, stages: Stages) -> Received:
    """Watches a room to its end and writes what is made of it, whole or not at all.

    Raises:
        CommandError: The sender was lost, or nothing came.
        MotioncastError, DomainError, OSError: As the client and what is written do.
    """
    from motioncast.inference import default_repository  # needs the [serve] extra

    repository = job.models or default_repository()
    origins: Counter[str] = Counter({origin.value: 0 for origin in Origin})
    first_index = -1
    async with (
        connect(job.target, timeout=CONNECT_SECONDS) as service,
        service.watch(job.room, job.token) as watching,
    ):
        opening = watching.opening
        models = ReceiverModels.of(repository, opening.model, threads=job.threads)
        advance = stages("receiving", opening.frame_count)
        with write_video(job.out, opening.frame_rate) as video:
            async for frame in watching.frames(models):
                if first_index < 0:
                    first_index = frame.index
                video.write(frame.image)
                origins[frame.origin.value] += 1
                advance()
            if watching.ending is not Ending.ENDED:
                raise CommandError("the sender was lost before the video was over")
            if first_index < 0:
                raise CommandError("the video was over before a frame came")
        seconds = sum(origins.values()) / opening.frame_rate
        return Received(opening, first_index, dict(origins), seconds, watching.traffic)
