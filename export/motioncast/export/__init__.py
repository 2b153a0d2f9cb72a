"""Turns trained networks into checked ONNX files in a Triton model repository."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as in motioncast.inference
