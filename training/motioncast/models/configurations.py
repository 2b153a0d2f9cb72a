"""The configurations of the motion-transfer networks."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from motioncast.models.face.keypoints import ANCHORED

Architecture: TypeAlias = Literal["monkey_net", "lite", "face"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The hyperparameters that the keypoint detector and the synthesis network are built from."""

    name: str
    architecture: Architecture
    image_size: int  # pixels, square
    keypoints: int  # K
    gaussian_variance: float = 0.01
    softmax_temperature: float = 0.1
    unit_heatmaps: bool = False  # Gaussians sum to one, instead of having a height of 1/100
    blocks: int = 0  # residual blocks per stage of the lite networks
    # Blocks of the lite detector at a quarter, an eighth and a sixteenth of the side; by default
    # 0, `blocks` and `blocks`. Depth is cheap there and helps to find the same points on everyone.
    detector_blocks: tuple[int, int, int] | None = None
    motion_blocks: tuple[int, int, int] | None = None  # the same for the dense motion
    decoder_blocks: tuple[int, int] | None = None  # at a quarter and half of the side
    yuv420: bool = False  # the lite networks warp and return luma, and chroma at half resolution
    width: float = 1.0  # factor on the channels of the lite networks

    @property
    def anchored_keypoints(self) -> int:
        """How many keypoints, counted from the first, are the same points on every face."""
        return ANCHORED if self.architecture == "face" else 0

    def channels(self, count: int) -> int:
        """Returns a channel count scaled by the width, as a multiple of 16."""
        return max(16, 16 * round(count * self.width / 16))


# Monkey-Net (Siarohin et al., CVPR 2019) as its authors configured it for UvA-Nemo.
PAPER64 = Configuration(name="paper64", architecture="monkey_net", image_size=64, keypoints=10)

# As they configured it for BAIR robot pushing.
PAPER64_BAIR = replace(PAPER64, name="paper64_bair", unit_heatmaps=True)

# For the CPU: dense motion at 32x32; only warping and blending at full resolution.
LITE128 = Configuration(
    name="lite128",
    architecture="lite",
    image_size=128,
    keypoints=16,
    blocks=1,
    detector_blocks=(1, 3, 4),
    motion_blocks=(2, 3, 3),
    decoder_blocks=(2, 2),
    yuv420=True,
)

# The same networks at the paper's image size and number of keypoints, for experiments on a CPU.
LITE64 = Configuration(name="lite64", architecture="lite", image_size=64, keypoints=10)

# For GPUs: the interface of lite128 at twice the size, with twice the channels and more blocks.
# Dense motion is at 64x64, the same precision in pixels as lite128's.
BASE256 = Configuration(
    name="base256",
    architecture="lite",
    image_size=256,
    keypoints=16,
    blocks=2,
    detector_blocks=(2, 4, 5),
    motion_blocks=(2, 4, 4),
    decoder_blocks=(3, 2),
    yuv420=True,
    width=2.0,
)

# Talking heads of anyone: 70 keypoints anchored on the face plus 10 unsupervised, for a CPU.
FACE128 = Configuration(
    name="face128", architecture="face", image_size=128, keypoints=80, yuv420=True
)
FACE256 = replace(FACE128, name="face256", image_size=256)

CONFIGURATIONS = {
    known.name: known
    for known in (PAPER64, PAPER64_BAIR, LITE128, LITE64, BASE256, FACE128, FACE256)
}


def configuration(name: str) -> Configuration:
    """Returns the configuration of that name; ValueError lists the names that exist."""
    if name not in CONFIGURATIONS:
        known = ", ".join(sorted(CONFIGURATIONS))
        raise ValueError(f"config: {name!r} is unknown (expected one of {known})")
    return CONFIGURATIONS[name]
