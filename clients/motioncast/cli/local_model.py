"""A model configuration on this machine, described as a server would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from motioncast.cli.failures import CommandError
from motioncast.client import FramingMode, Model, ModelTables
from motioncast.codec import TablesError
from motioncast.codec.tables_file import FILE_NAME
from motioncast.framing import FINDER
from motioncast.media import shown
from motioncast.sources import parse_weights


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A local model configuration, and the codec tables of its keypoints."""

    repository: Path
    model: Model
    tables: ModelTables


def local_model(models: Path | None, name: str | None) -> LocalModel:
    """Returns a configuration of a repository; it must have square images and codec tables.

    Args:
        models: The repository; None for the installed one.
        name: Name of the configuration; None for the services' default.

    Raises:
        CommandError: It does not exist, or its keypoints cannot be coded.
        DomainError, MediaError, MissingExtraError: The repository cannot be read.
    """
    from motioncast.client.device import KeypointDetector
    from motioncast.inference import default_repository  # needs the [serve] extra
    from motioncast.inference.catalogue import SHIPPED
    from motioncast.inference.model_set import ANCHORED, parse_anchored
    from motioncast.inference.parameters import read_parameters
    from motioncast.inference.repository import find_models

    repository = models or default_repository()
    files = find_models(repository)
    offered = [one.removesuffix("_keypoint") for one in files if one.endswith("_keypoint")]
    if name is None and offered:
        name = SHIPPED if SHIPPED in offered else offered[0]
    if name is None or name not in offered:
        there = ", ".join(offered) or "none"
        raise CommandError(f"model: {name!r} is not in {shown(repository)}, which contains {there}")
    detector = KeypointDetector(files[f"{name}_keypoint"])
    if detector.height != detector.width:
        size = f"{detector.width} x {detector.height}"
        raise CommandError(f"model: {name} takes {size} pixels, but only square models can be sent")
    path = repository / f"{name}_keypoint" / FILE_NAME
    try:
        tables = ModelTables.of(path.read_bytes())
    except (OSError, TablesError) as error:
        problem = f"the codec tables of {name} cannot be read, and sending requires them"
        raise CommandError(f"model: {problem} ({error})") from error
    parameters = read_parameters(repository, f"{name}_keypoint")
    framing = parameters.get("framing", FramingMode.OFF)
    weights = read_parameters(repository, f"{name}_synthesis").get("source_weights", "")
    model = Model(
        name,
        detector.height,
        detector.width,
        detector.keypoints,
        FramingMode(framing) if FINDER in files else FramingMode.OFF,
        parse_weights(weights, detector.keypoints),
        tables.digest,
        parse_anchored(parameters.get(ANCHORED, "0"), detector.keypoints),
        registers=f"{name}_registration" in files,
    )
    return LocalModel(repository, model, tables)
