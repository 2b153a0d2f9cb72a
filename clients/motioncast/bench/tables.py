"""Benchmark results as tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from motioncast.bench.batching import BatchingResults
from motioncast.bench.measuring import Machine, Percentiles
from motioncast.bench.pipelines import PipelinesResult
from motioncast.bench.streams import BenchResult
from motioncast.bench.transport import Transport


def bench_tables(result: BenchResult) -> RenderableType:
    """Returns throughput, latency, and the machine on which both were measured."""
    return Group(_throughput(result), _latency(result), _setting(result))


def pipelines_table(result: PipelinesResult) -> RenderableType:
    """Returns both pipelines side by side on each engine, and the machine they were measured on."""
    title = f"{result.model}, {result.pixels}, {result.observed} observed : {result.predicted}"
    table = Table(title=f"{title} predicted; latency in ms, p50 and p95", title_justify="left")
    for column in ("engine", "streams", "pipeline"):
        table.add_column(column, no_wrap=True)
    for column in ("frames/s", "group", "p95", "first", "p95"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in result.results:
        group, first = one.group, one.first_frame
        table.add_row(
            one.engine,
            str(one.streams),
            one.pipeline,
            f"{one.frames_per_second:.1f}",
            *(f"{value:.0f}" for value in (group.p50_ms, group.p95_ms)),
            *(f"{value:.0f}" for value in (first.p50_ms, first.p95_ms)),
            end_section=one.pipeline == "ensemble",
        )
    return Group(table, _where(result.machine))


def batching_table(result: BatchingResults) -> RenderableType:
    """Returns calls/s and latency by model, callers and delay, and the machine."""
    table = Table(title="Dynamic batching on Triton", title_justify="left")
    for column in ("model", "callers", "max delay, us"):
        table.add_column(column)
    for column in ("calls/s", "p50, ms", "p95, ms"):
        table.add_column(column, justify="right")
    for one in result.results:
        table.add_row(
            one.model,
            str(one.callers),
            "no batching" if one.delay_us is None else str(one.delay_us),
            f"{one.calls_per_second:.1f}",
            *(f"{value:.1f}" for value in (one.latency.p50_ms, one.latency.p95_ms)),
        )
    return Group(table, _where(result.machine))


def transport_table(result: Transport) -> RenderableType:
    """Returns the milliseconds of both ways by size."""
    table = Table("bytes in, and out", "message, ms", "shared memory, ms", title=result.engine)
    table.caption = "median of the calls, with the fastest in brackets"
    for row in result.rows:
        table.add_row(
            f"{row.size:,}",
            f"{row.message_ms:.2f} ({row.least_message_ms:.2f})",
            f"{row.shared_ms:.2f} ({row.least_shared_ms:.2f})",
        )
    return table


def _throughput(result: BenchResult) -> RenderableType:
    title = f"{result.model}, {result.pixels}, {result.observed} observed : {result.predicted}"
    table = Table(title=f"{title} predicted, frames/s", title_justify="left")
    columns = ("streams", "whole gRPC path", "raw ONNX Runtime calls", "ratio", "per stream")
    for column in (*columns, "CPU ms/frame", "raw"):
        table.add_column(column, justify="right")
    for one in result.results:
        table.add_row(
            str(one.streams),
            f"{one.frames_per_second:.1f}",
            f"{one.raw_frames_per_second:.1f}",
            f"{one.ratio:.2f}",
            f"{one.frames_per_second / one.streams:.1f}",
            f"{one.cpu_ms_per_frame:.1f}",
            f"{one.raw_cpu_ms_per_frame:.1f}",
        )
    return table


def _latency(result: BenchResult) -> RenderableType:
    table = Table(title="Latency per group, ms", title_justify="left")
    for column in ("streams", "frames per group", "stage", "p50", "p95", "p99"):
        table.add_column(column, justify="right")
    for one in result.results:
        stages = {**one.latency, "first frame": one.first_frame}
        for line, (stage, values) in enumerate(stages.items()):
            about = (str(one.streams), f"{one.mean_group_frames:.1f}") if line == 0 else ("", "")
            table.add_row(*about, stage, *_cells(values), end_section=line == len(stages) - 1)
    return table


def _cells(values: Percentiles) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" for value in (values.p50_ms, values.p95_ms, values.p99_ms))


def _setting(result: BenchResult) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "inference",
        f"{result.intra_op_threads} threads each, {result.max_concurrent_runs} at once; also for"
        " the raw calls",
    )
    return Group(_where(result.machine), table)


def _where(machine: Machine) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("machine", f"{machine.processor}, {machine.cores} cores")
    table.add_row("load before", f"{machine.load_before:.1f} running processes")
    table.add_row("versions", f"ONNX Runtime {machine.onnxruntime}, gRPC {machine.grpcio}")
    table.add_row("clients", "in a separate process on the same machine, as fast as possible")
    return table
