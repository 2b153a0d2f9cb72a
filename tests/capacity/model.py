"""A linear model of the cost of frames and sessions, fitted by least squares.

    server's CPU seconds       = a observed + b forecast + c sessions
    resident memory            = d + e concurrent sessions
    frames/s                   = f cores / CPU seconds per frame, clients included

a and b are in seconds per frame, c in seconds per session, d and e in bytes; f is the share of the
cores that is kept busy. For frames/s, the clients run on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement.

    Attributes:
        sessions: Concurrent sessions, each of `frames` frames in the pattern observed:predicted.
        seconds: From the first message to the last frame.
        server_seconds, client_seconds: CPU time.
        resident: The server's peak memory, in bytes.
        sent_bytes, received_bytes: Messages of all sessions, as counted by the server.
    """

    sessions: int
    frames: int
    observed: int
    predicted: int
    seconds: float
    server_seconds: float
    client_seconds: float
    resident: int
    sent_bytes: int = 0
    received_bytes: int = 0

    @property
    def all_frames(self) -> int:
        return self.sessions * self.frames

    @property
    def observed_frames(self) -> int:
        """Number of frames sent, over all sessions."""
        whole, rest = divmod(self.frames, self.observed + self.predicted)
        return self.sessions * (whole * self.observed + min(rest, self.observed))


@dataclass(frozen=True, slots=True)
class Capacity:
    """The fitted model; see the formulas above."""

    observed_seconds: float
    forecast_seconds: float
    session_seconds: float
    base_bytes: float
    session_bytes: float
    share: float
    client_seconds: float  # per frame
    cores: int

    @classmethod
    def of(cls, runs: Sequence[Run], cores: int) -> Capacity:
        """Fits the runs, minimising relative errors; no coefficient is below 0."""
        work = np.array([[*_work(run)] for run in runs], float)
        a, b, c = _fit(work, [run.server_seconds for run in runs])
        ones = np.array([[1, run.sessions] for run in runs], float)
        d, e = _fit(ones, [run.resident for run in runs])
        client = sum(run.client_seconds for run in runs) / sum(run.all_frames for run in runs)
        shares = [
            (run.server_seconds + run.client_seconds) / (cores * run.seconds)
            for run in runs
            if run.sessions >= cores
        ]
        return cls(a, b, c, d, e, float(np.median(shares)), client, cores)

    def predict(self, sessions: int, frames: int, observed: int, predicted: int) -> Run:
        """Returns a prediction of a run's measurements."""
        asked = Run(sessions, frames, observed, predicted, 0.0, 0.0, 0.0, 0)
        cost = (self.observed_seconds, self.forecast_seconds, self.session_seconds)
        server = sum(one * each for one, each in zip(_work(asked), cost, strict=True))
        client = self.client_seconds * asked.all_frames
        resident = self.base_bytes + self.session_bytes * sessions
        seconds = (server + client) / (self.share * self.cores)
        return Run(sessions, frames, observed, predicted, seconds, server, client, int(resident))

    def frames_per_core(self, observed: int, predicted: int) -> float:
        """Returns frames/s per core in a long session, with clients on other machines."""
        group = observed + predicted
        cost = self.observed_seconds * observed + self.forecast_seconds * predicted
        return group / cost


def _work(run: Run) -> tuple[int, int, int]:
    return run.observed_frames, run.all_frames - run.observed_frames, run.sessions


def _fit(terms: NDArray[np.float64], values: Sequence[float]) -> list[float]:
    """Returns the non-negative coefficients with the least squared relative errors."""
    weights = 1 / np.asarray(values, float)
    found: list[float] = nnls(terms * weights[:, None], np.ones(len(weights)))[0].tolist()
    return found
