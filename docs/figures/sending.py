"""Tables of `motioncast evaluate sending` and `evaluate loss`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from figures.drawing import Content, Drawing, read, table

# Loss rate and mean burst length (None: independent losses) of each column.
LINKS: Final = ((0.05, None), (0.2, None), (0.4, None), (0.05, 4.0), (0.2, 4.0), (0.4, 4.0))
SCHEMES: Final = (
    "chain",
    "adaptive",
    "adaptive, some",
    "acknowledged",
    "source",
    "gate",
    "gate, some",
    "gate, twice",
)


def sent(files: Mapping[str, str], lines: Sequence[Mapping[str, Any]]) -> Drawing:
    """Returns a table of sending rates: the same rows from every file, grouped by clips.

    Args:
        files: Files by the name of their clips.
        lines: Values that select a row: policy, forecast, delay_frames, wait_frames.
    """

    def draw() -> str:
        head = ["clips", "policy", "forecast", "delay, frames", "waits, frames", "frames sent"]
        head += ["error px", "largest px", "kbit/s payload", "with headers", "with UDP/IP"]
        rows = []
        for clips, file in files.items():
            for number, line in enumerate(lines):
                row = _row(file, line)
                rows.append(
                    [
                        clips if number == 0 else "",
                        row["policy"],
                        row["forecast"],
                        str(row["delay_frames"]),
                        str(row["wait_frames"]),
                        f"{row['frames_sent']:.2f}",
                        f"{row['error_pixels']:.3f}",
                        f"{row['largest_error_pixels']:.2f}",
                        f"{row['payload_kbits']:.2f}",
                        f"{row['headers_kbits']:.2f}",
                        f"{row['wire_kbits']:.2f}",
                    ]
                )
        return table(head, rows, 3)

    return Drawing(tuple(files.values()), draw)


def losses(files: Mapping[str, str], delays: Sequence[int] = (0, 2)) -> Drawing:
    """Returns a table of the effect of losses: error relative to no loss, one column per link."""

    def draw() -> str:
        head = ["clips", "scheme", "delay, frames", "bits, times", "error px"]
        head += [f"{100 * loss:.0f} % {'burst' if burst else 'random'}" for loss, burst in LINKS]
        rows = []
        for clips, file in files.items():
            measured = {row["scheme"] for row in read(file)["rows"]}
            lines = [
                _of_scheme(file, scheme, delay)
                for scheme in SCHEMES
                if scheme in measured
                for delay in delays
            ]
            rows += [[clips if n == 0 else "", *line] for n, line in enumerate(lines)]
        return table(head, rows, 2)

    return Drawing(tuple(files.values()), draw)


def _of_scheme(file: str, scheme: str, delay: int) -> list[str]:
    by: dict[str, Any] = {"scheme": scheme, "delay_frames": delay}
    clean, bits = (_row(file, {**by, "loss": loss, "mean_burst": None}) for loss in (0.0, 0.2))
    figures = [str(delay), f"{bits['bits_times']:.2f}", f"{clean['error_pixels']:.3f}"]
    for loss, burst in LINKS:
        having = {**by, "loss": loss, "mean_burst": burst}
        found = [row for row in read(file)["rows"] if _has(row, having)]
        figures.append(f"{found[0]['times']:.2f}" if found else "")
    return [scheme, *figures]


def _row(file: str, having: Mapping[str, Any]) -> Content:
    """Returns the row of a file with these values; raises KeyError if there is none."""
    for row in read(file)["rows"]:
        if _has(row, having):
            found: Content = row
            return found
    raise KeyError(f"{file}: has no row of {dict(having)}")


def _has(row: Content, having: Mapping[str, Any]) -> bool:
    return all(row[name] == value for name, value in having.items())
