"""The orchestrator's metrics, summed over its sessions; dashboards use these names."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from motioncast.sources import MAX_SOURCES

# A group takes from a few milliseconds (a forecast) to seconds (a long one under load).
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
# From one frame at 25 frames/s, made at once, to a group that waits behind many others.
_RESULT_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)
# 2 / 127 is one pixel at 128 x 128.
_KEYPOINT_UNITS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class OrchestratorMetrics:
    """The collectors of one orchestrator."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stage_seconds = Histogram(
            "motioncast_stage_seconds",
            "Seconds per group: each call to a service or the ensemble, as seen by the caller, and "
            "the total; framing: per picture.",
            ("stage",),
            registry=registry,
            buckets=_SECONDS,
        )
        self.result_seconds = Histogram(
            "motioncast_arrival_to_result_seconds",
            "Seconds from the arrival of an observed frame (its capture time is not known here) "
            "until its result is sent, including the wait for the rest of its group.",
            registry=registry,
            buckets=_RESULT_SECONDS,
        )
        self.frames = Counter(
            "motioncast_frames", "Frames returned, by origin.", ("origin",), registry=registry
        )
        self.left_out_frames = Counter(
            "motioncast_left_out_frames",
            "Frames of live sessions that were skipped because newer ones had arrived.",
            registry=registry,
        )
        self.source_frames = Counter(
            "motioncast_source_frames",
            "Frames returned, by the index of the source image they were made from.",
            ("source",),
            registry=registry,
        )
        self.received_bytes = Counter(
            "motioncast_received_bytes",
            "Bytes of messages received, by kind.",
            ("kind",),
            registry=registry,
        )
        self.keypoint_payload_bytes = Counter(
            "motioncast_keypoint_payload_bytes",
            "Bytes of keypoints in received messages: coded packets, or 12 for each keypoint.",
            registry=registry,
        )
        self.sent_bytes = Counter(
            "motioncast_sent_bytes",
            "Bytes of messages sent, by kind.",
            ("kind",),
            registry=registry,
        )
        self.raw_frame_bytes = Counter(
            "motioncast_raw_frame_bytes",
            "Bytes it would have taken to send every returned frame to the server as raw RGB.",
            registry=registry,
        )
        self.all_keypoints_bytes = Counter(
            "motioncast_all_keypoints_bytes",
            "Bytes it would have taken to send the keypoints of every returned frame here.",
            registry=registry,
        )
        self.sessions = Gauge("motioncast_sessions", "Current sessions.", registry=registry)
        self.sessions_limit = Gauge(
            "motioncast_sessions_limit", "Maximum number of concurrent sessions.", registry=registry
        )
        self.sessions_admitted = Counter(
            "motioncast_sessions_admitted", "Sessions admitted.", registry=registry
        )
        self.sessions_refused = Counter(
            "motioncast_sessions_refused",
            "Sessions refused. places: none is free, in total or for the peer; latency: groups "
            "would be later than the target; capacity: the server would be overloaded; share: too "
            "little would be left for other peers.",
            ("reason",),
            registry=registry,
        )
        self.sessions_resumed = Counter(
            "motioncast_session_resumes",
            "Sessions started with a resume token: resumed here, or refused (another key, model, "
            "configuration or owner).",
            ("result",),
            registry=registry,
        )
        self.late_seconds = Histogram(
            "motioncast_group_late_seconds",
            "Seconds by which groups were completed too late for playback at their frame rate.",
            registry=registry,
            buckets=_RESULT_SECONDS,
        )
        self.latency_target = Gauge(
            "motioncast_latency_target_seconds",
            "95th percentile of lateness above which sessions are refused; 0: no limit.",
            registry=registry,
        )
        self.load = Gauge(
            "motioncast_load",
            "Share of the server's capacity used by the sessions' frame rates; 0 until measured.",
            registry=registry,
        )
        self.groups_queued = Gauge(
            "motioncast_groups_queued",
            "Groups waiting for a slot, in fair order.",
            registry=registry,
        )
        self.forecast_error = Histogram(
            "motioncast_forecast_error",
            "Distance between observed keypoints and their one-step forecast, keypoint units.",
            registry=registry,
            buckets=_KEYPOINT_UNITS,
        )
        # Rates need a zero to start from.
        for result in ("resumed", "refused"):
            self.sessions_resumed.labels(result)
        for reason in ("places", "latency", "capacity", "share"):
            self.sessions_refused.labels(reason)
        for stage in ("keypoint", "predictor", "synthesis", "ensemble", "total", "framing"):
            self.stage_seconds.labels(stage)
        for origin in ("observed", "predicted", "concealed"):
            self.frames.labels(origin)
        for source in range(MAX_SOURCES):
            self.source_frames.labels(str(source))
        for kind in ("config", "source", "frames", "keypoints"):
            self.received_bytes.labels(kind)
        self.sent_bytes.labels("results")
