"""The lite networks rearranged for ONNX Runtime on a CPU: the same functions, cheaper operators.

A network's weights are taken over and its convolutions are merged, split or reordered; nothing is
trained here, and the parity check compares every export with the network that was trained.
"""
