"""Runs the services and their monitoring under a light load until Ctrl-C.

    python deploy/observe.py [--rate 5] [--models FOLDER] [--clip FILE] [--without triton]

Prints the address of every program, and what is missing and why (`everything`). Traces are sent to
OTEL_EXPORTER_OTLP_ENDPOINT. If a program ends by itself, or is killed in order to trigger an alert,
that is reported and the rest keeps running. Exits with 0 after Ctrl-C or SIGTERM, with 1 if
something does not start.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from everything import Choices, Optional, Stack, running


async def observe(choices: Choices) -> int:
    """Runs everything until told to stop; returns the exit code."""
    started = asyncio.Event()
    told = asyncio.create_task(told_to_stop())
    watching = asyncio.create_task(watch(choices, started, told))
    await asyncio.wait({told, watching}, return_when=asyncio.FIRST_COMPLETED)
    if not started.is_set():
        watching.cancel()
    try:
        return await watching
    except asyncio.CancelledError:
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


async def watch(choices: Choices, started: asyncio.Event, told: asyncio.Task[None]) -> int:
    """Starts everything, prints the addresses and streams; returns the exit code."""
    print("starting the services ...", flush=True)
    async with running(choices) as stack:
        started.set()
        show(stack)
        return await until_told(stack, told)


def show(stack: Stack) -> None:
    """Prints the address of every program, and what is missing."""
    traces = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    lines = [
        *stack.places,
        *(("sessions at", target) for target in stack.orchestrators),
        ("rooms at", stack.relay),
        ("traces", traces or "not exported: OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        *((name, f"not running: {reason}") for name, reason in stack.missing),
        ("logs", str(stack.folder)),
    ]
    for name, what in lines:
        process = f"process {stack.running[name].pid}" if name in stack.running else ""
        print(f"  {name:<24} {what:<36} {process}".rstrip())
    print("press Ctrl-C to stop everything", flush=True)


async def until_told(stack: Stack, told: asyncio.Task[None]) -> int:
    """Streams until told to stop, reporting programs that end earlier; returns the exit code."""
    ends = {asyncio.create_task(one.wait()): name for name, one in stack.running.items()}
    loads = {asyncio.create_task(load): "a load" for load in stack.loads()}
    tasks: dict[asyncio.Task[Any], str] = {**ends, **loads}
    waiting: set[asyncio.Task[Any]] = {told, *tasks}
    while not told.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {told}:
            print(ended(stack, tasks[task], task), file=sys.stderr, flush=True)
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting)
    return 0


def ended(stack: Stack, name: str, task: asyncio.Task[Any]) -> str:
    """Returns the message about a program or load that ended by itself."""
    if name not in stack.running:
        return f"{name} ended: {task.exception()}"
    command = stack.commands[name]
    return (
        f"{name} exited with code {task.result()}; the rest keeps running. To start it"
        f" again:\n  {command}"
    )


async def told_to_stop() -> None:
    """Returns at Ctrl-C or SIGTERM."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    await stopped.wait()
    print("stopping ...", flush=True)


def main(
    rate: Annotated[float, typer.Option(min=0.1, help="Frames per second of each session.")] = 5.0,
    models: Annotated[
        Path | None, typer.Option(help="Model repository to serve. Default: the shipped one.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Video to stream. Default: the bundled interview.")
    ] = None,
    without: Annotated[
        list[Optional] | None, typer.Option(help="Program not to start; may be repeated.")
    ] = None,
) -> None:
    """Run the services and their monitoring under a light load until Ctrl-C."""
    left_out = tuple(one.value for one in without or ())
    raise typer.Exit(asyncio.run(observe(Choices(models, clip, rate, left_out))))


if __name__ == "__main__":
    typer.run(main)
