"""The lite networks rearranged for ONNX Runtime on a CPU: the same functions in cheaper operators.

Weights are reused, and convolutions are merged, split or reordered. Nothing is trained here, and
the parity check compares every export with the trained network.
"""
