"""Networks for faces: keypoints that mean the same on everybody, motion from geometry."""
