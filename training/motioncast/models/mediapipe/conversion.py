"""Converts MediaPipe's TFLite files to weights of the networks here.

    python -m motioncast.models.mediapipe.conversion MODULES OUT

MODULES is the folder mediapipe/modules of the wheel mediapipe 0.10.14. OUT receives face_mesh.pt,
near_finder.pt, face_finder.pt and person_matte.pt, state dictionaries in float16, the precision of
the TFLite files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from motioncast.models.mediapipe.finder import FaceFinder
from motioncast.models.mediapipe.matte import PersonMatte
from motioncast.models.mediapipe.mesh import FaceMesh
from motioncast.models.mediapipe.near_finder import NearFinder
from motioncast.models.mediapipe.tflite import Operation, TfliteError, TfliteNetwork, read_tflite
from motioncast.models.mediapipe.weights import save_weights

MESH_FILE = "face_landmark/face_landmark_with_attention.tflite"
NEAR_FINDER_FILE = "face_detection/face_detection_short_range.tflite"
FINDER_FILE = "face_detection/face_detection_full_range_sparse.tflite"
MATTE_FILE = "selfie_segmentation/selfie_segmentation.tflite"

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.PReLU


class Weights:
    """The weights of a file, each of which is assigned to one layer."""

    def __init__(self, network: TfliteNetwork) -> None:
        self._network = network
        self._makers = {out: one for one in network.operations for out in one.outputs}
        self._taken: set[int] = set()  # outputs of operations

    def fill(self, *modules: nn.Module, outputs: tuple[str, ...]) -> None:
        """Assigns weights to the layers of some modules, in the layers' order: those of operations
        that lead to the given outputs and are not assigned yet, in the operations' order.

        Raises TfliteError if the two do not match.
        """
        layers = [layer for module in modules for layer in _layers(module)]
        wanted: set[int] = set()
        for name in outputs:
            if name not in self._network.outputs:
                raise TfliteError(
                    f"output {name} is unknown (expected one of {sorted(self._network.outputs)})"
                )
            self._lead_to(self._network.outputs[name], wanted)
        operations = [
            one
            for one in self._network.operations
            if one.kind in _LAYOUTS and one.outputs[0] in wanted
        ]
        if len(operations) != len(layers):
            raise TfliteError(
                f"{', '.join(outputs)}: {len(operations)} operations for {len(layers)} layers"
            )
        for layer, operation in zip(layers, operations, strict=True):
            _fill(layer, operation)
        self._taken |= wanted

    def _lead_to(self, tensor: int, found: set[int]) -> None:
        pending = [tensor]
        while pending:
            tensor = pending.pop()
            maker = self._makers.get(tensor)
            if maker is None or tensor in found or tensor in self._taken:
                continue
            found.add(tensor)
            pending += maker.inputs


def convert_mesh(path: Path) -> FaceMesh:
    """Reads face_landmark_with_attention.tflite; raises as `read_tflite`, and TfliteError."""
    mesh, weights = FaceMesh(), Weights(read_tflite(path))
    weights.fill(mesh.stem, mesh.early, mesh.late, mesh.mesh, outputs=("output_mesh_identity",))
    weights.fill(mesh.flag, outputs=("conv_faceflag",))
    weights.fill(mesh.lips, outputs=("output_lips",))
    for side, eye in (("left", mesh.left_eye), ("right", mesh.right_eye)):
        weights.fill(eye.features, eye.eye, outputs=(f"output_{side}_eye",))
        weights.fill(eye.iris, outputs=(f"output_{side}_iris",))
    return mesh.eval()


def convert_near_finder(path: Path) -> NearFinder:
    """Reads face_detection_short_range.tflite; raises as `read_tflite`, and TfliteError."""
    finder, weights = NearFinder(), Weights(read_tflite(path))
    weights.fill(finder, outputs=("classificators", "regressors"))
    return finder.eval()


def convert_finder(path: Path) -> FaceFinder:
    """Reads face_detection_full_range_sparse.tflite; raises as `read_tflite`, and TfliteError."""
    finder, weights = FaceFinder(), Weights(read_tflite(path))
    weights.fill(finder, outputs=("Identity_1", "Identity"))
    return finder.eval()


def convert_matte(path: Path) -> PersonMatte:
    """Reads selfie_segmentation.tflite; raises as `read_tflite`, and TfliteError."""
    matte, weights = PersonMatte(), Weights(read_tflite(path))
    weights.fill(matte, outputs=("activation_10",))
    return matte.eval()


def _layers(module: nn.Module) -> Iterator[Layer]:
    for part in module.modules():
        if isinstance(part, Layer):
            yield part


def _convolution(weight: Tensor) -> Tensor:
    return weight.permute(0, 3, 1, 2)  # out, height, width, in


def _depthwise(weight: Tensor) -> Tensor:
    return weight.permute(3, 0, 1, 2)  # 1, height, width, channels


def _slopes(weight: Tensor) -> Tensor:
    return weight.flatten()


_LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "Convolution2DTransposeBias": _depthwise,  # 1, height, width, in: there is one output channel
    "PRELU": _slopes,
}


@torch.no_grad()
def _fill(layer: Layer, operation: Operation) -> None:
    found = [torch.from_numpy(constant.copy()).float() for constant in operation.constants]
    found[0] = _LAYOUTS[operation.kind](found[0])
    expected = list(layer.parameters())  # the weight, and the bias of a convolution
    shapes = [tuple(value.shape) for value in found], [tuple(value.shape) for value in expected]
    if shapes[0] != shapes[1]:
        raise TfliteError(
            f"{operation.kind}: has weights of shape {shapes[0]} (expected {shapes[1]},"
            " as in the layer)"
        )
    for parameter, value in zip(expected, found, strict=True):
        parameter.copy_(value)


def main(
    modules: Annotated[Path, typer.Argument(help="The wheel's folder mediapipe/modules.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
) -> None:
    """Converts MediaPipe's TFLite files to PyTorch weights."""
    for name, convert, file in (
        ("face_mesh", convert_mesh, MESH_FILE),
        ("near_finder", convert_near_finder, NEAR_FINDER_FILE),
        ("face_finder", convert_finder, FINDER_FILE),
        ("person_matte", convert_matte, MATTE_FILE),
    ):
        save_weights(convert(modules / file), out / f"{name}.pt")


if __name__ == "__main__":
    typer.run(main)
