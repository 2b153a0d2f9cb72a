"""Sharpness of tensors, measured by the one ruler, `motioncast.quality.sharpness`.

Shapes: T frames, C colours, H x W pixels, both at least 2.
"""

from torch import Tensor

from motioncast.quality import sharpness as ruler


def mean_gradient(frames: Tensor) -> float:
    """Returns the mean length of the gradient of frames (T, C, H, W), per pixel's step."""
    return ruler.mean_gradient(frames.detach().cpu().numpy())


def sharpness(frames: Tensor, original: Tensor) -> float:
    """Returns the ratio of the mean gradients of frames and original, NaN where that is flat."""
    return ruler.sharpness(frames.detach().cpu().numpy(), original.detach().cpu().numpy())
