"""Writes the documents' tables of figures (`make figures`).

    python -m figures                   rewrites the tables from docs/figures/measured/*.json
    python -m figures --measure         reruns the short benchmarks first, on this machine
    python -m figures bench_lite128     reruns the named benchmarks and evaluations first
    python -m figures quality_lite128_classic --data VIDEOS

Evaluations (`measuring.EVALUATIONS`) take minutes to hours and need folders of held-out videos.
"""

import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer

from figures.drawing import ROOT, documents, rewritten
from figures.measuring import BENCHMARKS, EVALUATIONS, evaluate, measure
from figures.tables import TABLES


def main(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Files to measure anew.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--measure", help="Rerun the benchmarks, which take minutes.")
    ] = False,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Videos of the evaluations, in folders.")
    ] = Path(),
    var: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="face256's autoregression, for its forecasts."),
    ] = None,
) -> None:
    """Rewrite the documents' tables of figures and print the names of changed documents."""
    usual = [name for name, one in BENCHMARKS.items() if short and not one.alone]
    named = [*usual, *(files or [])]
    for name in named:
        if name not in {*BENCHMARKS, *EVALUATIONS}:
            known = ", ".join([*BENCHMARKS, *EVALUATIONS])
            raise typer.BadParameter(f"{name!r} is none of {known}")
    try:
        measure([name for name in dict.fromkeys(named) if name in BENCHMARKS])
        given = {} if var is None else {"var": var.resolve()}
        evaluate([name for name in named if name in EVALUATIONS], data.resolve(), given)
    except KeyError as error:
        raise typer.BadParameter(f"--{error.args[0]} has to be given for these") from error
    except CalledProcessError as error:
        sys.exit(error.returncode)  # the command has printed the reason
    for page in documents():
        before = page.read_text("utf-8")
        if (after := rewritten(before, TABLES)) != before:
            page.write_text(after, "utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    typer.run(main)
