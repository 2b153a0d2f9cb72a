"""What concurrent streams send in a benchmark: which clip, in which pattern, how many frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from motioncast.bench.clients import ClientJob
from motioncast.bench.measuring import refuse_below, refuse_none_or_below
from motioncast.orchestrator import OrchestratorSettings

_SPARE: Final = 16  # sessions count until their server side has ended too


@dataclass(frozen=True, slots=True)
class Workload:
    """What to measure; benchmarks add their own parameters."""

    video: Path  # what the streams send
    streams: tuple[int, ...] = (1, 4, 16)  # concurrent
    observed: int = 5
    predicted: int = 5
    frames: int = 200  # per measurement, shared among its streams ...
    least_frames: int = 40  # ... but at least this many each, to make startup a small part
    rounds: int = 3
    repository: Path | None = None  # model repository; None for the shipped one
    model: str | None = None  # configuration; None for the first

    def check(self) -> None:
        """Raises BenchError for a number that is out of range."""
        refuse_below(
            1,
            observed=self.observed,
            frames=self.frames,
            least_frames=self.least_frames,
            rounds=self.rounds,
        )
        refuse_none_or_below(1, "streams", self.streams)

    def limits(self) -> OrchestratorSettings:
        """Returns limits that admit all streams."""
        most = max(self.streams) + _SPARE
        return OrchestratorSettings(max_sessions=most, max_sessions_per_peer=most)

    def frames_of_each(self, streams: int) -> int:
        """Returns the number of frames that each stream sends."""
        return max(self.least_frames, self.frames // streams)

    def job(self, target: str, size: int, streams: int, frames: int) -> ClientJob:
        """Returns the clients' work: number of streams and frames, and the image size."""
        return ClientJob(
            target=target,
            video=self.video,
            size=size,
            streams=streams,
            frames=frames,
            observed=self.observed,
            predicted=self.predicted,
        )
