"""The dashboard only uses metrics that the running services expose.

`make dashboard-check`, which needs a real Prometheus, tests that its queries work.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from support.http import get

from motioncast.local import LocalServices, LocalSettings, Ports

DASHBOARD = Path(__file__).parents[3] / "deploy/grafana/dashboards/motioncast.json"
OF_PROMETHEUS_ITSELF = {"up"}


async def test_every_metric_of_the_dashboard_is_shown_by_a_service(toy_repository: Path) -> None:
    settings = LocalSettings(
        repository=toy_repository,
        orchestrator_ports=Ports(http=0),
        keypoint_ports=Ports(http=0),
        predictor_ports=Ports(http=0),
        synthesis_ports=Ports(http=0),
    )
    shown: set[str] = set()
    async with LocalServices(settings) as local:
        for server in local.servers.values():
            text = (await get(server, "/metrics")).body.decode()
            families = text_string_to_metric_families(text)
            shown |= {family.name for family in families}
    assert metrics_of(DASHBOARD) - OF_PROMETHEUS_ITSELF - shown == set()


def metrics_of(dashboard: Path) -> set[str]:
    """Returns the metric families named in a dashboard's queries."""
    expressions = [
        target["expr"]
        for panel in json.loads(dashboard.read_text())["panels"]
        for target in panel.get("targets", ())
    ]
    names = {
        name
        for expression in expressions
        for name in re.findall(r"\b((?:motioncast|grpc|process)_\w+|up)\b", expression)
        if not name.startswith("grpc_code") and name != "grpc_service"
    }
    assert len(names) > 10
    return {re.sub(r"_(total|bucket)$", "", name) for name in names}
