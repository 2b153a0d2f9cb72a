"""Grafana's dashboards match their script and only query metrics that the services expose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from support.promql import metrics_of

from motioncast.local.metrics_page import sample_names

ROOT: Final = Path(__file__).parents[3]
DEPLOY: Final = ROOT / "deploy"
FILES: Final = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def panels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(file)["panels"]
    return found


every_dashboard = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_they_are_what_the_script_writes() -> None:
    script = DEPLOY / "grafana" / "write_dashboards.py"
    result = subprocess.run(
        [sys.executable, str(script), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@every_dashboard
def test_every_query_asks_for_what_is_shown_or_recorded(file: Path) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/rules/recorded.yml").read_text("utf-8"))
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"]}
    asked = {
        name
        for panel in panels(file)
        for target in panel.get("targets", ())
        for name in metrics_of(target["expr"])
    }
    assert len(asked) > 10
    assert asked <= sample_names() | recorded


@every_dashboard
def test_the_data_source_is_chosen_and_is_at_first_the_one_provisioned(file: Path) -> None:
    path = DEPLOY / "grafana/provisioning/datasources/prometheus.yaml"
    (source,) = yaml.safe_load(path.read_text("utf-8"))["datasources"]
    variables = {one["name"]: one for one in read(file)["templating"]["list"]}
    assert set(variables) == {"datasource", "instance", "model"}
    assert variables["datasource"]["current"]["value"] == source["uid"]
    targets = [target for panel in panels(file) for target in panel.get("targets", ())]
    assert {target["datasource"]["uid"] for target in targets} == {"${datasource}"}


@every_dashboard
def test_panels_have_identities_of_their_own_and_do_not_overlap(file: Path) -> None:
    assert len({panel["id"] for panel in panels(file)}) == len(panels(file))
    cells = [
        (x, y)
        for panel in panels(file)
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24  # Grafana's grid


@every_dashboard
def test_the_queries_of_one_panel_have_letters_of_their_own(file: Path) -> None:
    for panel in panels(file):
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(letters)) == len(letters), panel["title"]
