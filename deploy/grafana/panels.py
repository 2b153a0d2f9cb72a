"""A panel of a dashboard, and the queries that panels ask.

Every query goes to the instances and the models chosen above the panels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MODEL: Final = 'model=~"$model"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        kind: Grafana's name: "stat", "timeseries", "heatmap" or "table".
        title, says: Its name, and what it shows.
        queries: PromQL and legend of each.
        unit: Grafana's name of it.
        width, height: In Grafana's grid of 24 columns.
        thresholds: Where it becomes yellow and red; falling ones where less is worse.
        options: Of the field beside the unit.
    """

    kind: str
    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    width: int = 8
    height: int = 8
    thresholds: tuple[float, float] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def stat(
    title: str,
    says: str,
    query: str,
    unit: str = "short",
    thresholds: tuple[float, float] | None = None,
    **options: Any,
) -> Panel:
    return Panel("stat", title, says, ((query, ""),), unit, 4, 4, thresholds, options)


def series(
    title: str,
    says: str,
    *queries: tuple[str, str],
    unit: str = "short",
    thresholds: tuple[float, float] | None = None,
    **options: Any,
) -> Panel:
    return Panel("timeseries", title, says, queries, unit, 8, 8, thresholds, options)


def heat(title: str, says: str, bucket: str, unit: str = "s") -> Panel:
    query = f"sum by (le) (increase({bucket}[$__rate_interval]))"
    return Panel("heatmap", title, says, ((query, "{{le}}"),), unit)


def rate(metric: str, *labels: str, by: str = "") -> str:
    """Returns the sum of a counter's rate, of the chosen instances."""
    chosen = ",".join(('instance=~"$instance"', *labels))
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}{{{chosen}}}[$__rate_interval]))"


def quantile(q: float, histogram: str, *labels: str, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {rate(f'{histogram}_bucket', *labels, by=grouped)})"


def gauge(metric: str, *labels: str, by: str = "", how: str = "sum") -> str:
    chosen = ",".join(('instance=~"$instance"', *labels))
    grouped = f"{how} by ({by}) " if by else how
    return f"{grouped}({metric}{{{chosen}}})"
