"""Which of several source images a frame is made from: one rule for everyone who makes frames.

The service, a device that synthesises on its own, and the evaluation call the same functions:

    chosen, state = choose({0: face, 1: smile}, driving, state)     # numpy arrays in, indices out

Keypoints are (..., K, 3) of square images: x, y in [-1, 1], and an intensity that is ignored.
"""

from motioncast.sources.choice import (
    MAX_SOURCES,
    Choice,
    ChoiceSettings,
    choose,
    costs,
    parse_weights,
)
from motioncast.sources.gathering import Gathering, GatherSettings
from motioncast.sources.grouping import frames_by_source, in_order
from motioncast.sources.similarity import Misfit, misfit

__all__ = [
    "MAX_SOURCES",
    "Choice",
    "ChoiceSettings",
    "GatherSettings",
    "Gathering",
    "Misfit",
    "choose",
    "costs",
    "frames_by_source",
    "in_order",
    "misfit",
    "parse_weights",
]
