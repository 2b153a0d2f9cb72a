"""Converts colours that a still gives by numbers to an ICC profile: primaries, white and a curve.

    XYZ = M RGB       M's columns are the primaries, scaled so that (1, 1, 1) is white
    D50 = A XYZ       Bradford's adaptation (ICC.1:2022, annex E.3)

The colours of sRGB need no profile.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Place: TypeAlias = tuple[float, float]  # x, y of CIE 1931
Places: TypeAlias = tuple[Place, Place, Place, Place]  # white, red, green, blue

_D65: Final = (0.3127, 0.3290)
SRGB: Final = (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
# ISO/IEC 23091-2 (H.273), table 2: colour primaries.
PRIMARIES: Final[dict[int, Places]] = {
    1: SRGB,
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
# Also table 3: transfer characteristics that are a power; those of BT.709 count as sRGB's here.
_POWERS: Final = {4: 2.2, 5: 2.8, 8: 1.0}
_LIKE_SRGB: Final = frozenset({1, 6, 13, 14, 15})
_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1
_BRADFORD: Final = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50: Final = np.array([0.9642, 1.0, 0.8249])
_NEAR: Final = 0.002  # of a coordinate


@dataclass(frozen=True, slots=True)
class Colours:
    """What the values of a still mean: light is the signal to `power`, or follows sRGB if None."""

    places: Places = SRGB
    power: float | None = None

    @classmethod
    def of_code_points(cls, primaries: int, transfer: int) -> Colours | None:
        """Returns the colours of H.273's numbers; None if they are unknown, or HDR."""
        places = PRIMARIES.get(primaries)
        if places is None or (transfer not in _LIKE_SRGB and transfer not in _POWERS):
            return None
        return cls(places, _POWERS.get(transfer))

    def profile(self, *, grey: bool = False) -> bytes | None:
        """Returns an ICC profile; None for sRGB, and if the primaries are invalid.

        Args:
            grey: Whether the picture has a single channel.
        """
        if self.power is None and np.abs(np.subtract(self.places, SRGB)).max() < _NEAR:
            return None
        curve = _parametric(_SRGB_CURVE if self.power is None else (self.power,))
        tags = {b"wtpt": _xyz(_D50)}
        if grey:
            tags[b"kTRC"] = curve
        else:
            matrix = _to_d50(self.places)
            if matrix is None:
                return None
            for name, column in zip((b"r", b"g", b"b"), matrix.T, strict=True):
                tags[name + b"XYZ"] = _xyz(column)
                tags[name + b"TRC"] = curve
        return _icc(b"GRAY" if grey else b"RGB ", tags)


def _to_d50(places: Places) -> NDArray[np.float64] | None:
    """Returns the matrix from RGB to XYZ under D50; None if there is none."""
    x, y = np.array(places, np.float64).T
    if (y <= 0).any():
        return None
    columns = np.array([x / y, np.ones(4), (1 - x - y) / y])
    white, primaries = columns[:, 0], columns[:, 1:]
    if abs(np.linalg.det(primaries)) < 1e-6:
        return None
    matrix = primaries * np.linalg.solve(primaries, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix)


def _icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Returns a display profile (ICC.1:2022, 7.2 and 7.3)."""
    start = 128 + 4 + 12 * len(tags)
    table, data = b"", b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(body))
        data += body
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"", 0x04300000, b"mntr", space, b"XYZ ", b"acsp")
    head = (head.ljust(68, b"\0") + _s15(_D50)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def _parametric(numbers: tuple[float, ...]) -> bytes:
    kind = 0 if len(numbers) == 1 else 3
    return struct.pack(">4s4xHxx", b"para", kind) + _s15(np.array(numbers))


def _xyz(numbers: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _s15(numbers)


def _s15(numbers: NDArray[np.float64]) -> bytes:
    clipped = np.clip(np.rint(numbers * 65536), -(2**31), 2**31 - 1)
    return clipped.astype(">i4").tobytes()
