"""Results as tables for a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from motioncast.cli.motion import motion_rows
from motioncast.cli.report import MeanQuality, Report
from motioncast.cli.traffic import (
    bit_rate,
    came_back_sentence,
    compared,
    keypoints_sentence,
    note,
    sent_sentence,
)
from motioncast.client import ServerInfo
from motioncast.media import shown


def stream_tables(report: Report) -> RenderableType:
    """Returns quality by origin, bandwidth and latency."""
    parts = [_quality(report), _facts(report)]
    if report.rivals:
        parts.append(_rivals(report))
    parts.append(_latency(report))
    parts += [Text(sentence, style="yellow") for sentence in report.advice]
    return Group(*parts)


def info_table(info: ServerInfo, target: str) -> RenderableType:
    """Returns what a server offers."""
    table = Table(title=f"motioncast {info.version} at {target}", title_justify="left")
    for column in ("model", "pixels", "keypoints", "framing"):
        table.add_column(column)
    for model in info.models:
        pixels = f"{model.width} x {model.height}"
        table.add_row(model.name, pixels, str(model.keypoints), model.framing)
    limits = Table.grid(padding=(0, 2))
    limits.add_row("largest group", f"{info.max_group_frames} observed, as many predicted")
    limits.add_row("largest message", f"{info.max_message_bytes:,} bytes")
    limits.add_row("sessions at once", f"{info.max_sessions}")
    limits.add_row("source images", f"{info.max_sources} in a session")
    return Group(table, limits)


def show_paths(console: Console, folder: Path, names: dict[str, str]) -> None:
    """Prints the paths of output files, with descriptions."""
    for name, what in names.items():
        # Never wrapped, so that paths can be copied.
        path = escape(shown(folder / name))
        console.print(f"  {path}  [dim]{what}[/]", soft_wrap=True, highlight=False)


def _quality(report: Report) -> RenderableType:
    table = Table(title="Frames", title_justify="left")
    table.add_column("origin")
    for column in ("frames", "PSNR", "copying the source", "gain", "SSIM"):
        table.add_column(column, justify="right")
    rows = (
        ("observed", "green", report.frames.observed, report.quality.observed),
        ("predicted", "yellow", report.frames.predicted, report.quality.predicted),
        ("concealed", "red", report.frames.concealed, report.quality.concealed),
        ("all", "", report.frames.total, report.quality.all),
    )
    for name, style, frames, quality in rows:
        if frames:
            table.add_row(name, str(frames), *_measures(quality), style=style)
    return table


def _measures(quality: MeanQuality | None) -> tuple[str, ...]:
    if quality is None:
        return ("-",) * 4
    gain = quality.psnr_db - quality.copied_source_psnr_db
    return (
        f"{quality.psnr_db:.2f} dB",
        f"{quality.copied_source_psnr_db:.2f} dB",
        f"{gain:+.2f} dB",
        f"{quality.ssim:.4f}",
    )


def _facts(report: Report) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("sent", sent_sentence(report))
    table.add_row("received", came_back_sentence(report))
    if len(report.source_frames) > 1:
        table.add_row("frames by source", ", ".join(map(str, report.source_frames)))
    table.add_row("raw video", f"{report.raw_frame_bytes:,} bytes")
    table.add_row("bit rate", f"{bit_rate(report.bits_per_second)} without the source image")
    if sentence := keypoints_sentence(report):
        table.add_row("keypoints", sentence)
    table.add_row("per frame sent", f"{report.bits_per_sent_frame:,.0f} bits")
    table.add_row("saved", f"{report.saved.against_raw_frames:.1%} compared with raw frames")
    table.add_row(
        "", f"{report.saved.against_all_keypoints:.1%} compared with sending all keypoints"
    )
    if report.delay is not None:
        table.add_row("delay", report.delay.sentence)
    table.add_row("throughput", f"{report.frames_per_second:.1f} frames/s")
    for name, figures in motion_rows(report.motion):
        table.add_row("motion", f"{figures}  {name}")
    if report.clock.sentence:
        table.add_row("clock", report.clock.sentence)
    table.add_row("sound", Text(report.sound))
    if report.quality.reason is not None:
        table.add_row("quality", report.quality.reason)
    return table


def _rivals(report: Report) -> RenderableType:
    table = Table(
        title="Bytes sent, compared with video codecs at the nearest quality", title_justify="left"
    )
    table.add_column("method")
    for column in ("bytes", "bit rate", "PSNR"):
        table.add_column(column, justify="right")
    for row in compared(report):
        table.add_row(
            row.name, f"{row.bytes:,}", bit_rate(row.bits_per_second), f"{row.psnr_db:.2f} dB"
        )
    return Group(table, Text(note(report), style="dim"))


def _latency(report: Report) -> RenderableType:
    table = Table(title="Latency, ms", title_justify="left")
    table.add_column("stage")
    for column in ("count", "p50", "p95", "p99"):
        table.add_column(column, justify="right")
    for stage in (one for one in report.latency if one.count):
        values = (stage.p50_ms, stage.p95_ms, stage.p99_ms)
        name = stage.stage.replace("_", " ")
        table.add_row(name, str(stage.count), *(f"{value:.1f}" for value in values))
    return table
