"""All results of an experiment as one JSON object, with the information to reproduce it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from motioncast.evaluate.provenance import provenance
from motioncast.paper.entrants import Entrant
from motioncast.paper.experiment import ModeResult
from motioncast.paper.report import Findings
from motioncast.paper.summary import FrameLine, Section


def as_json(
    findings: Findings,
    curves: Sequence[FrameLine],
    results: Sequence[ModeResult],
    entrants: Sequence[Entrant],
    synthesis: Path,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the object; `options` are the command's, `synthesis` is the checkpoint."""
    checkpoints = [entrant.checkpoint for entrant in entrants if entrant.checkpoint]
    return {
        "command": findings.command,
        "protocol": asdict(findings.protocol),
        "options": {
            name: _plain(value) for name, value in sorted(options.items()) if name != "cache"
        },
        "initialisations": {entrant.name: entrant.seed for entrant in entrants},
        **provenance([synthesis, *checkpoints]),
        "notes": list(findings.notes),
        "clips": list(findings.clips),
        "sources": {result.mode: list(result.sources) for result in results},
        "summary": [asdict(line) for line in findings.lines],
        "tests": [asdict(verdict) for verdict in findings.verdicts],
        "per_frame": _columns(curves),
        "per_initialisation": {
            section.mode: _per_initialisation(section) for section in findings.sections
        },
        "latents": [asdict(found) for found in findings.latents],
        "latent_paths": [
            {**asdict(picture), "coordinates": picture.coordinates.tolist()}
            for picture in findings.pictures
        ],
    }


def _columns(curves: Sequence[FrameLine]) -> dict[str, list[Any]]:
    rows = [asdict(curve) for curve in curves]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _per_initialisation(section: Section) -> dict[str, dict[str, list[float | None]]]:
    return {
        measure: {
            kind: [
                None if np.isnan(value) else value
                for value in section.per_initialisation(measure, kind, "all").tolist()
            ]
            for kind in section.kinds()
        }
        for measure in (*section.values, *section.singles)
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
