"""PredictorService: forecasts the keypoints of frames that were not sent."""

from motioncast.predictor.service import registration

__all__ = ["registration"]
