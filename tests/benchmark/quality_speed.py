"""Compares the speed of our SSIM, which uses small band matrices, with scikit-image's.

python tests/benchmark/quality_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from skimage.metrics import structural_similarity

from motioncast.quality.pixels import image_ssim


def main() -> None:
    """Prints the time both take for one picture of 256x256."""
    a, b = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)

    def before() -> float:
        return float(structural_similarity(a, b, channel_axis=-1, data_range=255))  # type: ignore[no-untyped-call]

    ours, theirs = shortest_ms(lambda: image_ssim(a, b)), shortest_ms(before)
    print(f"scikit-image {theirs:.1f} ms, ours {ours:.1f} ms: {theirs / ours:.1f} times as fast")


def shortest_ms(call: Callable[[], float]) -> float:
    """Returns the shortest time of nine calls, as other load can only add to it."""
    spent = []
    for _ in range(9):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent)


if __name__ == "__main__":
    main()
