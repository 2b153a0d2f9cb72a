"""The models of an engine, served over the published KServe v2 gRPC protocol.

tritonclient, perf_analyzer and `motioncast.inference.kserve` reach them as they reach Triton.
"""

from motioncast.model_server.service import registration

__all__ = ["registration"]
