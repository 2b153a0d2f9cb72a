"""`python -m motioncast.export`: the export without the rest of the command line."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from motioncast.export.exporter import ExportedModel, ExportError, export_models
from motioncast.export.parity import ParityError
from motioncast.export.precision import PRECISIONS
from motioncast.framing import FramingMode
from motioncast.models.configurations import CONFIGURATIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports what the arguments name; returns the exit code, 1 when nothing was written."""
    options = _parser().parse_args(arguments)
    try:
        models = export_models(
            options.config,
            options.repository,
            synthesis=options.synthesis,
            predictor=options.predictor,
            name=options.name,
            precision=options.precision,
            calibration=options.calibration,
            framing=FramingMode(options.framing),
        )
    except (ExportError, ParityError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for model in models:
        print(describe(model))
    if options.json is not None:
        options.json.write_text(json.dumps(report(models), indent=2) + "\n", encoding="utf-8")
    return 0


def describe(model: ExportedModel) -> str:
    """Returns one line for people."""
    agreement = ", ".join(
        f"{output} within {agreement.largest:.2g}" for output, agreement in model.agreement.items()
    )
    return f"{model.path}: {model.size_bytes / 2**20:.1f} MiB, opset {model.opset}; {agreement}"


def report(models: Sequence[ExportedModel]) -> dict[str, list[dict[str, object]]]:
    """Returns the same and more as plain data, ready for JSON."""
    return {"models": [{**asdict(model), "path": str(model.path)} for model in models]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m motioncast.export",
        description="Turns checkpoints into a Triton model repository.",
    )
    parser.add_argument("--config", required=True, choices=sorted(CONFIGURATIONS))
    parser.add_argument("--synthesis", type=Path, help="checkpoint of detector and synthesis")
    parser.add_argument("--predictor", type=Path, help="checkpoint of the predictor")
    parser.add_argument("--name", help="of the models instead of the configuration's")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of detector and synthesis: float16 for GPUs, int8 for CPUs with VNNI or AMX",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="training videos, from which int8 takes its ranges",
    )
    parser.add_argument(
        "--framing",
        choices=[mode.value for mode in FramingMode],
        default=FramingMode.OFF.value,
        help="how pictures are framed for it unless told otherwise: auto for faces (default: off)",
    )
    parser.add_argument("--repository", type=Path, required=True, help="folder to write to")
    parser.add_argument("--json", type=Path, help="file for the result as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
