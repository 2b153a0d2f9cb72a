"""Writes the dashboards of Grafana 12: deploy/grafana/dashboards/*.json.

    python deploy/grafana/write_dashboards.py            writes them anew
    python deploy/grafana/write_dashboards.py --check    compares

A panel is one line here: its title, what it says, and its queries. Where it stands follows from its
width. Every query goes to the data source, the instances and the models chosen above the panels.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION: Final = 41  # Grafana 12
_COLUMNS: Final = 24
_GREEN_TO_RED: Final = ("green", "yellow", "red")


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


MODEL: Final = 'model=~"$model"'
SENT: Final = rate("motioncast_received_bytes_total", 'kind=~"source|frames|keypoints"')
RAW: Final = f"1 - {SENT} / {rate('motioncast_raw_frame_bytes_total')}"
KEYPOINTS: Final = (
    "1 - "
    + rate("motioncast_received_bytes_total", 'kind="keypoints"')
    + " / "
    + rate("motioncast_all_keypoints_bytes_total")
)
FRAMES: Final = "motioncast_frames_total"
STAGE: Final = "motioncast_stage_seconds"
ALIKE: Final = "Each service's call as the orchestrator saw it, and the whole group."

SERVICE: Final[dict[str, list[Panel]]] = {
    "Now": [
        stat("Sessions", "Streams that are open now.", gauge("motioncast_sessions")),
        stat("Frames per second", "Returned to clients.", rate(FRAMES), decimals=1),
        stat(
            "Frames not sent",
            "Share of the returned frames that the sender did not send: predicted or concealed.",
            rate(FRAMES, 'origin!="observed"') + " / " + rate(FRAMES),
            "percentunit",
            decimals=1,
            min=0,
            max=1,
        ),
        stat(
            "Saved against raw frames",
            "Share of bytes saved against sending every frame as raw RGB; sources count as sent.",
            RAW,
            "percentunit",
            decimals=2,
            max=1,
        ),
        stat(
            "Concealed",
            "Share of frames that should have come and did not.",
            rate(FRAMES, 'origin="concealed"') + " / " + rate(FRAMES),
            "percentunit",
            (0.01, 0.05),
            decimals=1,
            min=0,
            max=1,
        ),
        stat(
            "p95 of a group",
            "From the last message of a group until its frames are ready to send.",
            quantile(0.95, STAGE, 'stage="total"'),
            "s",
            (0.3, 0.5),
            decimals=3,
        ),
    ],
    "Latency": [
        *(
            series(
                f"Stage latency, p{round(100 * q)}",
                ALIKE,
                (quantile(q, STAGE, by="stage"), "{{stage}}"),
                unit="s",
                min=0,
            )
            for q in (0.5, 0.95, 0.99)
        ),
        heat(
            "Latency of groups",
            "How many groups took how long.",
            f'{STAGE}_bucket{{instance=~"$instance",stage="total"}}',
        ),
        heat(
            "Arrival to result",
            "From the arrival of an observed frame until its result leaves.",
            'motioncast_arrival_to_result_seconds_bucket{instance=~"$instance"}',
        ),
        series(
            "Arrival to result",
            "The same as quantiles; it includes the wait for the rest of the frame's group.",
            *(
                (quantile(q, "motioncast_arrival_to_result_seconds"), f"p{round(100 * q)}")
                for q in (0.5, 0.95, 0.99)
            ),
            unit="s",
            thresholds=(0.3, 0.5),
            min=0,
        ),
    ],
    "Frames and bytes": [
        series(
            "Frames by origin",
            "Observed: sent. Predicted: skipped on purpose. Concealed: expected, but did not come.",
            (rate(FRAMES, by="origin"), "{{origin}}"),
            min=0,
            custom={"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}},
        ),
        series(
            "Bandwidth saved",
            "Against raw RGB of every frame, and against the keypoints of every frame.",
            (RAW, "against raw frames"),
            (KEYPOINTS, "against all keypoints"),
            unit="percentunit",
            max=1,
        ),
        series(
            "Bytes received and sent",
            "Messages at the orchestrator's door, by kind.",
            (rate("motioncast_received_bytes_total", by="kind"), "received {{kind}}"),
            (rate("motioncast_sent_bytes_total", by="kind"), "sent {{kind}}"),
            unit="Bps",
            min=0,
        ),
        series(
            "Bits per sent frame",
            "Of messages with frames or keypoints.",
            ("motioncast:bits_per_sent_frame:rate5m", "bits"),
            min=0,
        ),
        series(
            "Forecast error",
            "Distance of observed keypoints from their forecast; 2 is the width of the image.",
            *(
                (quantile(q, "motioncast_forecast_error"), f"p{round(100 * q)}")
                for q in (0.5, 0.95)
            ),
            min=0,
        ),
        series(
            "Relay",
            "Packets of coded keypoints between two ends.",
            (rate("motioncast_relay_packets_total", by="direction"), "{{direction}}"),
            min=0,
        ),
    ],
    "Capacity": [
        series(
            "Seats taken",
            "Sessions, of those that are served at once.",
            ("motioncast:sessions:saturation", "sessions"),
            ("motioncast:calls:saturation", "calls at {{job}}"),
            unit="percentunit",
            thresholds=(0.7, 0.9),
            min=0,
        ),
        series(
            "Sessions admitted and refused",
            "Refused: too many, or too many of one peer.",
            (rate("motioncast_sessions_admitted_total"), "admitted"),
            (rate("motioncast_sessions_refused_total"), "refused"),
            unit="reqps",
            min=0,
        ),
        series(
            "Calls in flight and queued",
            "Admitted and running, and waiting for their turn.",
            (gauge("motioncast_calls_in_flight", by="job"), "{{job}} in flight"),
            (gauge("motioncast_calls_queued", by="job"), "{{job}} queued"),
            min=0,
        ),
        series(
            "Rejects",
            "Calls not admitted, by reason.",
            (rate("motioncast_calls_rejected_total", by="job, reason"), "{{job}} {{reason}}"),
            unit="reqps",
            min=0,
        ),
        series(
            "Calls by status",
            "Without health checks.",
            (
                rate(
                    "grpc_server_handled_total", 'grpc_service=~"motioncast.*"', by="job, grpc_code"
                ),
                "{{job}} {{grpc_code}}",
            ),
            unit="reqps",
            min=0,
        ),
        series(
            "Shares of the objectives' errors",
            "Calls ended by the server's fault, and groups over half a second, in the last hour.",
            ("motioncast:availability_errors:ratio1h", "availability; 0.5 % allowed"),
            ("motioncast:latency_errors:ratio1h", "latency; 5 % allowed"),
            unit="percentunit",
            min=0,
        ),
    ],
    "Processes": [
        series(
            "Memory",
            "Resident.",
            (gauge("process_resident_memory_bytes", by="job, instance"), "{{job}} {{instance}}"),
            unit="bytes",
            min=0,
        ),
        series(
            "Processors",
            "Seconds of them per second.",
            (rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"),
            min=0,
        ),
        series(
            "Open files",
            "Connections most of all.",
            (gauge("process_open_fds", by="job, instance"), "{{job}} {{instance}}"),
            min=0,
        ),
        Panel(
            "table",
            "Versions",
            "What runs where.",
            ((gauge("motioncast_build_info", by="job, instance, version, python", how="max"), ""),),
            width=24,
            height=6,
        ),
    ],
}
NV: Final = "nv_inference"
MODELS: Final[dict[str, list[Panel]]] = {
    "Models of our engines": [
        series(
            "Runs per second",
            "By model.",
            (
                rate("motioncast_inference_seconds_count", MODEL, by="job, model"),
                "{{job}} {{model}}",
            ),
            unit="ops",
            min=0,
        ),
        series(
            "Run time, p95",
            "The run alone, without the wait for its turn.",
            (quantile(0.95, "motioncast_inference_seconds", MODEL, by="model"), "{{model}}"),
            unit="s",
            min=0,
        ),
        series(
            "Wait, p95",
            "For its turn, and the way to the engine.",
            (quantile(0.95, "motioncast_inference_wait_seconds", MODEL, by="model"), "{{model}}"),
            unit="s",
            thresholds=(0.1, 0.25),
            min=0,
        ),
        heat(
            "Run times",
            "How many runs took how long.",
            f'motioncast_inference_seconds_bucket{{instance=~"$instance",{MODEL}}}',
        ),
        heat(
            "Waits",
            "How many runs waited how long.",
            f'motioncast_inference_wait_seconds_bucket{{instance=~"$instance",{MODEL}}}',
        ),
        series(
            "Runs in flight",
            "Asked for and not ended, by service.",
            (gauge("motioncast_inferences_in_flight", by="job"), "{{job}}"),
            min=0,
        ),
        Panel(
            "table",
            "Models that can run",
            "With version and checksum; more than one line of a model is two files of it.",
            ((f"count by (model, version, sha256) (motioncast_model_info{{{MODEL}}})", ""),),
            width=16,
        ),
        series(
            "Ready",
            "0: offered and cannot run.",
            (gauge("motioncast_model_ready", MODEL, by="model", how="min"), "{{model}}"),
            min=0,
            max=1,
        ),
    ],
    "NVIDIA's Triton": [
        series(
            "Requests and failures",
            "Per second, by model.",
            (rate(f"{NV}_request_success", MODEL, by="model"), "{{model}}"),
            (rate(f"{NV}_request_failure", MODEL, by="model"), "{{model}} failed"),
            unit="reqps",
            min=0,
        ),
        series(
            "Mean batch",
            "Elements of each run: what dynamic batching gathers.",
            (
                f"{rate(f'{NV}_count', MODEL, by='model')}"
                f" / {rate(f'{NV}_exec_count', MODEL, by='model')}",
                "{{model}}",
            ),
            min=0,
        ),
        series(
            "Mean time of a request",
            "All of it, the wait in the queue, and the run.",
            *(
                (
                    f"{rate(f'{NV}_{part}_duration_us', MODEL, by='model')}"
                    f" / {rate(f'{NV}_request_success', MODEL, by='model')}",
                    f"{{{{model}}}} {legend}",
                )
                for part, legend in (
                    ("request", "request"),
                    ("queue", "queue"),
                    ("compute_infer", "run"),
                )
            ),
            unit="µs",
            min=0,
        ),
        series(
            "Requests that wait",
            "In Triton's queues.",
            (gauge(f"{NV}_pending_request_count", MODEL, by="model"), "{{model}}"),
            min=0,
        ),
        series(
            "GPU",
            "Share of the time that it was busy.",
            (gauge("nv_gpu_utilization", by="gpu_uuid", how="max"), "{{gpu_uuid}}"),
            unit="percentunit",
            min=0,
            max=1,
        ),
        series(
            "Memory of the GPU",
            "In use, of what there is.",
            (gauge("nv_gpu_memory_used_bytes", by="gpu_uuid"), "{{gpu_uuid}} used"),
            (gauge("nv_gpu_memory_total_bytes", by="gpu_uuid"), "{{gpu_uuid}} total"),
            unit="bytes",
            min=0,
        ),
    ],
}
DASHBOARDS: Final = {
    "motioncast": ("motioncast", SERVICE),
    "motioncast-models": ("motioncast models", MODELS),
}


def dashboard(uid: str, title: str, rows: dict[str, list[Panel]]) -> dict[str, Any]:
    """Returns a dashboard as Grafana reads it."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or compares the files; returns the exit code, 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args(arguments).check
    differing = 0
    for uid, (title, rows) in DASHBOARDS.items():
        file = FOLDER / f"{uid}.json"
        text = json.dumps(dashboard(uid, title, rows), indent=2, ensure_ascii=False) + "\n"
        if not check:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text("utf-8") != text:
            print(f"{file} is not what this script writes", file=sys.stderr)
            differing += 1
    return int(differing > 0)


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
    sys.exit(main())
