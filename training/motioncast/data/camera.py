"""What a source suffers that the result should not show: the noise of its camera, and compression.

A network that copies its source also copies noise and the blocks of a codec, and moves them with
the head. If only the source is damaged, the loss asks for a clean picture.
"""

import io
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

NOISE_LEVELS = (0.7, 5.0)  # standard deviation of the noise, of 255; small values are more frequent
SMOOTHED = 0.5  # share of the noise that is smooth, as from a camera that reduces noise
QUALITIES: dict[Literal["AVIF", "JPEG"], tuple[int, int]] = {"AVIF": (45, 85), "JPEG": (50, 95)}
AVIF_SPEED = 9  # of 0 to 10: 7 ms a picture of 256x256, instead of 45


class Damage(NamedTuple):
    """What happens to one source."""

    noise: float = 0.0  # standard deviation in levels, of 255
    smoothed: bool = False
    coding: Literal["AVIF", "JPEG"] | None = None
    quality: int = 100
    seed: int = 0  # of the noise

    @property
    def visible(self) -> bool:
        """Whether anything happens at all."""
        return self.noise > 0 or self.coding is not None


def draw_damage(random: np.random.Generator, noisy: float, coded: float) -> Damage:
    """Draws the damage of a source, of which shares `noisy` and `coded` are noisy and coded."""
    lowest, highest = np.log(NOISE_LEVELS)
    noise = np.exp(random.uniform(lowest, highest)) if random.random() < noisy else 0.0
    coding: Literal["AVIF", "JPEG"] = "AVIF" if random.random() < 0.5 else "JPEG"
    quality = int(random.integers(*QUALITIES[coding], endpoint=True))
    smoothed = random.random() < SMOOTHED
    chosen = coding if random.random() < coded else None
    return Damage(noise, smoothed, chosen, quality, int(random.integers(2**32)))


def damaged(picture: Image.Image, damage: Damage) -> Image.Image:
    """Returns a picture with the noise of a camera, compressed and decoded again."""
    if damage.noise:
        levels = np.asarray(picture, np.float32)
        noise = _noise(levels.shape[:2], damage)
        picture = Image.fromarray((levels + noise).round().clip(0, 255).astype(np.uint8))
    if damage.coding is None:
        return picture
    file = io.BytesIO()
    speed = {"speed": AVIF_SPEED} if damage.coding == "AVIF" else {}
    picture.save(file, damage.coding, quality=damage.quality, **speed)
    return Image.open(file).convert("RGB")


def with_damage(image: Tensor, damage: Damage) -> Tensor:
    """Returns an image (3, S, S) in [0, 1], damaged; itself if nothing happens to it."""
    if not damage.visible:
        return image
    levels = image.permute(1, 2, 0).mul(255).round().to(torch.uint8)
    picture = np.array(damaged(Image.fromarray(levels.numpy()), damage))
    return torch.from_numpy(picture).permute(2, 0, 1).div(255)


def _noise(shape: tuple[int, ...], damage: Damage) -> npt.NDArray[np.float32]:
    """Returns noise (H, W, 3) in levels, half of its variance the same in all channels."""
    random = np.random.default_rng(damage.seed)
    grain = random.standard_normal((*shape, 3), np.float32)
    grain = (grain + random.standard_normal((*shape, 1), np.float32)) / np.float32(np.sqrt(2))
    if damage.smoothed:
        for axis in (0, 1):
            grain = np.float32(0.5) * grain + np.float32(0.25) * (
                np.roll(grain, 1, axis) + np.roll(grain, -1, axis)
            )
        grain /= grain.std()
    return np.float32(damage.noise) * grain
