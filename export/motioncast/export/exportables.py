"""The networks of checkpoints as models to export: interface, reference and what is translated."""

from dataclasses import dataclass, replace

from torch import nn

from motioncast.export import specification as interface
from motioncast.export.cpu_network import cpu_network
from motioncast.export.specification import ModelSpecification
from motioncast.export.wrappers import (
    ServedDetector,
    ServedPredictor,
    ServedRegistration,
    ServedStep,
    ServedSynthesis,
)
from motioncast.framing import FramingMode
from motioncast.models.configurations import Configuration
from motioncast.models.face.detector import FaceDetector
from motioncast.models.face.registration import Registration
from motioncast.models.face.synthesis import FaceSynthesis
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.recurrent import RecurrentPredictor


@dataclass(frozen=True, slots=True)
class Exportable:
    """A network ready to be exported."""

    specification: ModelSpecification
    reference: nn.Module  # the ONNX file must agree with it
    translated: nn.Module  # the module to translate: the reference, folded or not, or one step
    rolled_out: bool  # whether `translated` is one step
    in_integers: bool = True  # whether int8 applies to it; otherwise it stays in float32
    in_halves: bool = True  # the same for float16


def motion_transfer_exportables(
    networks: MotionTransfer,
    name: str | None = None,
    framing: FramingMode = FramingMode.OFF,
) -> tuple[Exportable, ...]:
    """Returns the keypoint and synthesis models, named after the configuration or `name`.

    Face networks have a registration model too.
    """
    named = replace(networks.configuration, name=name or networks.configuration.name)
    detector = ServedDetector(networks.detector)
    synthesis = ServedSynthesis(networks.synthesis)
    rest: tuple[Exportable, ...] = ()
    if isinstance(networks.synthesis, FaceSynthesis):
        rest = (_registration_exportable(named, networks.synthesis),)
    return (
        Exportable(
            interface.keypoint_specification(named, framing),
            reference=detector,
            translated=cpu_network(detector),
            rolled_out=False,
            in_integers=not isinstance(networks.detector, FaceDetector),
        ),
        Exportable(
            interface.synthesis_specification(named),
            reference=synthesis,
            translated=cpu_network(synthesis),
            rolled_out=False,
        ),
        *rest,
    )


def _registration_exportable(named: Configuration, synthesis: FaceSynthesis) -> Exportable:
    registration = ServedRegistration(Registration(synthesis))
    return Exportable(
        interface.registration_specification(named),
        reference=registration,
        translated=cpu_network(registration),
        rolled_out=False,
        in_integers=False,  # it solves equations for fractions of a pixel
        in_halves=False,
    )


def predictor_exportable(name: str, predictor: RecurrentPredictor) -> Exportable:
    """Returns the predictor model of the configuration `name`."""
    return Exportable(
        interface.predictor_specification(name, predictor),
        reference=ServedPredictor(predictor),
        translated=ServedStep(predictor),
        rolled_out=True,
    )
