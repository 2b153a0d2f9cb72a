"""The commands, defined for typer. Each imports its dependencies when it runs, so help is quick."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from motioncast.cli.commands.bench import bench
from motioncast.cli.commands.bench_batching import bench_batching
from motioncast.cli.commands.bench_pipelines import bench_pipelines
from motioncast.cli.commands.bench_transport import bench_transport
from motioncast.cli.commands.certs import certs
from motioncast.cli.commands.delegates import PASS_ON, evaluate, export, models, paper, train
from motioncast.cli.commands.demo import demo
from motioncast.cli.commands.evaluate_stream import evaluate_stream
from motioncast.cli.commands.info import info
from motioncast.cli.commands.marks import marks
from motioncast.cli.commands.receive import receive
from motioncast.cli.commands.send import send
from motioncast.cli.commands.serve import serve
from motioncast.cli.commands.stream import stream
from motioncast.cli.door import connecting
from motioncast.cli.marking import marking

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"motioncast {version('motioncast')}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Forecast motion, cast video: send only the keypoints that cannot be forecast."""


app.command()(marking(demo))
app.command()(marking(connecting(stream)))
app.command()(serve)
app.command()(certs)
app.command()(connecting(send))
app.command()(marking(connecting(receive)))
app.command()(marks)
app.command()(connecting(info))
app.command()(bench)
app.command("bench-batching")(bench_batching)
app.command("bench-pipelines")(bench_pipelines)
app.command("bench-transport")(bench_transport)
app.command(context_settings=PASS_ON)(export)
app.command(context_settings=PASS_ON)(models)
app.add_typer(train, name="train")
evaluate.command("stream")(evaluate_stream)
app.add_typer(evaluate, name="evaluate")
app.add_typer(paper, name="paper")
