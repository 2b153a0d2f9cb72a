"""Aggregates clips: lines, curves, and the rates that codecs need for the same quality."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from motioncast.evaluate.rate.bjontegaard import (
    DEGREE,
    Curve,
    quality_difference,
    rate_difference,
    rate_needed,
)
from motioncast.evaluate.rate.measuring import Point
from motioncast.evaluate.rate.ours import EVERY_FRAME

OF_CLIPS: Final = ("clip", "method", "setting", "delay_frames")
MEDIANS: Final = ("motion_correlation", "mouth_correlation")
# Qualities to compare: label, name in a point, and whether higher is better.
QUALITIES: Final = (
    ("PSNR", "psnr_db", True),
    ("SSIM", "ssim", True),
    ("MS-SSIM", "ms_ssim", True),
    ("VIF", "vif", True),
    ("error of motion", "temporal_error", False),
    ("keypoint error", "keypoint_error_pixels", False),
)
PICTURES: Final = 4  # the first four, which rise with the rate along every curve
RATES: Final = (("payload", "payload_kbits"), ("wire, 10 s", "wire_10_s_kbits"))
REFERENCES: Final = (
    (EVERY_FRAME, "coarseness 2"),
    (f"{EVERY_FRAME}, 5 in a packet", "coarseness 2"),
    ("gate, hold", "1 px"),
)


@dataclass(frozen=True, slots=True)
class Need:
    """The rate a codec needs to match the quality of one of our schemes, relative to our rate."""

    reference: str
    codec: str
    rate: str  # which of the three kinds
    quality: str
    relation: str  # "="; "<": already better at its lowest rate; ">": worse at its highest tried
    times: float
    kbits: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Bjontegaard difference of payloads from sending every frame; None without common quality."""

    codec: str
    quality: str
    rate_share: float | None  # 0.5: 50 % more
    quality_difference: float | None


def means(points: Sequence[Point]) -> list[Point]:
    """Returns the means over clips of every method and setting, in their order.

    All clips weigh the same; missing figures are left out. Correlations use the median.
    """
    lines = []
    for method, setting in dict.fromkeys((one.method, one.setting) for one in points):
        own = [one for one in points if (one.method, one.setting) == (method, setting)]
        figures = {
            field.name: _mean([getattr(one, field.name) for one in own], field.name in MEDIANS)
            for field in fields(Point)
            if field.name not in OF_CLIPS
        }
        clips = f"{len(own)} clips"
        lines.append(Point(clips, method, setting, own[0].delay_frames, **figures))  # type: ignore[arg-type]
    return lines


def curve(lines: Sequence[Point], method: str, quality: str, rate: str = "payload_kbits") -> Curve:
    """Returns a method's points of rate and quality, sorted by rate; errors are negated."""
    sign = 1 if {name: more for _, name, more in QUALITIES}[quality] else -1
    return sorted(
        (getattr(o, rate), sign * getattr(o, quality)) for o in lines if o.method == method
    )


def needs(lines: Sequence[Point], codecs: Sequence[str]) -> list[Need]:
    """Returns the codecs' rates for the quality of each of `REFERENCES` that is present."""
    found = []
    for reference in lines:
        if (reference.method, reference.setting) not in REFERENCES:
            continue
        for rate, rate_name in RATES:
            ours = getattr(reference, rate_name)
            for codec in codecs:
                for quality, name, more in QUALITIES:
                    wanted = getattr(reference, name) * (1 if more else -1)
                    if wanted != wanted:
                        continue
                    relation, kbits = rate_needed(curve(lines, codec, name, rate_name), wanted)
                    label = f"{reference.method}, {reference.setting}"
                    found.append(Need(label, codec, rate, quality, relation, kbits / ours, kbits))
    return found


def differences(lines: Sequence[Point], codecs: Sequence[str]) -> list[Difference]:
    """Returns the Bjontegaard differences of codecs from every frame sent, for payloads."""
    found = []
    for codec in codecs:
        for quality, name, _ in QUALITIES[:PICTURES]:
            both = [curve(lines, one, name) for one in (codec, EVERY_FRAME)]
            if min(map(len, both)) > DEGREE and np.isfinite(both).all():
                rate, better = rate_difference(*both), quality_difference(*both)
                found.append(Difference(codec, quality, rate, better))
    return found


def _mean(values: Sequence[float | None], median: bool) -> float | None:
    """Returns the mean or median of the known values; None if all are None."""
    if all(value is None for value in values):
        return None
    known = [value for value in values if value is not None and value == value]
    if not known:
        return float("nan")
    return float(np.median(known) if median else np.mean(known))
