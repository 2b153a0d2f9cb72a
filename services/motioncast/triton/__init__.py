"""The real Triton server, from the wheel on PyPI, in our process tree and under supervision.

async with EmbeddedTriton(TritonSettings(default_repository())) as triton:
    triton.address, triton.broken, triton.ready
"""

from motioncast.triton.embedded import EmbeddedTriton
from motioncast.triton.engine import TritonEngine
from motioncast.triton.settings import TritonSettings
from motioncast.triton.tls import TritonTls

__all__ = ["EmbeddedTriton", "TritonEngine", "TritonSettings", "TritonTls"]
