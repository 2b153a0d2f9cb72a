"""Dashboard panels and helpers that build their queries.

Every query is restricted to the instances and models selected at the top of the dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MODEL: Final = 'model=~"$model"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        kind: Grafana's panel type: "stat", "timeseries", "heatmap" or "table".
        title, says: Title and description.
        queries: PromQL and legend of each query.
        unit: Grafana's name of the unit.
        width, height: In Grafana's grid of 24 columns.
        thresholds: Values at which it turns yellow and red; descending if less is worse.
        options: Grafana field options other than the unit.
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
    """Returns a query for the summed rate of a counter over the selected instances."""
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
