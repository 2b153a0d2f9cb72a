"""Tables of chaos tests, soak tests, fuzzing and capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from figures.drawing import Column, Drawing, read, table

CHAOS, SOAK, FUZZ, CAPACITY = "chaos", "soak_lite128", "fuzz", "capacity_lite128"


def part(file: str, key: str, text: int, columns: Sequence[Column]) -> Drawing:
    """Returns a table of the list under a key of a file; the first `text` columns hold words."""

    def draw() -> str:
        lines = [
            [_cell(row.get(column.name), column.form) for column in columns]
            for row in read(file)[key]
        ]
        return table([column.head for column in columns], lines, text)

    return Drawing((file,), draw)


def _cell(value: Any, form: str) -> str:
    if value is None:  # missing from a run that was interrupted
        return ""
    return form.format(" -> ".join(map(str, value)) if isinstance(value, list) else value)


OPERATIONS: Final = {
    "chaos": part(
        CHAOS,
        "rows",
        1,
        (
            Column("fault", "fault", "`{}`"),
            Column("times", "times", "{}"),
            Column("a session ran again after, median, s", "median_s", "{:.1f}"),
            Column("longest, s", "longest_s", "{:.1f}"),
        ),
    ),
    "soak": part(
        SOAK,
        "rows",
        1,
        (
            Column("model", "model", "{}"),
            Column("minutes", "minutes", "{:.0f}"),
            Column("of which warming up", "warm_minutes", "{:.1f}"),
            Column("sessions", "sessions", "{:,}"),
            Column("slope, MiB a minute", "mib_per_minute", "{:+.3f}"),
            Column("from", "low", "{:+.3f}"),
            Column("to (95 %)", "high", "{:+.3f}"),
            Column("resident, MiB: first", "first_mib", "{:.0f}"),
            Column("last", "last_mib", "{:.0f}"),
            Column("descriptors", "descriptors", "{}"),
            Column("threads", "threads", "{}"),
        ),
    ),
    "fuzz": part(
        FUZZ,
        "rows",
        2,
        (
            Column("target", "target", "{}"),
            Column("engine", "engine", "{}"),
            Column("processor time, s", "cpu_seconds", "{:.0f}"),
            Column("inputs", "inputs", "{:,}"),
            Column("taken", "accepted", "{:,}"),
            Column("slowest, ms", "slowest_ms", "{:.0f}"),
            Column("edges covered", "edges", "{:,}"),
            Column("findings", "findings", "{}"),
        ),
    ),
    "capacity_cores": part(
        CAPACITY,
        "rows",
        1,
        (
            Column("M:N", "pattern", "{}"),
            Column("frames/s of a core", "frames_per_core", "{:.1f}"),
            Column("sessions of 25 frames/s for a core, 70 % busy", "sessions_per_core", "{:.2f}"),
        ),
    ),
    "capacity_memory": part(
        CAPACITY,
        "memory",
        0,
        (
            Column("a process, MiB", "base_mib", "{:.0f}"),
            Column("per additional session, MiB", "session_mib", "{:.2f}"),
        ),
    ),
    "capacity_network": part(
        CAPACITY,
        "network",
        2,
        (
            Column("a client sends", "sends", "{}"),
            Column("and gets", "gets", "{}"),
            Column("up, kbit/s", "up_kbit_s", "{:,.1f}"),
            Column("down, kbit/s", "down_kbit_s", "{:,.0f}"),
            Column("source, bytes once", "source_bytes", "{:,}"),
        ),
    ),
    "capacity_checked": part(
        CAPACITY,
        "checked",
        1,
        (
            Column("quantity, in a run not used for the fit", "what", "{}"),
            Column("predicted", "predicted", "{:.1f}"),
            Column("measured", "measured", "{:.1f}"),
            Column("error", "error", "{:+.1%}"),
        ),
    ),
    "capacity_paper": part(
        CAPACITY,
        "paper",
        1,
        (
            Column("M:N", "pattern", "{}"),
            Column("cores", "cores", "{:,.0f}"),
            Column("memory of sessions, GiB", "memory_gib", "{:.0f}"),
            Column("up, Gbit/s", "up_gbit_s", "{:.2f}"),
            Column("down as JPEG, Gbit/s", "down_jpeg_gbit_s", "{:.1f}"),
            Column("as H.264", "down_h264_gbit_s", "{:.1f}"),
        ),
    ),
}
