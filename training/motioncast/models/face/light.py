"""The light on a face, which tints whatever is painted between its lips.

Of a mouth that the source shows closed, a network knows the colours that mouths have in the light
of its training data. On 83 people the ratios of a mouth's colour channels to its luma follow those
of the skin, with slopes of 0.8 to 1.0 between their logarithms. So the painter paints mouths as on
average skin, and

    painted = sigmoid(logits + strength * mouth * tint)
    tint = 2 (ratio - average) / (ratio + average)        nearly log(ratio / average)

which multiplies dark colours by the skin's ratio over the average's, to the power of `strength`,
learned for each channel. Shapes: B sources, T driving frames for each, N = B * T, K keypoints;
image side S.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from motioncast.models.face.keypoints import LOWER_LIP, MESH, UPPER_LIP
from motioncast.models.geometry import full_precision, gaussian_profiles, pixel_centres
from motioncast.models.lite.colours import LUMA
from motioncast.models.synthesis import repeat_frames

SKIN: Final = (50, 280, 168, 195, 4)  # points of the mesh on cheeks and nose
SEEN = 32  # side at which the skin's colour is measured
SPREAD = 0.06  # of the Gaussians on the skin and between the lips, in half sides
AVERAGE: Final = (1.271, 0.901, 0.790)  # channel / luma of the skin of 83 people
DARK = 0.02  # added to channels and luma: black has no colour
COLOURS, PHASES = 3, 4


class Light(nn.Module):
    """Measures a source's light, and says where in a frame it tints what is painted.

    Untrained it tints nothing, as for networks trained without it.
    """

    skin: Tensor
    upper: Tensor
    lower: Tensor
    small: Tensor
    large: Tensor
    luma: Tensor
    average: Tensor
    of_logits: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.reduce = size // SEEN
        self.strength = nn.Parameter(torch.zeros(COLOURS))
        for name, points in (("skin", SKIN), ("upper", UPPER_LIP), ("lower", LOWER_LIP)):
            indices = torch.tensor([MESH.index(point) for point in points])
            self.register_buffer(name, indices, persistent=False)
        self.register_buffer("small", pixel_centres(SEEN), persistent=False)
        self.register_buffer("large", pixel_centres(size // 2), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1), persistent=False)
        self.register_buffer("average", torch.tensor(AVERAGE), persistent=False)
        colours = torch.eye(COLOURS, COLOURS + 1).repeat_interleave(PHASES, dim=1)
        self.register_buffer("of_logits", colours, persistent=False)  # (3, 16): not the mask's

    def colours(self, source: Tensor) -> Tensor:
        """Returns what is looked at of source images (B, 3, S, S) in [0, 1]: (B, 3, 32, 32)."""
        return functional.avg_pool2d(source.float(), self.reduce)

    def forward(self, colours: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """Returns what to add to the painter's logits, (N, 16, S / 2, S / 2).

        Args:
            colours: (B, 3, 32, 32) of the sources, from `colours`.
            source: their keypoints (B, K, 3).
            driving: keypoints (N, K, 3) of their frames.
        """
        with full_precision(colours):
            tint = repeat_frames(self.tint(colours, source), driving.shape[0] // source.shape[0])
            tinted = (tint * self.strength) @ self.of_logits
            return tinted[..., None, None] * self.mouth(driving)

    def tint(self, colours: Tensor, keypoints: Tensor) -> Tensor:
        """Returns the tint (B, 3) of the light on sources with keypoints (B, K, 3).

        It is 0 where there is no face.
        """
        skin = keypoints.float().index_select(1, self.skin)
        along_x, along_y = gaussian_profiles(skin, self.small, SPREAD**2)
        places = (along_y.transpose(1, 2) @ along_x).flatten(1).unsqueeze(1)  # (B, 1, 32 * 32)
        planes = torch.cat([colours.flatten(2), torch.ones_like(places)], dim=1)
        sums = places @ planes.transpose(1, 2)  # (B, 1, 4)
        colour = sums[..., :COLOURS] / (sums[..., COLOURS:] + DARK)
        ratio = ((colour + DARK) / (colour @ self.luma + DARK)).squeeze(1)
        presence = skin[..., 2].mean(1, keepdim=True)
        tint: Tensor = presence * 2 * (ratio - self.average) / (ratio + self.average)
        return tint

    def mouth(self, keypoints: Tensor) -> Tensor:
        """Returns maps (N, 1, S / 2, S / 2), 1 between the lips of keypoints (N, K, 3), else 0."""
        points = keypoints.float()[..., :2]
        upper, lower = points.index_select(1, self.upper), points.index_select(1, self.lower)
        between = torch.cat([(2 * upper + lower) / 3, (upper + 2 * lower) / 3], dim=1)
        along_x, along_y = gaussian_profiles(between, self.large, SPREAD**2)
        return (along_y.transpose(1, 2) @ along_x).unsqueeze(1).clamp(max=1.0)
