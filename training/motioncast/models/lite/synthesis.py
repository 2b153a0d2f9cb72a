"""The lite synthesis network: dense motion at 32x32, a warped source blended with a decoded image.

    output = mask * warp(source, flow) + (1 - mask) * decoded

The source is encoded once; everything in `decode` runs per driving frame. Only warping and blending
happen at full resolution, where memory traffic, not arithmetic, dominates the time.
Which planes are warped and how the final image is composed is defined in `lite.colours`.
Shapes: B sources, T driving frames for each, N = B * T, K keypoints; levels for 128x128 images.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.configurations import Configuration
from motioncast.models.dense_motion import compose_flow, start_from_background
from motioncast.models.geometry import (
    gaussians,
    identity_grid,
    pixel_centres,
    space_to_depth,
    warp,
    warp_frames,
)
from motioncast.models.lite.blocks import conv_bn_relu, depth_to_space_up, residuals
from motioncast.models.lite.colours import RgbSource, Yuv420Source
from motioncast.models.synthesis import Synthesis, SynthesisNetwork, repeat_frames


class EncodedSource(NamedTuple):
    """Everything computed once per source image."""

    colours: tuple[Tensor, ...]  # the planes to warp (lite/colours.py)
    features: Tensor  # (B, 48, 32, 32) warped for the decoder
    motion: Tensor  # (B, 32, 32, 32) the source's part of the dense motion's first layer
    copies: Tensor  # (B, K, 32, 32) one map per keypoint, shifted with it


class LiteSynthesis(SynthesisNetwork):
    """Source image and keypoints, driving keypoints -> driving images."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        keypoints, size = configuration.keypoints, configuration.image_size
        channels, blocks = configuration.channels, configuration.blocks
        painting32, painting64 = configuration.decoder_blocks or (blocks, blocks)
        c32, c48, c64 = channels(32), channels(48), channels(64)
        self.encoder64 = conv_bn_relu(12, c32)
        self.encoder32 = nn.Sequential(conv_bn_relu(c32, c48, stride=2), conv_bn_relu(c48, c48))
        self.to_motion = nn.Conv2d(c48, c32, 1)
        self.to_copies = nn.Conv2d(c48, keypoints, 1)
        self.dense_motion = LiteDenseMotion(configuration)
        self.colours = Yuv420Source(size) if configuration.yuv420 else RgbSource(size)
        self.decoder32 = nn.Sequential(
            conv_bn_relu(c48 + keypoints, c64), conv_bn_relu(c64, c64), *residuals(c64, painting32)
        )
        self.up64 = depth_to_space_up(c64, c32)
        self.decoder64 = nn.Sequential(*conv_bn_relu(c32 + 12, c32), *residuals(c32, painting64))
        self.to_rgb_and_mask = nn.Conv2d(c32, 16, 3, padding=1)
        _start_from_warped_source(self.to_rgb_and_mask)

    def encode(self, source: Tensor) -> EncodedSource:
        """Encodes source images (B, 3, S, S) in [0, 1], once for all their driving frames."""
        at32 = self.encoder32(self.encoder64(space_to_depth(source - 0.5, 2)))
        return EncodedSource(
            self.colours.prepare(source), at32, self.to_motion(at32), self.to_copies(at32)
        )

    def decode(self, encoded: EncodedSource, source: Tensor, driving: Tensor) -> Synthesis:
        """Synthesises T frames per source from its keypoints (B, K, 3) and driving (B, T, K, 3)."""
        frames = driving.shape[1]
        encoded = encoded._replace(
            motion=repeat_frames(encoded.motion, frames),
            copies=repeat_frames(encoded.copies, frames),
        )
        of_source, of_driving = repeat_frames(source, frames), driving.flatten(0, 1)
        moved, flow = self.dense_motion(encoded, of_source, of_driving)
        warped = self.colours.warp(encoded.colours, flow)
        features = warp_frames(encoded.features, flow)  # (N, 48, 32, 32)
        at32 = self.decoder32(torch.cat([features, moved], dim=1))
        at64 = torch.cat([self.up64(at32), space_to_depth(warped.image - 0.5, 2)], dim=1)
        painted = torch.sigmoid(self.to_rgb_and_mask(self.decoder64(at64)).float())
        painted = functional.pixel_shuffle(painted, 2)  # (N, 4, 128, 128)
        decoded, mask = painted[:, :3], painted[:, 3:]
        image = self.colours.blend(decoded, mask, warped)
        return Synthesis(image, warped.image + warped.detail, flow)


class LiteDenseMotion(nn.Module):
    """Estimates where in the source each pixel of the driving frame comes from, at 32x32."""

    centres: Tensor
    identity: Tensor

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        keypoints, side = configuration.keypoints, configuration.image_size // 4
        self.variance = configuration.gaussian_variance
        self.register_buffer("centres", pixel_centres(side), persistent=False)
        self.register_buffer("identity", identity_grid(side, side), persistent=False)
        channels, blocks = configuration.channels, configuration.blocks
        at32, at16, at8 = configuration.motion_blocks or (0, blocks, blocks)
        c32, c64 = channels(32), channels(64)
        self.first = nn.Conv2d(2 * keypoints, c32, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(c32)
        self.level16 = nn.Sequential(
            conv_bn_relu(c32, c64, stride=2), conv_bn_relu(c64, c64), *residuals(c64, at16)
        )
        self.level8 = nn.Sequential(
            conv_bn_relu(c64, c64, stride=2), conv_bn_relu(c64, c64), *residuals(c64, at8)
        )
        self.up16 = conv_bn_relu(c64, c64)
        self.up32 = conv_bn_relu(c64, c32)
        self.refine32 = nn.Sequential(*residuals(c32, at32))
        self.to_masks = nn.Conv2d(c32, keypoints + 1 + 2, 3, padding=1)
        start_from_background(self.to_masks)

    def forward(
        self, encoded: EncodedSource, source: Tensor, driving: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the movement (N, K, 32, 32) and the flow (N, 2, 32, 32).

        The movement of a keypoint is its driving Gaussian minus its source Gaussian, each with the
        keypoint's intensity as its height.
        """
        movement = self._heatmaps(driving) - self._heatmaps(source)
        shift = source[..., :2] - driving[..., :2]  # (N, K, 2)
        shifted = self._shift(encoded.copies, shift)
        first = self.first(torch.cat([movement, shifted], dim=1))
        at32 = functional.relu(self.normalise(first) + encoded.motion)
        at16 = self.level16(at32)
        up16 = self.up16(functional.interpolate(self.level8(at16), scale_factor=2.0)) + at16
        up32 = self.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        estimate = self.to_masks(self.refine32(up32)).float()
        return movement, compose_flow(estimate, shift, self.identity)

    def _heatmaps(self, keypoints: Tensor) -> Tensor:
        return gaussians(keypoints, self.centres, self.variance) * keypoints[..., 2, None, None]

    def _shift(self, maps: Tensor, shift: Tensor) -> Tensor:
        """Shifts every map (N, K, h, w) by its keypoint's displacement."""
        flow = self.identity + shift.flatten(0, 1)[:, :, None, None]  # (N * K, 2, h, w)
        return warp(maps.flatten(0, 1).unsqueeze(1), flow).view_as(maps)


def _start_from_warped_source(layer: nn.Conv2d) -> None:
    """Makes the untrained output mostly the warped source (sigmoid(2) = 0.88 of it)."""
    assert layer.bias is not None
    nn.init.constant_(layer.bias[12:], 2.0)
