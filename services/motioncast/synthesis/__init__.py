"""SynthesisService: moves a source image to driving keypoints."""

from motioncast.synthesis.service import registration

__all__ = ["registration"]
