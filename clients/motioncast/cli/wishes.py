"""Warnings about what models of this process need and do not have."""

from __future__ import annotations

from pathlib import Path

from motioncast.framing import FINDER, FramingMode
from motioncast.media import shown


def unframed_sentence(models: Path | None, model: str) -> str | None:
    """Returns a sentence where a model wants framed pictures and no face finder is beside it.

    Args:
        models: Its repository; None for the one installed.
        model: Name of the configuration.

    Raises:
        InvalidInputError: There is no such repository.
    """
    from motioncast.inference import default_repository  # needs the [serve] extra
    from motioncast.inference.parameters import read_parameters
    from motioncast.inference.repository import find_models

    repository = models or default_repository()
    wish = read_parameters(repository, f"{model}_keypoint").get("framing", FramingMode.OFF)
    if wish == FramingMode.OFF or FINDER in find_models(repository):
        return None
    return (
        f"{model} wants pictures framed on the face, but {shown(repository)} has no {FINDER}:"
        " the centre of the picture is shown as it is."
    )
