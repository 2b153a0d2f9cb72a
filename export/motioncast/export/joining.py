"""Joints and ensembles around the models of a configuration, in a repository."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from motioncast.export.ensembles import ENSEMBLES, PARTS, ensembles_of, joints_of
from motioncast.export.joints import Joint
from motioncast.export.repository import read_config, write_ensemble, write_model
from motioncast.export.specification import ModelSpecification
from motioncast.export.triton import model_config


@dataclass(frozen=True, slots=True)
class Joined:
    """What joins the models of one configuration."""

    name: str  # the configuration's
    joints: tuple[Joint, ...]
    ensembles: dict[str, ModelConfig]  # by name


def joined(name: str, repository: Path, exported: Iterable[ModelSpecification]) -> Joined:
    """Returns what joins models about to be written, and those that are there, to ensembles.

    Args:
        name: The configuration's.
        repository: Where it is; may not exist yet.
        exported: Those of its networks that are about to be written there.

    Raises:
        EnsembleError: They do not fit one another.
        ValueError: A config.pbtxt in the repository cannot be read.
    """
    new = {one.name: model_config(one) for one in exported}
    networks = {
        part: config
        for part in PARTS
        if (config := new.get(f"{name}_{part}") or read_config(repository, f"{name}_{part}"))
    }
    joints = joints_of(name, networks)
    of_joints = {
        joint.specification.name.removeprefix(f"{name}_"): model_config(joint.specification)
        for joint in joints
    }
    return Joined(name, joints, ensembles_of(name, {**networks, **of_joints}))


def write_joined(repository: Path, rest: Joined) -> None:
    """Writes joints, then ensembles, each whole, in the place of older ones."""
    for joint in rest.joints:
        write_model(repository, joint.specification, joint.model)
    for ensemble in ENSEMBLES:
        if config := rest.ensembles.get(f"{rest.name}_{ensemble.part}"):
            write_ensemble(repository, ensemble.description, config)
