"""PredictorService: forecasts the keypoints that were not sent."""

from motioncast.predictor.service import registration

__all__ = ["registration"]
