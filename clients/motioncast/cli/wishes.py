"""Warnings about features that models in this process need and lack."""

from __future__ import annotations

from pathlib import Path

from motioncast.framing import FINDER, FramingMode
from motioncast.media import shown


def unframed_sentence(models: Path | None, model: str) -> str | None:
    """Returns a sentence if a model requires framed pictures and there is no face finder.

    Args:
        models: The model's repository; None for the installed one.
        model: Name of the configuration.

    Raises:
        InvalidInputError: The repository does not exist.
    """
    from motioncast.inference import default_repository  # needs the [serve] extra
    from motioncast.inference.parameters import read_parameters
    from motioncast.inference.repository import find_models

    repository = models or default_repository()
    wish = read_parameters(repository, f"{model}_keypoint").get("framing", FramingMode.OFF)
    if wish == FramingMode.OFF or FINDER in find_models(repository):
        return None
    return (
        f"{model} expects pictures framed on the face, but {shown(repository)} has no {FINDER}:"
        " the centre of the picture is used instead."
    )
