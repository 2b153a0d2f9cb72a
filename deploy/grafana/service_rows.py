"""The rows of the service dashboard."""

from __future__ import annotations

from typing import Final

from panels import Panel, gauge, heat, quantile, rate, series, stat
from relay_rows import RELAY

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
ALIKE: Final = "Calls of each service as measured by the orchestrator, and the whole group."

SERVICE: Final[dict[str, list[Panel]]] = {
    "Now": [
        stat("Sessions", "Streams currently open.", gauge("motioncast_sessions")),
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
            "Saved compared with raw frames",
            "Share of bytes saved compared with raw RGB of every frame; sources count as sent.",
            RAW,
            "percentunit",
            decimals=2,
            max=1,
        ),
        stat(
            "Concealed",
            "Share of frames that were expected but did not arrive.",
            rate(FRAMES, 'origin="concealed"') + " / " + rate(FRAMES),
            "percentunit",
            (0.01, 0.05),
            decimals=1,
            min=0,
            max=1,
        ),
        stat(
            "Group latency, p95",
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
            "Group latency",
            "Distribution of the latency of groups.",
            f'{STAGE}_bucket{{instance=~"$instance",stage="total"}}',
        ),
        heat(
            "Arrival to result",
            "From the arrival of an observed frame until its result is sent.",
            'motioncast_arrival_to_result_seconds_bucket{instance=~"$instance"}',
        ),
        series(
            "Arrival to result",
            "The same, as quantiles; includes the wait for the rest of the frame's group.",
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
            "Observed: sent. Predicted: skipped on purpose. Concealed: expected but did not"
            " arrive.",
            (rate(FRAMES, by="origin"), "{{origin}}"),
            min=0,
            custom={"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}},
        ),
        series(
            "Bandwidth saved",
            "Compared with raw RGB of every frame, and with the keypoints of every frame.",
            (RAW, "against raw frames"),
            (KEYPOINTS, "against all keypoints"),
            unit="percentunit",
            max=1,
        ),
        series(
            "Bytes received and sent",
            "Messages between clients and the orchestrator, by kind.",
            (rate("motioncast_received_bytes_total", by="kind"), "received {{kind}}"),
            (rate("motioncast_sent_bytes_total", by="kind"), "sent {{kind}}"),
            unit="Bps",
            min=0,
        ),
        series(
            "Bits per sent frame",
            "Size of messages with frames or keypoints, per frame.",
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
    ],
    "Capacity": [
        series(
            "Seats in use",
            "Share of the maximum number of concurrent sessions and calls.",
            ("motioncast:sessions:saturation", "sessions"),
            ("motioncast:calls:saturation", "calls at {{job}}"),
            unit="percentunit",
            thresholds=(0.7, 0.9),
            min=0,
        ),
        series(
            "Sessions admitted, refused and resumed",
            "Refused: full, too late or overloaded. Tokens: sessions resumed from another server.",
            (rate("motioncast_sessions_admitted_total"), "admitted"),
            (rate("motioncast_sessions_refused_total", by="reason"), "refused: {{reason}}"),
            (rate("motioncast_session_resumes_total", by="result"), "token: {{result}}"),
            unit="reqps",
            min=0,
        ),
        heat(
            "Lateness of groups",
            "How much later groups were finished than a video of their frame rate requires.",
            'motioncast_group_late_seconds_bucket{instance=~"$instance"}',
        ),
        series(
            "Load and lateness",
            "Load that sessions request as a share of capacity; p95 of the lateness, and"
            " its target.",
            (gauge("motioncast_load", by="instance"), "{{instance}} load"),
            (quantile(0.95, "motioncast_group_late_seconds"), "late, p95, s"),
            (gauge("motioncast_latency_target_seconds", how="max"), "late, target, s"),
            min=0,
        ),
        series(
            "Queued groups",
            "Groups waiting for a slot, in fair order.",
            (gauge("motioncast_groups_queued", by="instance"), "{{instance}}"),
            min=0,
        ),
        series(
            "Replicas",
            "As seen by orchestrators; out: failed or slow, and not responding since.",
            (gauge("motioncast_backend_replicas", by="service, state"), "{{service}} {{state}}"),
            min=0,
        ),
        series(
            "Repeated calls",
            "Calls repeated because a replica failed or was slow.",
            (
                rate("motioncast_backend_calls_again_total", by="service, reason"),
                "{{service}} {{reason}}",
            ),
            unit="reqps",
            min=0,
        ),
        series(
            "Calls in flight and queued",
            "Running calls, and calls waiting to run.",
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
            "Excluding health checks.",
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
            "Errors against objectives",
            "Calls that failed because of the server, groups over half a second; last hour.",
            ("motioncast:availability_errors:ratio1h", "availability; 0.5 % allowed"),
            ("motioncast:latency_errors:ratio1h", "latency; 5 % allowed"),
            unit="percentunit",
            min=0,
        ),
    ],
    "Relay": RELAY,
    "Processes": [
        series(
            "Memory",
            "Resident memory.",
            (gauge("process_resident_memory_bytes", by="job, instance"), "{{job}} {{instance}}"),
            unit="bytes",
            min=0,
        ),
        series(
            "CPU",
            "CPU seconds per second.",
            (rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"),
            min=0,
        ),
        series(
            "Open files",
            "Open file descriptors, mostly connections.",
            (gauge("process_open_fds", by="job, instance"), "{{job}} {{instance}}"),
            min=0,
        ),
        Panel(
            "table",
            "Versions",
            "Versions of each instance.",
            ((gauge("motioncast_build_info", by="job, instance, version, python", how="max"), ""),),
            width=24,
            height=6,
        ),
    ],
}
