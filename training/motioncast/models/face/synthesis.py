"""The synthesis network for faces: a source warped by geometry and network, painted where unseen.

    output = sharpened(mask * warp(restored source, flow) + (1 - mask) * painted)

The dense motion sees the source at 128x128 whatever the image's size, so its weights serve both
sizes; the painter works at a quarter and half of the side. The source is encoded once; which planes
are warped and how the final image is composed is defined in `lite.colours`.
Shapes: B sources, T driving frames for each, N = B * T, K keypoints, image side S, q = S / 4.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.configurations import Configuration
from motioncast.models.face.keypoints import GROUPS
from motioncast.models.face.motion import GRID, FaceMotion, Maps
from motioncast.models.face.restoration import Restoration
from motioncast.models.face.sharpening import Sharpening
from motioncast.models.geometry import space_to_depth, warp_frames
from motioncast.models.lite.blocks import conv_bn_relu, depth_to_space_up, residuals
from motioncast.models.lite.colours import FinerSource
from motioncast.models.synthesis import Synthesis, SynthesisNetwork, repeat_frames

LOOKED_AT = 128  # side of the source that the dense motion sees
KEPT = 2.0  # initial logit of the mask: sigmoid(2) = 0.88 of the warped source


class EncodedFace(NamedTuple):
    """Everything computed once per source image."""

    colours: tuple[Tensor, ...]  # the planes to warp (lite/colours.py)
    motion: Tensor  # (B, 48, 32, 32) for the dense motion
    features: Tensor  # (B, 48, q, q) warped for the painter


class FaceSynthesis(SynthesisNetwork):
    """Source image and keypoints, driving keypoints -> driving images."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        size = configuration.image_size
        self.reduce = size // LOOKED_AT
        self.restoration = Restoration()
        self.motion_encoder = _encoder()
        self.encoder = _encoder()
        self.dense_motion = FaceMotion(configuration.keypoints, 48, size // 2)
        self.colours = FinerSource(size, size // 2)
        self.sharpening = Sharpening(size)
        self.maps = Maps(size // 4)
        self.of_motion = nn.Conv2d(64, 32, 1)
        self.merge = conv_bn_relu(48 + 32 + 2 * len(GROUPS), 64)
        self.below = nn.Sequential(conv_bn_relu(64, 96, stride=2), *residuals(96, 2))
        self.up_quarter = depth_to_space_up(96, 64)
        self.at_quarter = nn.Sequential(*residuals(64, 1))
        self.up_half = depth_to_space_up(64, 32)
        self.at_half = nn.Sequential(*conv_bn_relu(32 + 12, 32), *residuals(32, 1))
        self.to_rgb_and_mask = nn.Conv2d(32, 16, 3, padding=1)
        assert self.to_rgb_and_mask.bias is not None
        nn.init.constant_(self.to_rgb_and_mask.bias[12:], KEPT)

    def encode(self, source: Tensor) -> EncodedFace:
        """Encodes source images (B, 3, S, S) in [0, 1], once for all their driving frames."""
        source = self.restoration(source)
        return EncodedFace(
            self.colours.prepare(source),
            self.motion_features(source),
            self.encoder(space_to_depth(source - 0.5, 2)),
        )

    def motion_features(self, source: Tensor) -> Tensor:
        """Returns what the dense motion sees of sources (B, 3, S, S): (B, 48, 32, 32)."""
        looked_at = functional.avg_pool2d(source, self.reduce) if self.reduce > 1 else source
        features: Tensor = self.motion_encoder(space_to_depth(looked_at - 0.5, 2))
        return features

    def decode(self, encoded: EncodedFace, source: Tensor, driving: Tensor) -> Synthesis:
        """Synthesises T frames per source from its keypoints (B, K, 3) and driving (B, T, K, 3)."""
        frames = driving.shape[1]
        of_source, of_driving = repeat_frames(source, frames), driving.flatten(0, 1)
        seen = repeat_frames(encoded.motion, frames)
        depth = repeat_frames(self.dense_motion.depth_of(encoded.motion, source), frames)
        motion = self.dense_motion(seen, depth, of_source, of_driving)
        warped = self.colours.warp(encoded.colours, motion.flow)
        features = warp_frames(encoded.features, self._small(motion.flow))  # (N, 48, q, q)
        guide = self.of_motion(motion.features)
        if features.shape[-1] > GRID:
            guide = functional.interpolate(guide, scale_factor=float(features.shape[-1] // GRID))
        maps = self.maps(of_driving)
        changed = maps - self.maps(of_source)
        quarter = self.merge(torch.cat([features, guide, maps, changed], dim=1))
        quarter = self.at_quarter(quarter + self.up_quarter(self.below(quarter)))
        planes = space_to_depth(warped.image - 0.5, 2)
        half = self.at_half(torch.cat([self.up_half(quarter), planes], dim=1))
        painted = torch.sigmoid(self.to_rgb_and_mask(half).float())  # (N, 16, S / 2, S / 2)
        painted = functional.pixel_shuffle(painted, 2)  # (N, 4, S, S)
        decoded, mask = painted[:, :3], painted[:, 3:]
        image = self.colours.blend(decoded, mask, warped)
        if not self.training:
            image = self.sharpening(image, motion.masks[:, 1:3].sum(1, keepdim=True))
        return Synthesis(image, warped.image + warped.detail, motion.flow, decoded)

    def _small(self, flow: Tensor) -> Tensor:
        """Returns the flow (N, 2, S / 2, S / 2) at a quarter of the side."""
        side = flow.shape[-1]
        corner = (side - 1) / (side - 2)  # the corners of the two grids differ by half a pixel
        return functional.avg_pool2d(flow, 2) * corner


def _encoder() -> nn.Sequential:
    """Builds the encoder of folded images (B, 12, S / 2, S / 2) to (B, 48, S / 4, S / 4)."""
    return nn.Sequential(conv_bn_relu(12, 32), conv_bn_relu(32, 48, stride=2), conv_bn_relu(48, 48))
