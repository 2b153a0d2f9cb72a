"""The keypoint predictors, their registry and their file format."""
