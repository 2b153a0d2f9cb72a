"""The models and ensembles that a repository offers to Triton."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.inference.checksums import verify
from motioncast.wire.errors import InvalidInputError

_CONFIG: Final = "config.pbtxt"


@dataclass(frozen=True, slots=True)
class Offer:
    """The models of a repository by name.

    Attributes:
        models: Models that run by themselves.
        ensembles: Models that run others.
        broken: Why the remaining ones cannot be loaded at all, by name.
    """

    models: tuple[str, ...]
    ensembles: tuple[str, ...]
    broken: dict[str, str]

    @property
    def loadable(self) -> tuple[str, ...]:
        """The models that the server can be asked to load."""
        return (*self.models, *self.ensembles)

    @property
    def names(self) -> tuple[str, ...]:
        """All models."""
        return (*self.loadable, *self.broken)


def read_offer(repository: Path) -> Offer:
    """Reads the configs of a repository, and verifies its models' checksums.

    Raises:
        InvalidInputError: The folder does not exist, or has no model in it.
    """
    if not repository.is_dir():
        raise InvalidInputError.of("repository", f"{repository} is not a folder")
    models: list[str] = []
    ensembles: list[str] = []
    broken: dict[str, str] = {}
    for folder in sorted(repository.iterdir()):
        if not (folder / _CONFIG).is_file():
            if any(folder.glob("*/model.onnx")):
                broken[folder.name] = f"it has no {_CONFIG}; `motioncast export` writes one"
            continue
        try:
            config = text_format.Parse((folder / _CONFIG).read_text(), ModelConfig())
        except (text_format.ParseError, UnicodeDecodeError) as error:
            broken[folder.name] = f"its {_CONFIG} cannot be read: {error}"
            continue
        try:
            for file in folder.glob("*/model.onnx"):
                verify(file)
        except InvalidInputError as error:
            broken[folder.name] = str(error)
            continue
        is_ensemble = config.platform == "ensemble" or config.HasField("ensemble_scheduling")
        (ensembles if is_ensemble else models).append(folder.name)
    if not (models or ensembles or broken):
        raise InvalidInputError.of("repository", f"{repository} contains no model")
    return Offer(tuple(models), tuple(ensembles), broken)
