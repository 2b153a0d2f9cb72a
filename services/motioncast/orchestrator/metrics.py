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
            "Seconds per group: each service's or the ensemble's call as seen here, and total; "
            "framing per picture.",
            ("stage",),
            registry=registry,
            buckets=_SECONDS,
        )
        self.result_seconds = Histogram(
            "motioncast_arrival_to_result_seconds",
            "Seconds from the arrival of an observed frame, the earliest that is known of its "
            "capture here, until its result leaves; the wait for the rest of its group included.",
            registry=registry,
            buckets=_RESULT_SECONDS,
        )
        self.frames = Counter(
            "motioncast_frames", "Frames returned, by origin.", ("origin",), registry=registry
        )
        self.left_out_frames = Counter(
            "motioncast_left_out_frames",
            "Frames of live sessions that were not made, since newer ones had come.",
            registry=registry,
        )
        self.source_frames = Counter(
            "motioncast_source_frames",
            "Frames returned, by the index of the source image that they were made from.",
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
            "Bytes of the keypoints in messages received: coded packets, or 12 for each keypoint.",
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
            "Bytes that raw RGB of every returned frame would have taken to send here.",
            registry=registry,
        )
        self.all_keypoints_bytes = Counter(
            "motioncast_all_keypoints_bytes",
            "Bytes that the keypoints of every returned frame would have taken to send here.",
            registry=registry,
        )
        self.sessions = Gauge("motioncast_sessions", "Sessions now.", registry=registry)
        self.sessions_limit = Gauge(
            "motioncast_sessions_limit", "Sessions that are served at once.", registry=registry
        )
        self.sessions_admitted = Counter(
            "motioncast_sessions_admitted", "Sessions that got a seat.", registry=registry
        )
        self.sessions_refused = Counter(
            "motioncast_sessions_refused",
            "Sessions that were not let in. places: there is none, in all or for the peer; "
            "latency: groups would be later than the target; capacity: more than can be made in "
            "time; share: too little would be left for other peers.",
            ("reason",),
            registry=registry,
        )
        self.sessions_resumed = Counter(
            "motioncast_session_resumes",
            "Sessions that came with a resume token: resumed here, or refused (another key, model, "
            "configuration or owner).",
            ("result",),
            registry=registry,
        )
        self.late_seconds = Histogram(
            "motioncast_group_late_seconds",
            "Seconds by which groups were made later than a video of their frame rate needs.",
            registry=registry,
            buckets=_RESULT_SECONDS,
        )
        self.latency_target = Gauge(
            "motioncast_latency_target_seconds",
            "What 95 of 100 groups may be late by before sessions are refused; 0: none are.",
            registry=registry,
        )
        self.load = Gauge(
            "motioncast_load",
            "Share that the sessions' frame rates are of what can be made; 0 until measured.",
            registry=registry,
        )
        self.groups_queued = Gauge(
            "motioncast_groups_queued",
            "Groups that wait for a slot, in fair order.",
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
