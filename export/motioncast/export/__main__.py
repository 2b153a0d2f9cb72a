"""`python -m motioncast.export`: runs the export on its own, without the `motioncast` command."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from motioncast.data.command_line import Failure, Program, Refusal
from motioncast.export.exporter import ExportedModel, ExportError, export_models
from motioncast.export.finder import add_finder
from motioncast.export.parity import ParityError
from motioncast.export.precision import Precision
from motioncast.framing import FramingMode
from motioncast.models.configurations import CONFIGURATIONS


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The checkpoints to export, and the models and repository to write."""

    config: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"configuration of the networks, one of {', '.join(CONFIGURATIONS)}",
        ),
    ]
    repository: Annotated[Path, typer.Option(help="model repository to write to")]
    synthesis: Annotated[Path | None, typer.Option(help="checkpoint of detector and synthesis")] = (
        None
    )
    predictor: Annotated[Path | None, typer.Option(help="checkpoint of the predictor")] = None
    name: Annotated[
        str | None, typer.Option(help="name of the models (default: that of the configuration)")
    ] = None
    precision: Annotated[
        Precision,
        typer.Option(
            help="precision of detector and synthesis: float16 for GPUs, int8 for CPUs"
            " with VNNI or AMX"
        ),
    ] = "float32"
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="folder of training videos to calibrate int8 ranges with"
        ),
    ] = None
    framing: Annotated[
        FramingMode,
        typer.Option(
            help="default framing of pictures for the models; auto for faces. Unless it is"
            " off, the shipped face_finder is copied into a repository without one"
        ),
    ] = FramingMode.OFF
    codec: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="codec.json of a detector with the same keypoints, to be copied"
        ),
    ] = None
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file to write the result to")
    ] = None


def run(options: ExportOptions, command: str) -> None:
    """Exports the requested models; raises Refusal or Failure if nothing was written."""
    if options.config not in CONFIGURATIONS:
        raise Refusal(
            f"--config: {options.config} is unknown (expected one of {', '.join(CONFIGURATIONS)})"
        )
    try:
        models = export_models(
            options.config,
            options.repository,
            synthesis=options.synthesis,
            predictor=options.predictor,
            name=options.name,
            precision=options.precision,
            calibration=options.calibration,
            framing=options.framing,
            codec=options.codec,
        )
        if options.framing is not FramingMode.OFF:
            add_finder(options.repository)
    except (ExportError, ParityError, OSError, ValueError) as error:
        raise Failure(str(error)) from error
    for model in models:
        print(describe(model))
    if options.json is not None:
        options.json.write_text(json.dumps(report(models), indent=2) + "\n", encoding="utf-8")


def describe(model: ExportedModel) -> str:
    """Returns a one-line summary of an exported model."""
    agreement = ", ".join(
        f"{output} within {agreement.largest:.2g}" for output, agreement in model.agreement.items()
    )
    return f"{model.path}: {model.size_bytes / 2**20:.1f} MiB, opset {model.opset}; {agreement}"


def report(models: Sequence[ExportedModel]) -> dict[str, list[dict[str, object]]]:
    """Returns everything known about the exported models as plain data, ready for JSON."""
    return {"models": [{**asdict(model), "path": str(model.path)} for model in models]}


main = Program("motioncast export", ExportOptions, run, "Turns checkpoints into Triton models.")


if __name__ == "__main__":
    main()
