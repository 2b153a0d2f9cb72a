"""Properties of single overlays and of the gateway in the Kubernetes manifests."""

from __future__ import annotations

import re

import yaml
from support.manifests import COMPONENT, DEPLOY, every_overlay, of_kind, ours, pod_of
from support.promql import metrics_of

from motioncast.local.metrics_page import sample_names
from motioncast.v1 import motion_transfer_pb2, relay_pb2


@every_overlay
def test_autoscalers_ask_for_what_the_services_show(overlay: str) -> None:
    asked = {
        metric["pods"]["metric"]["name"]
        for one in of_kind(overlay, "HorizontalPodAutoscaler").values()
        for metric in one["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    for one in of_kind(overlay, "ScaledObject").values():
        for trigger in one["spec"]["triggers"]:
            asked |= metrics_of(trigger["metadata"]["query"])
    assert asked <= sample_names()
    assert bool(asked) == (overlay in ("cpu", "keda"))


@every_overlay
def test_the_gateway_sends_the_contracts_services_to_who_serves_them(overlay: str) -> None:
    routes = of_kind(overlay, "GRPCRoute").values()
    sent = {
        match["method"]["service"]: (backend["name"], backend["port"])
        for route in routes
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for backend in rule["backendRefs"]
    }
    if overlay == "all-in-one":
        assert not sent
        return
    for module, name in ((motion_transfer_pb2, "orchestrator"), (relay_pb2, "relay")):
        (service,) = module.DESCRIPTOR.services_by_name.values()
        (port,) = (p["containerPort"] for p in ours(overlay)[name]["ports"] if p["name"] == "grpc")
        assert sent[service.full_name] == (name, port)


def test_sessions_that_go_through_the_gateway_last() -> None:
    """By default Envoy Gateway ends a call 15 s after its last message."""
    (policy,) = of_kind("cpu", "BackendTrafficPolicy").values()
    (route,) = of_kind("cpu", "GRPCRoute").values()
    (target,) = policy["spec"]["targetRefs"]
    assert (target["kind"], target["name"]) == ("GRPCRoute", route["metadata"]["name"])
    assert policy["spec"]["timeout"]["http"]["requestTimeout"] == "0s"


def test_services_wait_for_triton_and_do_not_end_meanwhile() -> None:
    """A service that starts before Triton has an address exits, and kubelet backs off."""
    (triton,) = (one for name, one in of_kind("triton", "Service").items() if name == "triton")
    ports = {port["port"] for port in triton["spec"]["ports"]}
    for name in ("keypoint", "predictor", "synthesis"):
        (waiting,) = pod_of(of_kind("triton", "Deployment")[name])["initContainers"]
        (asked,) = re.findall(r'\("triton", (\d+)\)', waiting["command"][-1])
        assert int(asked) in ports
        compile(waiting["command"][-1], name, "exec")


def test_triton_is_told_what_compose_tells_it() -> None:
    (triton,) = pod_of(of_kind("triton", "Deployment")["triton"])["containers"]
    compose = yaml.safe_load((DEPLOY / "compose.triton.yaml").read_text("utf-8"))
    theirs = compose["services"]["triton"]
    plain = [re.sub(r"\$\{(\w+):\?[^}]*\}", r"$(\1)", one) for one in theirs["command"]]
    assert [*triton["command"], *triton["args"]] == plain
    assert triton["image"] == theirs["image"]
    assert triton["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_cluster_has_the_jobs_that_rules_ask_for() -> None:
    (monitor,) = of_kind("cpu", "ServiceMonitor").values()
    assert monitor["spec"]["jobLabel"] == COMPONENT
    jobs = {
        service["metadata"]["labels"][COMPONENT] for service in of_kind("cpu", "Service").values()
    }
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    assert {job["job_name"] for job in config["scrape_configs"]} <= jobs
