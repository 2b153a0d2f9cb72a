"""Metric names are distinguished from everything else in a query."""

from __future__ import annotations

import pytest
from support.promql import metrics_of


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (
            'sum by (job) (rate(a_total{kind=~"x|y",b="c"}[5m])) or 0 * sum by (job) (up)',
            "a_total up",
        ),
        ("a:b:rate5m > 14.4 * 0.05 and c_d > 1e3", "a:b:rate5m c_d"),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[$__rate_interval])))", "x_bucket"),
        ('absent(up{job="orchestrator"} == 1)', "up"),
    ],
)
def test_names(expression: str, names: str) -> None:
    assert metrics_of(expression) == set(names.split())
