"""Converts HDR pictures to what a BT.709 video of the same scene would contain.

    HLG    E = OETF^-1(E'), then the display's light E Y^0.2 of 1000 nits  (BT.2100-2, table 5)
    PQ     the display's light EOTF(E') of up to 10,000 nits               (BT.2100-2, table 4)

In units of HDR's reference white, 203 nits (BT.2408-7), BT.2020's primaries are converted to
BT.709's, light brighter than KNEE rolls off towards white, and darker light is unchanged; finally
the gamma of BT.1886's display, 2.4, is inverted.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motioncast.framing import Picture

PQ: Final = 16  # ISO/IEC 23091-2 (H.273), table 3: transfer characteristics
HLG: Final = 18
TRANSFERS: Final = (PQ, HLG)

REFERENCE_WHITE: Final = 203.0  # nits
HLG_PEAK: Final = 1000.0  # nits
HLG_GAMMA: Final = 1.2
KNEE: Final = 0.75  # of reference white; darker light is unchanged
DISPLAY_GAMMA: Final = 2.4
LUMA_2020: Final = (0.2627, 0.6780, 0.0593)
# BT.2087-0, annex 2: linear RGB of BT.2020 -> of BT.709.
TO_709: Final = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
_ROWS: Final = 256  # processed at once, so that a large picture takes little memory


def tone_mapped(picture: NDArray[np.unsignedinteger], transfer: int) -> Picture:
    """Returns a picture (H, W, 3) uint16 of R'G'B' in BT.2020 as (H, W, 3) uint8 in BT.709."""
    mapped = np.empty(picture.shape, np.uint8)
    for top in range(0, len(picture), _ROWS):
        light = _light(picture[top : top + _ROWS], transfer)
        light = np.maximum(light @ np.array(TO_709, np.float32).T, 0)
        brightest = light.max(axis=-1, keepdims=True)
        light *= _rolled_off(brightest) / np.maximum(brightest, 1e-9)
        signal = np.minimum(light, 1) ** np.float32(1 / DISPLAY_GAMMA)
        mapped[top : top + _ROWS] = np.rint(255 * signal)
    return mapped


def _light(rows: NDArray[np.unsignedinteger], transfer: int) -> NDArray[np.float32]:
    """Returns the display's light, 1 for reference white."""
    if transfer == PQ:
        return np.asarray(_pq()[rows])
    scene = _hlg()[rows]
    luminance = scene @ np.array(LUMA_2020, np.float32)
    shown = scene * luminance[..., None] ** np.float32(HLG_GAMMA - 1)
    return np.asarray(shown * np.float32(HLG_PEAK / REFERENCE_WHITE))


def _rolled_off(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns light of any brightness mapped below 1: unchanged up to KNEE, compressed above."""
    beyond = np.maximum(light - KNEE, 0)
    return np.asarray(np.minimum(light, KNEE) - (1 - KNEE) * np.expm1(-beyond / (1 - KNEE)))


@cache
def _hlg() -> NDArray[np.float32]:
    """Returns scene light, 0 to 1, for every 16-bit signal: BT.2100-2, HLG's OETF^-1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.arange(2**16) / (2**16 - 1)
    light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)


@cache
def _pq() -> NDArray[np.float32]:
    """Returns display light, 1 for reference white, for every 16-bit signal: BT.2100-2, EOTF."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = (np.arange(2**16) / (2**16 - 1)) ** (1 / m2)
    light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (light * 10_000 / REFERENCE_WHITE).astype(np.float32)
