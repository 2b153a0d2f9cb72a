"""The face networks as served: detector and synthesis, from bytes to bytes.

They compute the same functions with cheaper operators, reusing those of `export.lite`. The source
is encoded, and its neighbourhoods listed, once for all of its driving frames.
Shapes: B sources, T driving frames for each, N = B * T, K keypoints, S image side, q = S / 4.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.export.anchored import ServedAnchored
from motioncast.export.folding import fold_batch_norms
from motioncast.export.lite.bilinear import SampleFew, locate, neighbourhoods, sample_many
from motioncast.export.lite.detector import MIDDLE, ServedLiteDetector
from motioncast.export.lite.layers import depth_to_space, first_of, from_pixels, phases_first
from motioncast.export.lite.rendering import FinerRenderer, RenderingParts
from motioncast.models.face.anchored import reduced
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.keypoints import ANCHORED
from motioncast.models.face.motion import CORRECTION, GRID, FaceMotion, FineGrid
from motioncast.models.face.registration import Registration
from motioncast.models.face.restoration import Restoration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.synthesis import repeat_frames


class ServedFaceDetector(nn.Module):
    """Images uint8 (N, S, S, 3) -> keypoints (N, K, 3)."""

    def __init__(self, detector: FaceDetector) -> None:
        super().__init__()
        self.anchored = ServedAnchored(detector.anchored)
        self.unsupervised = ServedLiteDetector(detector.unsupervised.detector)

    def forward(self, image: Tensor) -> Tensor:
        at128 = reduced(image.permute(0, 3, 1, 2).float())
        at64 = functional.avg_pool2d(at128, 2).permute(0, 2, 3, 1)
        return torch.cat([self.anchored(image, at128), self.unsupervised(at64)], dim=1)


class ServedFaceSynthesis(nn.Module):
    """Source image, its keypoints (B, K, 3), driving (B, T, K, 3) -> uint8 (B, T, S, S, 3)."""

    def __init__(self, synthesis: FaceSynthesis) -> None:
        super().__init__()
        self.network = folded = fold_batch_norms(synthesis)
        self.restoration = ServedRestoration(folded.restoration)
        self.motion_encoder = _from_pixels(folded.motion_encoder)
        self.encoder = _from_pixels(folded.encoder)
        self.motion = ServedFaceMotion(folded.dense_motion)
        self.up_quarter = phases_first(first_of(folded.up_quarter))
        self.up_half = phases_first(first_of(folded.up_half))
        features = self.up_half.out_channels // 4
        self.renderer = FinerRenderer(
            RenderingParts(folded.colours, folded.at_half, folded.to_rgb_and_mask, features)
        )

    def forward(
        self, source_image: Tensor, source_keypoints: Tensor, driving_keypoints: Tensor
    ) -> Tensor:
        batch, frames = driving_keypoints.shape[:2]
        network = self.network
        levels = self.restoration(source_image.permute(0, 3, 1, 2).float())
        centred = levels - MIDDLE
        reduced = functional.avg_pool2d(centred, network.reduce) if network.reduce > 1 else centred
        tables = self.renderer.prepare(levels)
        source = repeat_frames(torch.arange(batch).unsqueeze(1), frames).float()  # (N, 1)
        of_source = repeat_frames(source_keypoints, frames)
        of_driving = driving_keypoints.flatten(0, 1)
        displacement, guide, masks = self.motion(
            self.motion_encoder(reduced), source, source_keypoints, of_source, of_driving
        )
        side = displacement.shape[-1]
        corner = (side - 1) / (side - 2)  # FaceSynthesis: the corners of the two grids differ
        small = functional.avg_pool2d(displacement, 2) * corner
        features = _warped(self.encoder(centred), small, source)
        guide = network.of_motion(guide)
        if features.shape[-1] > GRID:
            guide = functional.interpolate(guide, scale_factor=float(features.shape[-1] // GRID))
        maps = network.maps(of_driving)
        changed = maps - repeat_frames(network.maps(source_keypoints), frames)
        quarter = network.merge(torch.cat([features, guide, maps, changed], dim=1))
        below = self.up_quarter(network.below(quarter))
        quarter = network.at_quarter(quarter + depth_to_space(torch.relu(below)))
        half = depth_to_space(torch.relu(self.up_half(quarter)))
        flow = (displacement + network.dense_motion.fine.identity + 1) * ((side - 1) / 2)
        images: Tensor = self.renderer(tables, flow.flatten(2), source, half)
        head = masks[:, 1:3].sum(1, keepdim=True)
        sharp = network.sharpening(images.permute(0, 3, 1, 2), head, white=255.0)
        images = sharp.permute(0, 2, 3, 1)
        return images.round().to(torch.uint8).view(batch, frames, *images.shape[1:])


class ServedFaceRegistration(nn.Module):
    """Source (1, S, S, 3), its keypoints (1, K, 3), images (N, S, S, 3), theirs -> (N, K, 3)."""

    def __init__(self, registration: Registration) -> None:
        super().__init__()
        folded = fold_batch_norms(registration.synthesis)
        self.reduce = folded.reduce
        self.motion_encoder = _from_pixels(folded.motion_encoder)
        self.view = registration.view
        self.motion = ServedFaceMotion(folded.dense_motion, self.view.grid)
        self.sample = SampleFew(3)

    def forward(
        self, source_image: Tensor, source_keypoints: Tensor, image: Tensor, keypoints: Tensor
    ) -> Tensor:
        levels = source_image.permute(0, 3, 1, 2).float()
        reduced = functional.avg_pool2d(levels, self.reduce) if self.reduce > 1 else levels
        source = torch.zeros_like(keypoints[:, :1, 0])  # (N, 1): every frame has the same one
        displacement, _, masks = self.motion(
            self.motion_encoder(reduced - MIDDLE),
            source,
            source_keypoints,
            source_keypoints.expand(keypoints.shape[0], -1, -1),
            keypoints,
        )
        table = neighbourhoods(self.view.planes(levels / 255).permute(0, 2, 3, 1))

        def warped(displacement: Tensor) -> Tensor:
            seen: Tensor = self.sample(table, *_located(displacement, source))
            return seen.view(-1, 3, *displacement.shape[2:])

        frames = image.permute(0, 3, 1, 2).float() / 255
        return self.view.aligned(keypoints, frames, displacement, masks[:, 3:], warped)


class ServedRestoration(nn.Module):
    """Source images (B, 3, S, S) from 0 to 255 -> the same, restored."""

    def __init__(self, restoration: Restoration) -> None:
        super().__init__()
        _, *rest = restoration.body
        self.body = nn.Sequential(from_pixels(first_of(restoration.body), scale=1 / 255), *rest)
        self.last = phases_first(restoration.last)

    def forward(self, levels: Tensor) -> Tensor:
        correction = depth_to_space(self.last(self.body(levels - MIDDLE)))
        restored: Tensor = (levels + 255 * correction).clamp(0, 255)
        return restored


class ServedFaceMotion(nn.Module):
    """Features and keypoints of sources, keypoints of both frames -> displacement, guide, masks.

    Features are (B, C, 32, 32); the outputs (N, 2, h, h), (N, 64, 32, 32), (N, parts, 32, 32).
    The displacement is computed on the network's grid of positions, or another one.
    """

    def __init__(self, folded: FaceMotion, grid: FineGrid | None = None) -> None:
        super().__init__()
        self.network = folded
        self.grid = folded.fine if grid is None else grid

    def forward(
        self,
        features: Tensor,
        source: Tensor,
        keypoints: Tensor,
        of_source: Tensor,
        of_driving: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        network, grid = self.network, self.grid
        head, face, parallax = grid.geometry(of_source, of_driving)
        coarse_head, coarse_face = grid.down(head), grid.down(face)
        depth = network.depth_of(features, keypoints)
        turn = _warped(depth, coarse_face, source) * parallax[..., None, None]
        coarse_head, coarse_face = coarse_head + turn, coarse_face + turn
        moved = _warped(features, coarse_face, source)
        shift = (of_source - of_driving)[:, ANCHORED:, :2]
        own = features.index_select(0, source.squeeze(1).long())
        seen = [own, moved, network.maps(of_source), network.maps(of_driving)]
        seen += [network.blobs(of_source), network.blobs(of_driving)]
        seen += [4 * coarse_head, 4 * coarse_face]
        refined = network.refined(torch.cat(seen, dim=1))
        estimate = network.to_masks(refined)
        masks = estimate[:, : network.parts].softmax(dim=1)
        plain = (shift.transpose(1, 2) @ masks[:, 3:].flatten(2)).view(-1, 2, GRID, GRID)
        plain = plain + CORRECTION * estimate[:, -2:] + (1 - masks[:, :1]) * turn
        upper = grid.up(torch.cat([masks[:, 1:3], plain], dim=1))
        displacement = upper[:, :1] * head + upper[:, 1:2] * face + upper[:, 2:]
        return displacement, refined, masks


def _from_pixels(encoder: nn.Sequential) -> nn.Sequential:
    """Returns an encoder that takes the image's own pixels, as levels around the middle one."""
    first, *rest = encoder
    return nn.Sequential(from_pixels(first_of(first), scale=1 / 255), nn.ReLU(), *rest)


def _warped(features: Tensor, displacement: Tensor, source: Tensor) -> Tensor:
    """Samples maps (B, C, h, h) at displacements (N, 2, h, h), given in half sides."""
    rows, weights = _located(displacement, source)
    samples = sample_many(neighbourhoods(features.permute(0, 2, 3, 1)), rows, weights)
    side = features.shape[-1]
    return samples.view(-1, side, side, samples.shape[-1]).permute(0, 3, 1, 2)


def _located(displacement: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the table rows of displaced positions and the weights of their taps (`locate`)."""
    side = displacement.shape[-1]
    index = torch.arange(side, dtype=torch.float32)
    identity = torch.stack([index.expand(side, side), index[:, None].expand(side, side)])
    places = identity + displacement * ((side - 1) / 2) + 1  # in pixels, from pixel -1
    return locate(places.flatten(2), side, source)
