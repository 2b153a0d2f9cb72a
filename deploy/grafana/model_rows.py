"""The rows of the models dashboard: our engines' models and Triton's."""

from __future__ import annotations

from typing import Final

from panels import MODEL, Panel, gauge, heat, quantile, rate, series

NV: Final = "nv_inference"
MODELS: Final[dict[str, list[Panel]]] = {
    "Models (embedded engine)": [
        series(
            "Runs per second",
            "Runs of each model.",
            (
                rate("motioncast_inference_seconds_count", MODEL, by="job, model"),
                "{{job}} {{model}}",
            ),
            unit="ops",
            min=0,
        ),
        series(
            "Run time, p95",
            "Time of the run itself, excluding the wait before it.",
            (quantile(0.95, "motioncast_inference_seconds", MODEL, by="model"), "{{model}}"),
            unit="s",
            min=0,
        ),
        series(
            "Wait, p95",
            "Time in the queue and on the way to the engine.",
            (quantile(0.95, "motioncast_inference_wait_seconds", MODEL, by="model"), "{{model}}"),
            unit="s",
            thresholds=(0.1, 0.25),
            min=0,
        ),
        heat(
            "Run times",
            "Distribution of run times.",
            f'motioncast_inference_seconds_bucket{{instance=~"$instance",{MODEL}}}',
        ),
        heat(
            "Waits",
            "Distribution of waiting times.",
            f'motioncast_inference_wait_seconds_bucket{{instance=~"$instance",{MODEL}}}',
        ),
        heat(
            "Frames per run",
            "Distribution of the number of frames in one run.",
            f'motioncast_inference_batch_frames_bucket{{instance=~"$instance",{MODEL}}}',
            unit="short",
        ),
        series(
            "Runs in flight",
            "Requested and not yet finished, by service.",
            (gauge("motioncast_inferences_in_flight", by="job"), "{{job}}"),
            min=0,
        ),
        Panel(
            "table",
            "Loaded models",
            "With version and checksum; two lines for one model mean two different files.",
            ((f"count by (model, version, sha256) (motioncast_model_info{{{MODEL}}})", ""),),
            width=16,
        ),
        series(
            "Ready",
            "0: offered but cannot run.",
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
            "Mean number of elements per run, gathered by dynamic batching.",
            (
                f"{rate(f'{NV}_count', MODEL, by='model')}"
                f" / {rate(f'{NV}_exec_count', MODEL, by='model')}",
                "{{model}}",
            ),
            min=0,
        ),
        series(
            "Mean request time",
            "Total, time in the queue, and time of the run.",
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
            "Pending requests",
            "Requests in Triton's queues.",
            (gauge(f"{NV}_pending_request_count", MODEL, by="model"), "{{model}}"),
            min=0,
        ),
        series(
            "GPU",
            "Share of the time that the GPU was busy.",
            (gauge("nv_gpu_utilization", by="gpu_uuid", how="max"), "{{gpu_uuid}}"),
            unit="percentunit",
            min=0,
            max=1,
        ),
        series(
            "GPU memory",
            "Used and total.",
            (gauge("nv_gpu_memory_used_bytes", by="gpu_uuid"), "{{gpu_uuid}} used"),
            (gauge("nv_gpu_memory_total_bytes", by="gpu_uuid"), "{{gpu_uuid}} total"),
            unit="bytes",
            min=0,
        ),
    ],
}
