"""Writes the dashboards of Grafana 12: deploy/grafana/dashboards/*.json.

    python deploy/grafana/write_dashboards.py            rewrites the files
    python deploy/grafana/write_dashboards.py --check    only compares

A panel is one entry of `service_rows` or `model_rows`: its title, description and queries. Its
position follows from its width.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from model_rows import MODELS
from panels import Panel
from service_rows import SERVICE

FOLDER: Final = Path(__file__).parent / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION: Final = 41  # Grafana 12
_COLUMNS: Final = 24
_GREEN_TO_RED: Final = ("green", "yellow", "red")


DASHBOARDS: Final = {
    "motioncast": ("motioncast", SERVICE),
    "motioncast-models": ("motioncast models", MODELS),
}


def dashboard(uid: str, title: str, rows: dict[str, list[Panel]]) -> dict[str, Any]:
    """Returns a dashboard in Grafana's JSON model."""
    panels: list[dict[str, Any]] = []
    y = 0
    for name, members in rows.items():
        place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        panels.append(_numbered(panels, {"type": "row", "title": name, "gridPos": place}))
        x, y, tallest = 0, y + 1, 0
        for one in members:
            if x + one.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": one.width, "h": one.height}
            panels.append(_numbered(panels, _panel(one) | {"gridPos": place}))
            x, tallest = x + one.width, max(tallest, one.height)
        y += tallest
    return {
        "uid": uid,
        "title": title,
        "tags": ["motioncast"],
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "refresh": "10s",
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "tags": ["motioncast"],
                "title": "motioncast",
                "keepTime": True,
                "includeVars": True,
            }
        ],
        "panels": panels,
    }


def main(
    check: Annotated[bool, typer.Option("--check", help="Only compare; write nothing.")] = False,
) -> None:
    """Write the dashboards; with --check, exit with 1 if a file differs from them."""
    differing = 0
    for uid, (title, rows) in DASHBOARDS.items():
        file = FOLDER / f"{uid}.json"
        text = json.dumps(dashboard(uid, title, rows), indent=2, ensure_ascii=False) + "\n"
        if not check:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text("utf-8") != text:
            print(f"{file} differs from what this script would write", file=sys.stderr)
            differing += 1
    raise typer.Exit(differing > 0)


def _numbered(before: list[dict[str, Any]], panel: dict[str, Any]) -> dict[str, Any]:
    return {"id": len(before) + 1} | panel


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, **panel.options}
    if panel.thresholds is not None:
        steps = zip(_GREEN_TO_RED, (None, *panel.thresholds), strict=True)
        defaults["thresholds"] = {
            "mode": "absolute",
            "steps": [{"color": colour, "value": value} for colour, value in steps],
        }
    if panel.kind == "timeseries" and panel.thresholds is not None:
        defaults["custom"] = {"thresholdsStyle": {"mode": "dashed"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                **_format(panel.kind),
            }
            for number, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
        }
    if panel.kind == "heatmap":
        return {
            "calculate": False,
            "yAxis": {"unit": panel.unit},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
            "cellGap": 1,
            "tooltip": {"mode": "single", "yHistogram": True},
        }
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {"showHeader": True}


def _format(kind: str) -> dict[str, Any]:
    if kind == "heatmap":
        return {"format": "heatmap"}
    return {"format": "table", "instant": True} if kind == "table" else {}


def _variables() -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
    }
    chosen = (("instance", "motioncast_build_info"), ("model", "motioncast_model_ready"))
    return [
        source,
        *(
            {
                "name": name,
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": f"label_values({metric}, {name})", "refId": name},
                "refresh": 2,
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
                "current": {"text": ["All"], "value": ["$__all"]},
                "sort": 1,
            }
            for name, metric in chosen
        ),
    ]


if __name__ == "__main__":
    typer.run(main)
