"""Runs models on another server over the published KServe v2 gRPC protocol.

async with KServeEngine(KServeSettings("localhost:8001")) as engine:
    run = await engine.infer("face256_keypoint", {"image": images})

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from motioncast.inference.kserve.engine import KServeEngine
from motioncast.inference.kserve.settings import KServeSettings

__all__ = ["KServeEngine", "KServeSettings"]
