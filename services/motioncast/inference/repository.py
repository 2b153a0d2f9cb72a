"""The model repository on disk: `<model>/<version>/model.onnx`, the layout that Triton uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import motioncast
from motioncast.inference.own_models import joined, user_models
from motioncast.wire.errors import InvalidInputError

ENVIRONMENT_VARIABLE: Final = "MOTIONCAST_MODEL_REPOSITORY"
FOLDER_NAME: Final = "model_repository"
FILE_NAME: Final = "model.onnx"


def default_repository() -> Path:
    """Returns the repository to serve when none is named.

    It is MOTIONCAST_MODEL_REPOSITORY if that is set, otherwise that of the checkout that the code
    runs from, otherwise the one in the installed package; the latter two are joined with the user's
    own models (`own_models`).

    Raises:
        InvalidInputError: There is none.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else joined(shipped_repository())


def own_repository() -> Path:
    """Returns where the user's own models are written, so that `default_repository` finds them."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else user_models()


def shipped_repository() -> Path:
    """Returns the repository that came with the code; InvalidInputError if there is none."""
    checkout = Path(__file__).resolve().parents[3]
    for root in (checkout, *map(Path, motioncast.__path__)):
        if (root / FOLDER_NAME).is_dir():
            return root / FOLDER_NAME
    raise InvalidInputError.of(
        "repository", f"no models were found; set {ENVIRONMENT_VARIABLE} to their folder"
    )


def find_models(repository: Path) -> dict[str, Path]:
    """Returns the file of each model's highest version, by name, in alphabetical order.

    Folders without a model file (those of Triton's ensembles) are skipped.

    Raises:
        InvalidInputError: The folder does not exist, or has no model in it.
    """
    if not repository.is_dir():
        raise InvalidInputError.of("repository", f"{repository} is not a folder")
    versions: dict[str, dict[int, Path]] = {}
    for file in repository.glob(f"*/*/{FILE_NAME}"):
        version = file.parent.name
        if version.isdecimal():
            versions.setdefault(file.parents[1].name, {})[int(version)] = file
    if not versions:
        raise InvalidInputError.of(
            "repository", f"{repository} contains no model (<model>/<version>/{FILE_NAME})"
        )
    return {name: files[max(files)] for name, files in sorted(versions.items())}
