"""The interface of all synthesis networks: encode a source once, decode any number of frames."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn


class Synthesis(NamedTuple):
    """Synthesised frames (N = B * T of them), the deformed source and the flow that deformed it."""

    image: Tensor  # (N, 3, S, S) in [0, 1]
    warped: Tensor  # (N, 3, S, S)
    flow: Tensor  # (N, 2, h, w) where in the source each pixel comes from, in [-1, 1]
    painted: Tensor | None = None  # (N, 3, S, S) before blending with the warped source


class SynthesisNetwork(nn.Module, ABC):
    """Source image and keypoints, driving keypoints -> driving images."""

    @abstractmethod
    def encode(self, source: Tensor) -> tuple[Any, ...]:
        """Encodes source images (B, 3, S, S) in [0, 1], once for all their driving frames."""

    @abstractmethod
    def decode(self, encoded: Any, source: Tensor, driving: Tensor) -> Synthesis:
        """Synthesises T frames per source from its keypoints (B, K, 3) and driving (B, T, K, 3)."""

    def forward(self, source: Tensor, source_keypoints: Tensor, driving: Tensor) -> Tensor:
        """Returns images (B, T, 3, S, S) for driving keypoints (B, T, K, 3)."""
        image = self.decode(self.encode(source), source_keypoints, driving).image
        return image.reshape(-1, driving.shape[1], *image.shape[1:])


def repeat_frames(part: Tensor, frames: int) -> Tensor:
    """Repeats every batch entry for its T frames: (B, ...) -> (B * T, ...)."""
    return part.unsqueeze(1).expand(-1, frames, *part.shape[1:]).flatten(0, 1)
