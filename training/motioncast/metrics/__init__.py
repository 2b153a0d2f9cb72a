"""Figures of merit on tensors that training and evaluation share.

`motioncast.quality` has those of frames, `motioncast.paper.metrics` those of the paper.
"""
