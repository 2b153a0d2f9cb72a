"""The lite synthesis network as served: `LiteSynthesis`, from bytes to bytes.

The source is encoded, and its neighbourhoods listed, once for all of its driving frames.
Shapes: B sources, T driving frames for each, N = B * T, K keypoints, S image side, h = S / 4.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.export.folding import absorb, fold_batch_norms
from motioncast.export.lite.bilinear import hats, locate, neighbourhoods, sample_many
from motioncast.export.lite.detector import MIDDLE
from motioncast.export.lite.layers import depth_to_space, first_of, from_pixels, phases_first
from motioncast.export.lite.rendering import RenderingParts, RgbRenderer, Yuv420Renderer
from motioncast.models.geometry import gaussians, identity_grid
from motioncast.models.lite.colours import Yuv420Source
from motioncast.models.lite.synthesis import LiteDenseMotion, LiteSynthesis
from motioncast.models.synthesis import repeat_frames


class Movement(NamedTuple):
    """How the keypoints have moved."""

    heatmaps: Tensor  # (N, K, h, h) driving Gaussians minus the source's
    shift: Tensor  # (B, T, K, 2) from driving to source, in pixels of h


class ServedLiteSynthesis(nn.Module):
    """Source image, its keypoints (B, K, 3), driving (B, T, K, 3) -> uint8 (B, T, S, S, 3)."""

    def __init__(self, synthesis: LiteSynthesis) -> None:
        super().__init__()
        self.network = folded = fold_batch_norms(synthesis)
        encoder64 = from_pixels(first_of(folded.encoder64), scale=1 / 255)
        self.encoder64 = nn.Sequential(encoder64, nn.ReLU())
        self.motion = ServedLiteDenseMotion(folded.dense_motion)
        self.up64 = phases_first(first_of(folded.up64))
        fine = isinstance(folded.colours, Yuv420Source)
        renderer = Yuv420Renderer if fine else RgbRenderer
        features = self.up64.out_channels // 4
        self.renderer = renderer(
            RenderingParts(folded.colours, folded.decoder64, folded.to_rgb_and_mask, features)
        )

    def forward(
        self, source_image: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor
    ) -> Tensor:
        batch, frames = driving_keypoints.shape[:2]
        levels = source_image.permute(0, 3, 1, 2).float()
        at32 = self.network.encoder32(self.encoder64(levels - MIDDLE))
        tables = self.renderer.prepare(levels)
        movement = self.motion.movement(source_keypoints, driving_keypoints)
        flow = self.motion(movement, self.network.to_motion(at32), self.network.to_copies(at32))
        source = repeat_frames(torch.arange(batch).unsqueeze(1), frames).float()  # (N, 1)
        features = self._warp_features(at32, flow, source)  # (N, C, h, h)
        moved = self.network.decoder32(torch.cat([features, movement.heatmaps], dim=1))
        at64 = depth_to_space(torch.relu(self.up64(moved)))
        images: Tensor = self.renderer(tables, flow, source, at64)  # (N, S, S, 3) from 0 to 255
        return images.round().to(torch.uint8).view(batch, frames, *images.shape[1:])

    def _warp_features(self, features: Tensor, flow: Tensor, source: Tensor) -> Tensor:
        side = features.shape[-1]
        rows, weights = locate(flow + 1, side, source)
        table = neighbourhoods(features.permute(0, 2, 3, 1))
        samples = sample_many(table, rows, weights)  # (N, h * h, C)
        return samples.view(-1, side, side, samples.shape[-1]).permute(0, 3, 1, 2)


class ServedLiteDenseMotion(nn.Module):
    """Keypoints and source features -> flow (N, 2, h * h) in pixels of the h grid."""

    apart: Tensor
    identity: Tensor

    def __init__(self, folded: LiteDenseMotion) -> None:
        super().__init__()
        self.network = folded
        absorb(folded.first, folded.normalise)
        side = folded.centres.shape[0]
        self.pixels = (side - 1) / 2  # of the h grid, per unit of [-1, 1]
        index = torch.arange(side, dtype=torch.float32)
        self.register_buffer("apart", index[:, None] - index, persistent=False)  # (h, h)
        identity = (identity_grid(side, side) + 1) * self.pixels
        self.register_buffer("identity", identity.flatten(1), persistent=False)  # (2, h * h)

    def movement(self, source: Tensor, driving: Tensor) -> Movement:
        """Compares keypoints (B, K, 3) of sources with those (B, T, K, 3) of driving frames."""
        now = self._heatmaps(driving.flatten(0, 1)).view(*driving.shape[:3], *self.apart.shape)
        shift = (source[:, None, :, :2] - driving[..., :2]) * self.pixels
        return Movement((now - self._heatmaps(source).unsqueeze(1)).flatten(0, 1), shift)

    def forward(self, movement: Movement, of_source: Tensor, copies: Tensor) -> Tensor:
        """Takes the source's features (B, C, h, h) and one map per keypoint (B, K, h, h)."""
        shifted = self._shift(copies.unsqueeze(1), movement.shift).flatten(0, 1)  # (N, K, h, h)
        first = self.network.first(torch.cat([movement.heatmaps, shifted], dim=1))
        at32 = torch.relu(first + repeat_frames(of_source, movement.shift.shape[1]))
        at16 = self.network.level16(at32)
        at8 = self.network.level8(at16)
        up16 = self.network.up16(functional.interpolate(at8, scale_factor=2.0)) + at16
        up32 = self.network.up32(functional.interpolate(up16, scale_factor=2.0)) + at32
        up32 = self.network.refine32(up32)
        return self._flow(self.network.to_masks(up32).flatten(2), movement.shift.flatten(0, 1))

    def _heatmaps(self, keypoints: Tensor) -> Tensor:
        centres, variance = self.network.centres, self.network.variance
        return gaussians(keypoints, centres, variance) * keypoints[..., 2, None, None]

    def _shift(self, maps: Tensor, shift: Tensor) -> Tensor:
        along_x = hats(-shift[..., 0], self.apart)  # transposed, so the sign flips
        along_y = hats(shift[..., 1], self.apart)
        return along_y @ (maps @ along_x)

    def _flow(self, estimate: Tensor, shift: Tensor) -> Tensor:
        """Composes the flow from mask logits (background first) and a correction: `compose_flow`.

        One product yields both the weighted shifts and the sum of the masks; no softmax needed.
        """
        masks, correction = estimate[:, :-2], estimate[:, -2:]
        masks = torch.exp(masks - masks.amax(dim=1, keepdim=True))
        weights = functional.pad(shift.transpose(1, 2), (1, 0, 0, 0))  # (N, 2, K + 1)
        weights = functional.pad(weights, (0, 0, 0, 1), value=1.0)  # (N, 3, K + 1)
        moved = weights @ masks
        return moved[:, :2] / moved[:, 2:] + (correction * self.pixels + self.identity)
