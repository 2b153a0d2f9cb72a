"""The engines that run models, behind one small protocol, and what the services need from them.

async with OnnxRuntimeEngine(default_repository()) as engine:
    run = await engine.infer("face256_keypoint", {"image": images})
    run["keypoints"], run.seconds
"""

import os

# Unless this is set before it is imported, ONNX Runtime 1.32 and newer generates an identifier of
# the machine and keeps events for one of Microsoft's collectors.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from motioncast.inference.catalogue import Catalogue
from motioncast.inference.engine import (
    Engine,
    Inference,
    ModelMetadata,
    ModelState,
    Part,
    RepositoryEngine,
    TensorMetadata,
)
from motioncast.inference.measured import MeasuredEngine
from motioncast.inference.model_set import ModelSet, finds_faces
from motioncast.inference.onnx_runtime import OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.inference.providers import Provider
from motioncast.inference.repository import default_repository

__all__ = [
    "Catalogue",
    "Engine",
    "Inference",
    "MeasuredEngine",
    "ModelMetadata",
    "ModelSet",
    "ModelState",
    "OnnxRuntimeEngine",
    "OnnxRuntimeSettings",
    "Part",
    "Provider",
    "RepositoryEngine",
    "TensorMetadata",
    "default_repository",
    "finds_faces",
]
