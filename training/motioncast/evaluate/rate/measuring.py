"""The quality of what is shown: the same metrics for keypoints and codecs.

PSNR, the keypoints and the temporal error are measured on every frame but the first; SSIM,
MS-SSIM and VIF, which take a hundred times as long, on every n-th. Keypoints found by the model's
detector in the shown frames are compared with those found in the original, for codecs' pictures as
for ours.

Shapes: T frames, S pixels, K keypoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import Tensor

from motioncast.evaluate.canvas import Frames
from motioncast.evaluate.rate.ours import Track
from motioncast.evaluate.rate.stream import Stream
from motioncast.quality.expression import compare_movement
from motioncast.quality.fidelity import vif
from motioncast.quality.pixels import ROUNDING_PSNR_DB, image_psnr, planes, ssim_and_ms_ssim
from motioncast.quality.temporal import temporal_error

PIXELS_PER_UNIT: Final = 127.5  # of keypoints, in an image of 256
SPREAD_SECONDS: Final = (10, 60)  # durations of calls over which the first picture is spread


@dataclass(frozen=True, slots=True)
class Point:
    """One clip sent in one way: its rate and its quality."""

    clip: str
    method: str
    setting: str
    delay_frames: int
    payload_kbits: float
    headers_kbits: float
    wire_kbits: float
    grpc_kbits: float | None
    first_bytes: float
    wire_10_s_kbits: float  # including the first picture, for a call of 10 s
    wire_60_s_kbits: float
    psnr_db: float
    ssim: float
    ms_ssim: float
    vif: float
    temporal_error: float  # 1 for a frozen picture; NaN if the original stands still
    keypoint_error_pixels: float  # of 256, mean
    motion_correlation: float  # of the keypoints
    mouth_correlation: float | None  # None if no keypoint is anchored


class Truth:
    """A clip (T, S, S, 3), T >= 3, its keypoints (T, K, 3), and how often metrics are measured."""

    def __init__(
        self,
        name: str,
        clip: Frames,
        keypoints: Track,
        detect: Callable[[Frames], Tensor],
        *,
        anchored: bool,
        every: int = 1,
    ) -> None:
        """Raises ValueError for a clip of fewer than three frames."""
        if len(clip) < 3:
            raise ValueError(f"data: {name} has {len(clip)} frames (at least three are needed)")
        self.name, self.clip, self.keypoints = name, clip, keypoints
        self._detect, self._anchored = detect, anchored
        self._some = np.arange(1, len(clip), every)
        self._planes = planes(clip[self._some])

    def measure(self, stream: Stream) -> Point:
        """Returns the rate and the quality of a stream of this clip."""
        shown, clip, rates = stream.frames, self.clip, stream.rates
        psnr = [
            min(image_psnr(*pair), ROUNDING_PSNR_DB)
            for pair in zip(shown[1:], clip[1:], strict=True)
        ]
        some = planes(shown[self._some])
        ssim, ms_ssim, _ = ssim_and_ms_ssim(some, self._planes)
        found, true = self._found(shown)[1:], self.keypoints[1:]
        away = (found - true)[..., :2] * PIXELS_PER_UNIT
        movement = compare_movement(found, true, anchored=self._anchored)
        ten, sixty = (rates.spread_kbits(seconds) for seconds in SPREAD_SECONDS)
        return Point(
            clip=self.name,
            method=stream.method,
            setting=stream.setting,
            delay_frames=stream.delay_frames,
            payload_kbits=rates.payload_kbits,
            headers_kbits=rates.headers_kbits,
            wire_kbits=rates.wire_kbits,
            grpc_kbits=rates.grpc_kbits,
            first_bytes=rates.first_bytes,
            wire_10_s_kbits=ten,
            wire_60_s_kbits=sixty,
            psnr_db=float(np.mean(psnr)),
            ssim=float(ssim.mean()),
            ms_ssim=float(ms_ssim.mean()),
            vif=float(vif(some, self._planes).mean()),
            temporal_error=temporal_error(shown[1:], clip[1:]),
            keypoint_error_pixels=float(np.hypot(away[..., 0], away[..., 1]).mean()),
            motion_correlation=movement.keypoints.correlation,
            mouth_correlation=None if movement.mouth is None else movement.mouth.correlation,
        )

    def _found(self, shown: Frames) -> Track:
        """Returns the keypoints (T, K, 3) found in frames, detecting repeated frames only once."""
        changed = [True, *((a != b).any() for a, b in zip(shown[1:], shown[:-1], strict=True))]
        found: Track = self._detect(shown[changed]).numpy()
        each: Track = found[np.cumsum(changed) - 1]
        return each
