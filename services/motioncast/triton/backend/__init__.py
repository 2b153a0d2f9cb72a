"""The files that replace Triton's native ONNX Runtime backend; see `model`."""
