"""Writes the glue models and ensembles of a configuration to a repository."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export.ensembles import ENSEMBLES, PARTS, ensembles_of, glue_models_of
from motioncast.export.glue import GlueModel
from motioncast.export.repository import read_config, write_ensemble, write_model
from motioncast.export.specification import ModelSpecification
from motioncast.export.triton import model_config


@dataclass(frozen=True, slots=True)
class Ensembles:
    """The glue models and ensembles that join the models of one configuration."""

    name: str  # the configuration's name
    glue_models: tuple[GlueModel, ...]
    ensembles: dict[str, ModelConfig]  # by name


def ensembles_around(
    name: str, repository: Path, exported: Iterable[ModelSpecification]
) -> Ensembles:
    """Returns the glue models and ensembles for models about to be written and those already there.

    Args:
        name: The configuration's name.
        repository: The repository's folder; may not exist yet.
        exported: The networks about to be written there.

    Raises:
        EnsembleError: The models do not fit one another.
        ValueError: A config.pbtxt in the repository cannot be read.
    """
    new = {one.name: model_config(one) for one in exported}
    networks = {
        part: config
        for part in PARTS
        if (config := new.get(f"{name}_{part}") or read_config(repository, f"{name}_{part}"))
    }
    glue_models = glue_models_of(name, networks)
    of_glue = {
        glue.specification.name.removeprefix(f"{name}_"): model_config(glue.specification)
        for glue in glue_models
    }
    return Ensembles(name, glue_models, ensembles_of(name, {**networks, **of_glue}))


def write_ensembles(repository: Path, rest: Ensembles) -> None:
    """Writes glue models, then ensembles, replacing older ones; each whole or not at all."""
    for glue in rest.glue_models:
        write_model(repository, glue.specification, glue.model)
    for ensemble in ENSEMBLES:
        if config := rest.ensembles.get(f"{rest.name}_{ensemble.part}"):
            write_ensemble(repository, ensemble.description, config)
