"""Windows of keypoint tracks: all of them, or random ones for training.

Shapes: N clips of T frames, K keypoints (x, y, intensity), B windows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def every_window(clips: Sequence[Tensor], length: int, stride: int) -> Tensor:
    """Returns the windows (B, T, K, 3) of `length` frames that start every `stride` frames.

    Raises ValueError when no clip is that long.
    """
    windows = [
        clip[start : start + length]
        for clip in clips
        for start in range(0, len(clip) - length + 1, stride)
    ]
    if not windows:
        raise ValueError(f"clips: all are shorter than {length} frames")
    return torch.stack(windows)


def random_windows(
    clips: Sequence[Tensor],
    length: int,
    count: int,
    generator: torch.Generator,
    time_flip: bool = True,
    people: Sequence[str] | None = None,
) -> Tensor:
    """Draws windows (B, T, K, 3) from clips that are long enough.

    With `time_flip` half of them are played backwards: suitable for faces, not for a robot that
    pushes things. With `people`, the person in every clip, a person is drawn in proportion to the
    square root of their number of frames; otherwise all clips are equally likely.
    """
    long_enough = [index for index, clip in enumerate(clips) if len(clip) >= length]
    usable = [clips[index] for index in long_enough]
    if not usable:
        raise ValueError(f"clips: all are shorter than {length} frames")
    shares = torch.ones(len(usable), dtype=torch.float64)
    if people is not None:
        shares = shares_by_person(usable, [people[index] for index in long_enough])
    bounds = (shares / shares.sum()).cumsum(dim=0)
    windows = []
    for draw in torch.rand(count, 3, generator=generator).tolist():
        chosen = int(torch.searchsorted(bounds, draw[0], right=True))
        clip = usable[min(chosen, len(usable) - 1)]
        start = int(draw[1] * (len(clip) - length + 1))
        window = clip[start : start + length]
        windows.append(window.flip(0) if time_flip and draw[2] < 0.5 else window)
    return torch.stack(windows)


def shares_by_person(clips: Sequence[Tensor], people: Sequence[str]) -> Tensor:
    """Returns how often each clip is drawn (N,), up to a factor.

    A person's share is the square root of their frames, divided among the clips by length.
    """
    frames: dict[str, int] = {}
    for clip, person in zip(clips, people, strict=True):
        frames[person] = frames.get(person, 0) + len(clip)
    shares = [len(clip) / frames[who] ** 0.5 for clip, who in zip(clips, people, strict=True)]
    return torch.tensor(shares, dtype=torch.float64)
