"""SynthesisService: animates a source image with driving keypoints."""

from motioncast.synthesis.service import registration

__all__ = ["registration"]
