"""`motioncast marks`: how a video or picture says it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def marks(
    file: Annotated[Path, typer.Argument(help="Video or picture to check.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="PEM file of the certificate authorities to trust. Default: none."
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the result to this JSON file.")
    ] = None,
) -> None:
    """Read the marks of synthetic media and check the signature; makes no network requests.

    The exit code is 0 if the file says that a model made it and no signature is broken, else 1.
    """
    import dataclasses

    from motioncast.cli.marks_lines import lines_of, verdict
    from motioncast.cli.output import write_json
    from motioncast.media import read_marks, shown

    found = read_marks(file, trust)
    passed, sentence = verdict(found)
    typer.echo(f"{shown(file)}: {sentence}")
    for line in lines_of(found):
        typer.echo(f"  {line}")
    if json is not None:
        write_json(json, {"synthetic": found.synthetic, **dataclasses.asdict(found)})
    if not passed:
        raise typer.Exit(1)
