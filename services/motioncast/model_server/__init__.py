"""Serves the models of an engine over the published KServe v2 gRPC protocol.

tritonclient, perf_analyzer and `motioncast.inference.kserve` use it as they use Triton.
"""

from motioncast.model_server.service import registration

__all__ = ["registration"]
