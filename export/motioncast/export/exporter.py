"""Exports checkpoints to a model repository, comparing every model with PyTorch before writing it.

    network -> batch norms folded -> ONNX -> rollout over time -> checked -> compared -> written
                                            together with the ensembles built from them

Each arrow is a module of this package; this module only chains them.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto

from motioncast.codec.tables import CodecTables
from motioncast.codec.tables_file import FILE_NAME as CODEC_FILE
from motioncast.codec.tables_file import read_tables, write_tables
from motioncast.export.calibration import Calibration
from motioncast.export.ensemble_files import ensembles_around, write_ensembles
from motioncast.export.ensembles import EnsembleError
from motioncast.export.exportables import (
    Exportable,
    motion_transfer_exportables,
    predictor_exportable,
)
from motioncast.export.folding import fold_batch_norms
from motioncast.export.glue import LICENCE
from motioncast.export.graph import OPSET, check, finish, operators
from motioncast.export.parity import CASES, Agreement, Case, compare
from motioncast.export.precision import Conversion, Precision, conversion
from motioncast.export.repository import write_beside, write_model
from motioncast.export.rollout import roll_out, step_specification
from motioncast.export.sampling import draw_inputs
from motioncast.export.specification import ModelSpecification
from motioncast.export.translation import to_onnx
from motioncast.framing import FramingMode
from motioncast.models.checkpoint import CheckpointError, load_motion_transfer, resized
from motioncast.models.configurations import configuration
from motioncast.models.predictors.checkpoint import load_predictor


class ExportError(Exception):
    """The given checkpoints cannot be exported as the requested models; the message says why."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A model written to the repository."""

    name: str
    path: Path
    size_bytes: int
    opset: int
    operators: dict[str, int]
    agreement: dict[str, Agreement]  # by output


def export_models(
    config: str,
    repository: Path,
    *,
    synthesis: Path | None = None,
    predictor: Path | None = None,
    name: str | None = None,
    precision: Precision = "float32",
    calibration: Path | None = None,
    framing: FramingMode = FramingMode.OFF,
    codec: Path | None = None,
) -> tuple[ExportedModel, ...]:
    """Exports the models of one configuration from their checkpoints.

    Args:
        config: the configuration's name; the models are called `<config>_keypoint` and so on.
        repository: the folder to write to; created if absent.
        synthesis: checkpoint of keypoint detector and synthesis, if they are to be exported.
        predictor: checkpoint of the predictor, if it is to be exported.
        name: name of the models, if it is not to be `config`.
        precision: of the keypoint detector and synthesis network. The predictor always stays in
            float32; so does the face detector with int8, as its convolutions output coordinates.
        calibration: folder of training videos from which int8 ranges are calibrated.
        framing: how pictures should be framed for these models; written into the keypoint model's
            config.pbtxt, from which `motioncast stream` takes its default.
        codec: codec.json of a detector with the same keypoints, to be written next to this one.
            Without it, tables that are already there are kept.

    If the repository then holds both the keypoint and the synthesis model of that name, their
    ensembles are written too. Nothing is written unless every model agrees with PyTorch.

    Raises:
        ValueError: the configuration is unknown.
        ExportError: no checkpoint was given, one belongs to another configuration, or its networks
            do not fit the existing models of that name in the repository.
        FileNotFoundError, CheckpointError, PredictorCheckpointError: a checkpoint cannot be read.
        DamagedVideoError: a calibration clip cannot be read.
        TablesError: the codec tables are invalid.
        ParityError: a model does not agree with PyTorch; the message lists every mismatch.
    """
    if (precision == "int8") != (calibration is not None):
        raise ExportError(
            "calibration: a folder of training clips is needed for int8, and can be"
            " used only for int8"
        )
    tables = None if codec is None else _tables(codec, config, synthesis)
    found = read_checkpoints(
        config, synthesis=synthesis, predictor=predictor, name=name, framing=framing
    )
    clips = None
    if calibration is not None and synthesis is not None:
        size = configuration(config).image_size
        clips = Calibration(calibration, size, detector=found[0][0].reference)
    built = []
    for one, path in found:
        facts = {"config": config, "checkpoint_sha256": fingerprint(path)}
        keeps = one.rolled_out or not {"int8": one.in_integers, "float16": one.in_halves}.get(
            precision, True
        )
        wanted = None if keeps else conversion(precision, one.specification, clips)
        if wanted is not None:
            facts["precision"] = precision
        if precision == "float16" and not one.rolled_out:
            one = replace(one, translated=fold_batch_norms(one.reference))  # GPUs run GridSample
        built.append((one.specification, *build(one, facts, conversion=wanted)))
    try:
        rest = ensembles_around(
            name or config, repository, [specification for specification, *_ in built]
        )
    except EnsembleError as error:
        raise ExportError(f"ensembles: {error} (export all models of {name or config})") from error
    exported = tuple(_write(repository, *model) for model in built)
    if tables is not None:
        write_beside(repository, exported[0].name, CODEC_FILE, write_tables(tables))
    write_ensembles(repository, rest)
    return exported


def read_checkpoints(
    config: str,
    *,
    synthesis: Path | None = None,
    predictor: Path | None = None,
    name: str | None = None,
    framing: FramingMode = FramingMode.OFF,
) -> list[tuple[Exportable, Path]]:
    """Returns the given checkpoints' networks, each with its file; raises as `export_models`."""
    expected = configuration(config)
    found: list[tuple[Exportable, Path]] = []
    if synthesis is not None:
        networks = load_motion_transfer(synthesis)
        if networks.configuration != expected:
            try:
                networks = resized(networks, expected)
            except CheckpointError as error:
                raise ExportError(f"synthesis: {synthesis} {error}") from None
        found += [(one, synthesis) for one in motion_transfer_exportables(networks, name, framing)]
    if predictor is not None:
        network = load_predictor(predictor)
        if network.sizes.keypoints != expected.keypoints:
            raise ExportError(
                f"predictor: {predictor} forecasts {network.sizes.keypoints} keypoints"
                f" (expected {expected.keypoints}, as in {config!r})"
            )
        found.append((predictor_exportable(name or config, network), predictor))
    if not found:
        raise ExportError("export: no checkpoint given (synthesis, predictor or both)")
    return found


def build(
    exportable: Exportable,
    facts: dict[str, str],
    cases: tuple[Case, ...] = CASES,
    conversion: Conversion | None = None,
) -> tuple[ModelProto, dict[str, Agreement]]:
    """Translates and checks one model; returns it with its agreement. Raises ParityError."""
    specification, draw = exportable.specification, None
    if exportable.rolled_out:
        step = to_onnx(exportable.translated, step_specification(specification))
        model = roll_out(step, specification)
    else:
        model = to_onnx(exportable.translated, specification)
    if conversion is not None:
        model, draw = conversion.convert(model), conversion.draw
        specification = replace(specification, tolerances=conversion.tolerances)
    version = importlib.metadata.version("motioncast")
    finish(
        model,
        specification,
        {"name": specification.name, "version": version, "licence": LICENCE, **facts},
    )
    check(model)
    agreement = compare(
        model,
        exportable.reference,
        specification,
        draw or (lambda case: draw_inputs(specification, case)),
        cases,
    )
    return model, agreement


def _tables(codec: Path, config: str, synthesis: Path | None) -> CodecTables:
    """Returns the codec tables to be written next to the detector; raises as `export_models`."""
    if synthesis is None:
        raise ExportError("codec: tables belong to a detector (expected a synthesis checkpoint)")
    tables, expected = read_tables(codec), configuration(config).keypoints
    if tables.keypoints != expected:
        raise ExportError(
            f"codec: {codec} is for {tables.keypoints} keypoints"
            f" (expected {expected}, as in {config!r})"
        )
    return tables


def _write(
    repository: Path,
    specification: ModelSpecification,
    model: ModelProto,
    agreement: dict[str, Agreement],
) -> ExportedModel:
    path = write_model(repository, specification, model)
    return ExportedModel(
        name=specification.name,
        path=path,
        size_bytes=path.stat().st_size,
        opset=OPSET,
        operators=operators(model),
        agreement=agreement,
    )


def fingerprint(checkpoint: Path) -> str:
    """Returns the SHA-256 of a checkpoint, recorded in each model exported from it."""
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()
