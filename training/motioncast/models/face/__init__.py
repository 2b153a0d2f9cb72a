"""Networks for faces: keypoints with the same meaning on everyone, motion from geometry."""
