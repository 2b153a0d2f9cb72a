"""The Kubernetes manifests are complete, safe, and agree with the command line and servers.

They are assembled by `kubectl kustomize` and validated against Kubernetes's schemas by the package
kubernetes-validate; if either is missing, its tests are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml
from support.manifests import (
    COMPONENT,
    DEPLOY,
    TREE,
    assembled,
    every_overlay,
    folder_of,
    kustomized,
    of_kind,
    ours,
    pod_of,
    settings_of,
)

from motioncast.cli.serve_settings import SECTIONS
from motioncast.cli.serving import ports_of_one
from motioncast.cli.settings_sources import from_environment, from_file
from motioncast.inference.kserve.errors import SECRET_VARIABLE
from motioncast.inference.repository import ENVIRONMENT_VARIABLE

SCHEMAS: Final = "1.35"  # of Kubernetes
OF_OTHERS: Final = {  # kinds without schemas in the package
    "BackendTrafficPolicy",
    "Gateway",
    "GRPCRoute",
    "PrometheusRule",
    "ScaledObject",
    "ServiceMonitor",
}
IN_NO_OVERLAY: Final = ("models-image", "tls", "traces")  # optional components


def test_every_file_of_the_tree_is_part_of_something_and_can_be_read() -> None:
    files = set(TREE.rglob("*.yaml")) | set(TREE.rglob("*.toml"))
    used = set()
    for file in TREE.rglob("kustomization.yaml"):
        used.add(file)
        text = yaml.safe_load(file.read_text("utf-8"))
        names = [*text.get("resources", ()), *text.get("components", ())]
        names += [patch["path"] for patch in text.get("patches", ()) if "path" in patch]
        names += [name for one in text.get("configMapGenerator", ()) for name in one["files"]]
        for name in names:
            path = (file.parent / name).resolve()
            assert path.exists(), f"{file}: {name}"
            used.add(path / "kustomization.yaml" if path.is_dir() else path)
    unused = {file for file in files - used if file.parent.parent.name != "overlays"}
    assert unused == set()
    for file in TREE.rglob("*.yaml"):
        assert all(yaml.safe_load_all(file.read_text("utf-8"))), file
    for file in TREE.rglob("*.toml"):
        from_file(file, SECTIONS)


@every_overlay
def test_manifests_obey_kubernetes_schemas(overlay: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for manifest in assembled(overlay):
        if manifest["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(manifest, SCHEMAS, strict=True)


@pytest.mark.parametrize("component", IN_NO_OVERLAY)
def test_components_that_no_overlay_has_are_taken_by_one(component: str, tmp_path: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    shutil.copytree(TREE, tmp_path / "tree")
    folder = tmp_path / "tree" / "overlays" / "cpu"
    file = folder / "kustomization.yaml"
    file.write_text(file.read_text("utf-8") + f"  - ../../components/{component}\n", "utf-8")
    before = {json.dumps(one) for one in assembled("cpu")}
    changed = [one for one in kustomized(folder) if json.dumps(one) not in before]
    assert {one["metadata"]["name"] for one in changed} >= {"keypoint", "predictor", "synthesis"}
    for manifest in changed:
        if manifest["kind"] not in OF_OTHERS:
            kubernetes_validate.validate(manifest, SCHEMAS, strict=True)
        if component == "tls" and manifest["kind"] == "Deployment":
            (container,) = pod_of(manifest)["containers"]
            probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness")]
            assert {one["scheme"] for one in probes} == {"HTTPS"}
            assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


@every_overlay
def test_every_image_has_a_tag_and_ours_has_one(overlay: str) -> None:
    pods = [pod_of(one) for one in of_kind(overlay, "Deployment").values()]
    containers = [
        one for pod in pods for one in (*pod["containers"], *pod.get("initContainers", ()))
    ]
    images = {one["image"] for one in containers}
    assert all(":" in image for image in images)
    assert len({image for image in images if image.startswith("motioncast")}) == 1


def test_the_cluster_has_the_rules_of_prometheus() -> None:
    script = DEPLOY / "prometheus" / "write_rules.py"
    ended = subprocess.run(
        [sys.executable, str(script), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@every_overlay
def test_arguments_and_ports_are_those_of_the_command_line(overlay: str) -> None:
    containers = ours(overlay)
    assert containers
    for name, container in containers.items():
        service, settings = settings_of(container, folder_of(overlay))
        assert service == (None if overlay == "all-in-one" else name)
        assert settings.listen.host == "0.0.0.0"
        assert settings.listen.insecure
        ports = ports_of_one(settings.listen, service or "orchestrator")
        named = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert named == {"grpc": ports.grpc, "http": ports.http}


@every_overlay
def test_variables_of_the_environment_are_settings(overlay: str) -> None:
    for container in ours(overlay).values():
        variables = {one["name"]: one.get("value", "x") for one in container.get("env", ())}
        others = {SECRET_VARIABLE, ENVIRONMENT_VARIABLE}
        read = from_environment(variables, SECTIONS, others)
        assert len(read) == len(set(variables) - others)


@every_overlay
def test_probes_ask_for_what_the_servers_answer(overlay: str) -> None:
    for container in ours(overlay).values():
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["http"]
        # A service waiting for another has started; only its readiness depends on the other.
        assert container["startupProbe"]["httpGet"] == {"path": "/live", "port": "http"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}


@every_overlay
def test_the_orchestrator_is_told_where_the_others_listen(overlay: str) -> None:
    if overlay == "all-in-one":
        return
    _, settings = settings_of(ours(overlay)["orchestrator"], folder_of(overlay))
    services = of_kind(overlay, "Service")
    for name in ("keypoint", "predictor", "synthesis"):
        (grpc,) = (port for port in services[name]["spec"]["ports"] if port["name"] == "grpc")
        assert getattr(settings.services, name) == f"dns:///{name}:{grpc['port']}"
        assert services[name]["spec"]["clusterIP"] == "None"  # every replica's address


@every_overlay
def test_pods_have_no_privileges(overlay: str) -> None:
    for deployment in of_kind(overlay, "Deployment").values():
        pod = pod_of(deployment)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@every_overlay
def test_threads_follow_whole_processors(overlay: str) -> None:
    """ONNX Runtime uses one thread per CPU of the quota."""
    for container in ours(overlay).values():
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert int(resources["limits"]["cpu"]) >= 1


@every_overlay
def test_pods_end_after_their_running_calls(overlay: str) -> None:
    for name, container in ours(overlay).items():
        _, settings = settings_of(container, folder_of(overlay))
        pod = pod_of(of_kind(overlay, "Deployment")[name])
        waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > waits + settings.calls.drain_grace


@every_overlay
def test_selectors_find_pods_and_targets_exist(overlay: str) -> None:
    deployments = of_kind(overlay, "Deployment")
    labels = {
        name: one["spec"]["template"]["metadata"]["labels"] for name, one in deployments.items()
    }
    for name, deployment in deployments.items():
        wanted = deployment["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= labels[name].items()
    for name, service in of_kind(overlay, "Service").items():
        wanted = service["spec"]["selector"]
        found = [one for one in deployments if wanted.items() <= labels[one].items()]
        assert found == [name]
        (container,) = pod_of(deployments[name])["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for name, budget in of_kind(overlay, "PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels[name].items()
        assert deployments[name]["spec"].get("replicas", 2) > 1
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for one in of_kind(overlay, kind).values():
            target = one["spec"]["scaleTargetRef"]["name"]
            assert "replicas" not in deployments[target]["spec"]  # it would be set twice
    for policy in of_kind(overlay, "NetworkPolicy").values():
        components = set(re.findall(rf'"{COMPONENT}": "(\w+)"', json.dumps(policy)))
        assert components - {"client"} <= {one[COMPONENT] for one in labels.values()}
