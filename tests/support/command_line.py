"""Shared by command-line tests: results of commands, server processes, a clip with keypoints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from support.toy_models import image_with_points, keypoints_of_points

# (column, row) of the red point in each frame; it accelerates and turns, so that linear
# extrapolation is wrong.
RED: Final = [(2, 3), (3, 3), (5, 4), (8, 4), (12, 5), (13, 7), (11, 9), (10, 9), (6, 8), (5, 5)]
GREEN: Final = [(14 - t, 2 + t) for t in range(len(RED))]
FRAMES: Final = len(RED)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command."""

    code: int
    out: str
    err: str


Run: TypeAlias = Callable[..., Result]


@contextmanager
def serving_process(models: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Runs `motioncast serve`; yields its process and the services' addresses by name.

    The caller must end the process.
    """
    command = [sys.executable, "-m", "motioncast.cli.main", "serve", "--port", "0"]
    command += ["--http-port", "0", "--models", str(models), "--log-level", "WARNING"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "is listening" in process.stdout.readline()
        lines = [process.stdout.readline().split() for _ in range(4)]
        yield process, {name: address for name, address, *_ in lines}


def clip_frames() -> list[NDArray[np.uint8]]:
    """Returns the frames of the clip, (16, 16, 3) each."""
    return [image_with_points(red, green) for red, green in zip(RED, GREEN, strict=True)]


def clip_keypoints() -> NDArray[np.float32]:
    """Returns the clip's keypoints, (T, 2, 3)."""
    return np.stack(
        [keypoints_of_points(red, green) for red, green in zip(RED, GREEN, strict=True)]
    )
