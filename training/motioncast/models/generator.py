"""Monkey-Net's generator: the source's features, warped by the dense motion and decoded."""

from typing import Any

import torch
from torch import Tensor, nn

from motioncast.models.blocks import LEVELS, Decoder, Encoder, ResBlock
from motioncast.models.configurations import Configuration
from motioncast.models.dense_motion import DenseMotion, Movement
from motioncast.models.geometry import Resample, warp
from motioncast.models.synthesis import Synthesis, SynthesisNetwork, repeat_frames

REFINEMENTS = 4


class Generator(SynthesisNetwork):
    """Dense motion and generator; the source's encoder runs once per source."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        size, keypoints = configuration.image_size, configuration.keypoints
        self.encoder = Encoder(3)
        self.dense_motion = DenseMotion(configuration)
        self.movement = Movement(configuration)
        self.resample = nn.ModuleList(Resample(size, size >> level) for level in range(LEVELS + 1))
        self.decoder = Decoder(3, extra=keypoints)
        channels = self.decoder.channels_out
        self.refine = nn.Sequential(*(ResBlock(channels) for _ in range(REFINEMENTS)))
        self.last = nn.Conv2d(channels, 3, 1)

    def encode(self, source: Tensor) -> tuple[Tensor, ...]:
        """Returns the source (B, 3, S, S) and its features at five halved resolutions."""
        return tuple(self.encoder(source))

    def decode(self, encoded: Any, source: Tensor, driving: Tensor) -> Synthesis:
        frames = driving.shape[1]
        skips = [repeat_frames(skip, frames) for skip in encoded]
        of_source, of_driving = repeat_frames(source, frames), driving.flatten(0, 1)
        flow = self.dense_motion(skips[0], of_source, of_driving)  # (N, 2, S, S)
        movement = self.movement(of_source, of_driving)  # (N, K, S, S)
        warped = [
            warp(skip, resample(flow)) for skip, resample in zip(skips, self.resample, strict=True)
        ]
        maps = [
            torch.cat([skip, resample(movement)], dim=1)
            for skip, resample in zip(warped, self.resample, strict=True)
        ]
        image = torch.sigmoid(self.last(self.refine(self.decoder(maps))).float())
        return Synthesis(image, warped[0], flow)
