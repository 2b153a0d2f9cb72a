"""The files that stand in for Triton's native ONNX Runtime backend; see `model`."""
