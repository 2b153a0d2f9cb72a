"""Rewrites a network to compute the same on a CPU with fewer or cheaper operators."""

from torch import nn

from motioncast.export.face import (
    ServedFaceDetector,
    ServedFaceRegistration,
    ServedFaceSynthesis,
)
from motioncast.export.folding import fold_batch_norms
from motioncast.export.lite.detector import ServedLiteDetector
from motioncast.export.lite.synthesis import ServedLiteSynthesis
from motioncast.export.wrappers import ServedDetector, ServedRegistration, ServedSynthesis
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.registration import Registration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.lite.detector import LiteKeypointDetector
from motioncast.models.lite.synthesis import LiteSynthesis


def cpu_network(reference: nn.Module) -> nn.Module:
    """Returns the network for a CPU: lite and face networks are rearranged, others only folded."""
    match reference:
        case ServedDetector(detector=LiteKeypointDetector() as detector):
            return ServedLiteDetector(detector)
        case ServedSynthesis(synthesis=LiteSynthesis() as synthesis):
            return ServedLiteSynthesis(synthesis)
        case ServedDetector(detector=FaceDetector() as detector):
            return ServedFaceDetector(detector)
        case ServedSynthesis(synthesis=FaceSynthesis() as synthesis):
            return ServedFaceSynthesis(synthesis)
        case ServedRegistration(registration=Registration() as registration):
            return ServedFaceRegistration(registration)
        case _:
            return fold_batch_norms(reference)
