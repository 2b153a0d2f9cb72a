"""Generates docs/service_metrics.md, the page of every metric that a server exports.

    python -m motioncast.local.metrics_page docs/service_metrics.md            rewrites it
    python -m motioncast.local.metrics_page docs/service_metrics.md --check    verifies it

The page is built from the collectors themselves, so every metric described is really counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from motioncast.inference.measured import EngineMetrics
from motioncast.inference.model_metrics import model_families
from motioncast.orchestrator.metrics import OrchestratorMetrics
from motioncast.relay.metrics import RelayMetrics
from motioncast.replicas.metrics import ReplicaMetrics
from motioncast.serving import Metrics

_MAX_VALUES: Final = 8  # of a label that are listed
_UNITS: Final = (
    ("_seconds", "s"),
    ("_bytes", "bytes"),
    ("_forecast_error", "keypoint units"),
    ("_frames", "frames"),
    ("_packets", "packets"),
)
_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
# The metrics of NVIDIA's Triton that the dashboard uses. Its own list is longer:
# https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
TRITON: Final = (
    ("nv_inference_request_success", "counter", "requests", "Requests answered."),
    ("nv_inference_request_failure", "counter", "requests", "Requests that failed, by reason."),
    (
        "nv_inference_count",
        "counter",
        "inferences",
        "Inferences run; each element of a batch counts.",
    ),
    ("nv_inference_exec_count", "counter", "runs", "Runs of the model; a batch counts as one."),
    ("nv_inference_request_duration_us", "counter", "µs", "Time of requests, including queueing."),
    ("nv_inference_queue_duration_us", "counter", "µs", "Time requests were queued."),
    ("nv_inference_compute_infer_duration_us", "counter", "µs", "Time the model ran."),
    ("nv_inference_pending_request_count", "gauge", "requests", "Requests waiting now."),
    ("nv_gpu_utilization", "gauge", "1", "Share of the time the GPU was busy, 0 to 1."),
    ("nv_gpu_memory_used_bytes", "gauge", "bytes", "GPU memory in use."),
    ("nv_gpu_memory_total_bytes", "gauge", "bytes", "Total GPU memory."),
)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: Name of its samples, without the suffixes of histograms.
        kind: "counter", "gauge" or "histogram".
        labels: Their names.
        values: Values of labels that are known in advance, as `name: value, value`; or "".
        meaning: What it measures.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    values: str
    meaning: str

    @property
    def unit(self) -> str:
        """Unit of a value; "1" is a number of what the name says."""
        base = self.name.removesuffix("_total")
        return next((unit for end, unit in _UNITS if base.endswith(end)), "1")

    @property
    def samples(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(self.name + suffix for suffix in _SUFFIXES["histogram"])


def sections() -> dict[str, list[Family]]:
    """Returns the metrics by the kind of server that exports them."""
    registries = {who: CollectorRegistry() for who in ("orchestrator", "relay", "models")}
    OrchestratorMetrics(registries["orchestrator"])
    ReplicaMetrics(registries["orchestrator"])
    RelayMetrics(registries["relay"])
    EngineMetrics.on(registries["models"])
    models = [_described(family) for family in model_families()]
    return {
        "Every server": list(_families(Metrics(process=False).registry)),
        "The orchestrator": list(_families(registries["orchestrator"])),
        "The relay": list(_families(registries["relay"])),
        "Servers that run models: keypoint, predictor, synthesis, models": [
            *_families(registries["models"]),
            *models,
        ],
        "The process": list(_process()),
    }


def sample_names() -> frozenset[str]:
    """Returns every name that a query may use, Triton's and Prometheus's own `up` included."""
    ours = {name for families in sections().values() for one in families for name in one.samples}
    return frozenset({*ours, *(name for name, *_ in TRITON), "up"})


def page() -> str:
    """Returns the page."""
    lines = [
        "# Metrics of the services",
        "",
        "Generated from the code by `python -m motioncast.local.metrics_page "
        "docs/service_metrics.md`; a test checks that it",
        "is up to date. [metrics.md](metrics.md) describes what `motioncast evaluate` measures.",
        "",
        "Every server serves `/metrics` on its HTTP port, as text or as OpenMetrics. Names, labels "
        "and meanings are a contract: a change",
        "is in the changelog. A histogram has the samples `_bucket`, `_sum` and `_count`. The unit "
        "1 stands for a plain number, such as a",
        "count or a share. Ratios are computed from the sums in queries; "
        "[runbooks.md](runbooks.md) lists the ones that Prometheus",
        "records, such as bits per frame and the saved share.",
    ]
    for title, families in sections().items():
        lines += ["", f"## {title}", "", "| name | kind | labels | unit | meaning |"]
        lines += ["|---|---|---|---|---|", *map(_row, families)]
        if title == "The process":
            lines += [
                "",
                "When several servers share a process (`motioncast serve`, the tests), only the "
                "orchestrator exports these, so a sum",
                "over all servers counts each process once.",
            ]
    lines += ["", "## NVIDIA's Triton, when it runs the models", ""]
    lines += ["| name | kind | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {unit} | {text} |" for name, kind, unit, text in TRITON]
    return "\n".join(lines) + "\n"


def main(
    file: Annotated[Path, typer.Argument(help="path of the page")],
    check: Annotated[
        bool, typer.Option("--check", help="compare without writing anything")
    ] = False,
) -> None:
    """Write the page of all metrics; with --check, exit with 1 if the file differs from it."""
    if not check:
        file.write_text(page(), encoding="utf-8")
    elif file.read_text(encoding="utf-8") != page():
        print(f"{file} is out of date: write it again without --check", file=sys.stderr)
        raise typer.Exit(1)


def _families(registry: CollectorRegistry) -> Iterator[Family]:
    for collector in registry._collector_to_names:
        assert isinstance(collector, MetricWrapperBase)
        (described,) = collector.describe()
        labels = tuple(collector._labelnames)
        yield _family(described.name, described.type, labels, _values(collector), described)


def _described(family: Any) -> Family:
    return _family(family.name, family.type, tuple(family._labelnames), "", family)


def _process() -> Iterator[Family]:
    """Yields the metrics of a process, which exist on Linux only."""
    collectors = Metrics().registry.collect()
    for family in collectors:
        if family.name.startswith("process_"):
            yield _family(family.name, family.type, (), "", family)


def _family(name: str, kind: str, labels: tuple[str, ...], values: str, described: Any) -> Family:
    suffix = "_total" if kind == "counter" else ""
    return Family(name + suffix, kind, labels, values, described.documentation)


def _values(collector: MetricWrapperBase) -> str:
    """Returns the values of a single label that have a series from the start."""
    children = [values[0] for values in collector._metrics] if collector._labelnames else []
    if not 0 < len(children) <= _MAX_VALUES or len(collector._labelnames) > 1:
        return ""
    return ", ".join(children)


def _row(family: Family) -> str:
    labels = ", ".join(f"`{name}`" for name in family.labels)
    if family.values:
        labels += f": {family.values}"
    return f"| `{family.name}` | {family.kind} | {labels} | {family.unit} | {family.meaning} |"


if __name__ == "__main__":
    typer.run(main)
