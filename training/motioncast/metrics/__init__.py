"""Figures of merit on tensors, shared by training and evaluation.

Those of frames are in `motioncast.quality`, those of the paper in `motioncast.paper.metrics`.
"""
