"""Runs sessions whose results identify them, in a separate process.

    python -m chaos.visitors SEED NAME=TARGET ...

Prints one line of JSON per session; ends at the end of standard input.

Each session has a number, and the toy models make its returned frames predictable to the last pixel
(`support.toy_models`): blue encodes the session's number, red and green the position in the track.
This detects frames of other sessions, duplicate and missing frames, and wrong forecasts.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.toy_models import CONFIGURATION, HEIGHT, WIDTH, toy_frame, toy_path

from motioncast.client import ConnectError, Frame, MotioncastError, ServerError, connect_sync
from motioncast.client.types import Origin
from motioncast.timeline.pattern import Pattern

THREADS: Final = 2  # per target
NUMBERS: Final = 80  # sessions that differ by at least one level of blue
LONGEST_SECONDS: Final = 60.0  # limit for any session, faults included
_SLACK: Final = 20.0  # seconds past that limit after which a session counts as hanging
_FRAME_SECONDS: Final = 0.02
_TOLERANCE: Final = 1  # levels of 255, for rounding


@dataclass(frozen=True, slots=True)
class Visit:
    """The result of one session.

    Attributes:
        at: When it ended, in seconds since the visitors started.
        target: The deployment it used.
        frames: Received frames, of `wanted`.
        ended: "" if all frames arrived; else the name of the error.
        reason: The error's message.
        wrong: Description of a violation; "" if there was none.
        seconds: From the request to the end.
        first_seconds: Until the first frame; 0 if none arrived.
    """

    at: float
    target: str
    session: int
    frames: int
    wanted: int
    ended: str
    reason: str
    wrong: str
    seconds: float
    first_seconds: float
    longest_pause: float


def path(number: int, count: int) -> NDArray[np.float32]:
    """Returns the keypoints (T, 2, 3) of session `number`, with its own walk and intensity."""
    walk = np.random.default_rng(number).normal(0, 0.02, (count, 2, 2)).cumsum(axis=0)
    keypoints = np.empty((count, 2, 3), np.float32)
    keypoints[..., :2] = np.clip(walk, -0.9, 0.9)
    keypoints[..., 2] = (20 + 3 * (number % NUMBERS)) / 260  # unchanged by toy forecasts
    return keypoints


def visit(target: str, number: int, chance: random.Random, since: float) -> Visit:
    """Runs one session and checks the results."""
    pattern = Pattern(chance.randint(1, 8), chance.randint(0, 8))
    count = chance.randint(5, 150)
    keypoints = path(number, count)
    observed = np.array(pattern.mask(count))
    expected = toy_path(keypoints, observed)
    came: list[Frame] = []
    began, wrong, error, pause = time.monotonic(), "", None, 0.0
    first = 0.0

    def sent() -> Iterator[NDArray[np.float32]]:
        for one in keypoints:
            time.sleep(_FRAME_SECONDS)
            yield one

    try:
        with connect_sync(target, timeout=10) as service:
            stream = service.stream_keypoints(
                sent(),
                source=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
                source_keypoints=keypoints[0],
                model=CONFIGURATION,
                observed=pattern.observed,
                predicted=pattern.predicted,
                frame_count=count,
                timeout=LONGEST_SECONDS,
            )
            last = time.monotonic()
            for frame in stream:
                now = time.monotonic()
                first, pause, last = first or now - began, max(pause, now - last), now
                wrong = wrong or judge(frame, len(came), expected, observed)
                came.append(frame)
            if len(came) != count:
                wrong = wrong or f"ended well after {len(came)} of {count} frames"
            if sum(asdict(stream.report)["source_frames"]) != count:
                wrong = wrong or "the report counts other frames"
    except MotioncastError as failure:
        error = failure
    except Exception as failure:  # not a proper error of the client
        wrong = wrong or f"raised {type(failure).__name__}: {failure}"
    if isinstance(error, ServerError) and not isinstance(error, ConnectError):
        wrong = wrong or f"no statement: {error.code} {error}"
    seconds = time.monotonic() - began
    if seconds > LONGEST_SECONDS + _SLACK:
        wrong = wrong or f"took {seconds:.0f} s to end"
    return Visit(
        round(time.monotonic() - since, 2),
        target,
        number,
        len(came),
        count,
        type(error).__name__ if error else "",
        str(error or ""),
        wrong,
        round(seconds, 2),
        round(first, 3),
        round(pause, 2),
    )


def judge(
    frame: Frame, due: int, expected: NDArray[np.float32], observed: NDArray[np.bool_]
) -> str:
    """Returns what is wrong with a frame; "" if nothing."""
    if frame.index != due:
        return f"frame {frame.index} came where {due} was due"
    if due >= len(expected):
        return f"frame {due} of {len(expected)}"
    origin = Origin.OBSERVED if observed[due] else Origin.PREDICTED
    if frame.origin is not origin:
        return f"frame {due} is {frame.origin}, not {origin}"
    image = toy_frame(expected[due])
    if np.abs(frame.image.astype(int) - image).max() > _TOLERANCE:
        return f"frame {due} shows {frame.image[0, 0].tolist()}, not {image[0, 0].tolist()}"
    if np.abs(frame.keypoints - expected[due]).max() > 1e-4:
        return f"frame {due} has other keypoints"
    return ""


def main() -> None:
    """Visits every target repeatedly until standard input ends."""
    seed, *targets = sys.argv[1:]
    since, over, numbers = time.monotonic(), threading.Event(), iter(range(10**9))
    telling = threading.Lock()

    def visits(name: str, target: str, place: int) -> None:
        chance = random.Random(f"{seed} {name} {place}")
        while not over.is_set():
            with telling:
                number = next(numbers)
            seen = visit(target, number, chance, since)
            with telling:
                print(json.dumps({**asdict(seen), "target": name}), flush=True)
            over.wait(0.5 if seen.ended else 0.05)  # retry later if refused

    threads = [
        threading.Thread(target=visits, args=(*one.split("=", 1), place))
        for one in targets
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
