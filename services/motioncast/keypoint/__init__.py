"""KeypointService: finds the keypoints of images."""

from motioncast.keypoint.service import registration

__all__ = ["registration"]
