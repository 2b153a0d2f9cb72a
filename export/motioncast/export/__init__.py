"""Trained networks -> checked ONNX files in a Triton model repository."""
