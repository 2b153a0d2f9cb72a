"""The predictors of keypoints, their registry and the files that hold them."""
