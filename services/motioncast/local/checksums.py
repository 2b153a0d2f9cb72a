"""Writes or verifies the checksums of a model repository (`motioncast.inference.checksums`).

    python -m motioncast.local.checksums model_repository            rewrites them
    python -m motioncast.local.checksums model_repository --check    verifies them

A model without checksums passes: it is served, unverified.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from motioncast.codec.tables_file import FILE_NAME as CODEC_FILE
from motioncast.inference.checksums import FILE_NAME, verify, write_checksums
from motioncast.inference.repository import find_models
from motioncast.wire.errors import InvalidInputError


def main(
    repository: Annotated[Path, typer.Argument(help="path of the model repository")],
    check: Annotated[
        bool, typer.Option("--check", help="compare without writing anything")
    ] = False,
) -> None:
    """Write the checksums of a repository; with --check, exit with 1 if a model differs."""
    try:
        models = find_models(repository)
    except InvalidInputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error
    if not check:
        for name in models:
            write_checksums(repository / name)
        print(f"{repository}: wrote the {FILE_NAME} of {len(models)} models")
        return
    told = [_is_as_exported(name, file) for name, file in models.items()]
    if not all(told):
        raise typer.Exit(1)


def _is_as_exported(name: str, file: Path) -> bool:
    """Returns whether a model is what was exported, and prints the result."""
    try:
        verified = verify(file)
        for tables in file.parents[1].glob(CODEC_FILE):
            verify(tables)
    except InvalidInputError as error:
        print(error, file=sys.stderr)
        return False
    print(f"{name}: {'as exported' if verified else f'has no {FILE_NAME}'}")
    return True


if __name__ == "__main__":
    typer.run(main)
