"""The metrics of all services in one process: everything documented, each exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import grpc.aio
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.http import get
from support.raw_sessions import cast, config, frame, open_stub, source
from support.toy_models import build_toy_repository

from motioncast.inference.checksums import write_checksums
from motioncast.local import LocalServices, LocalSettings, Ports
from motioncast.local.metrics_page import TRITON, sample_names
from motioncast.orchestrator import OrchestratorSettings, seats

IMAGE = np.full((16, 16, 3), 100, np.uint8)
HTTP = Ports(grpc=0, http=0)
Shown = Mapping[tuple[str, str], list[tuple[Mapping[str, str], float]]]  # by server and sample


def settings(repository: Path, max_sessions: int = 64) -> LocalSettings:
    return LocalSettings(
        repository=repository,
        orchestrator_ports=HTTP,
        keypoint_ports=HTTP,
        predictor_ports=HTTP,
        synthesis_ports=HTTP,
        orchestrator=OrchestratorSettings(max_sessions=max_sessions),
    )


async def shown(local: LocalServices) -> Shown:
    samples: dict[tuple[str, str], list[tuple[Mapping[str, str], float]]] = {}
    for name, server in local.servers.items():
        text = (await get(server, "/metrics")).body.decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                one = (sample.labels, sample.value)
                samples.setdefault((name, sample.name), []).append(one)
    return samples


async def test_everything_documented_is_shown_and_everything_shown_is_documented(
    toy_repository: Path,
) -> None:
    async with LocalServices(settings(toy_repository)) as local:
        await cast(local.target, [config(predicted_frames=1), source(IMAGE), frame(0, IMAGE)])
        names = {name for _, name in await shown(local) if not name.endswith("_created")}
    encrypted = {"motioncast_certificate_expires_timestamp_seconds"}  # only on encrypted ports
    documented = sample_names() - {name for name, *_ in TRITON} - {"up"} - encrypted
    assert names == documented


async def test_the_process_is_counted_once(toy_repository: Path) -> None:
    async with LocalServices(settings(toy_repository)) as local:
        samples = await shown(local)
    telling = [server for server, name in samples if name == "process_resident_memory_bytes"]
    assert telling == ["orchestrator"]


async def test_a_model_is_shown_with_the_checksum_of_its_file(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    write_checksums(tmp_path / "toy_synthesis")
    data = (tmp_path / "toy_synthesis" / "1" / "model.onnx").read_bytes()
    async with LocalServices(settings(tmp_path)) as local:
        samples = await shown(local)
    for server in ("keypoint", "predictor", "synthesis"):
        models = {labels["model"]: labels for labels, _ in samples[server, "motioncast_model_info"]}
        assert models["toy_synthesis"]["sha256"] == hashlib.sha256(data).hexdigest()
        assert models["toy_synthesis"]["version"] == "1"
        assert models["toy_keypoint"]["sha256"] == ""
        ready = {
            labels["model"]: value for labels, value in samples[server, "motioncast_model_ready"]
        }
        assert ready["toy_synthesis"] == 1


async def test_a_model_that_cannot_be_served_is_shown_as_such(tmp_path: Path) -> None:
    build_toy_repository(tmp_path)
    write_checksums(tmp_path / "toy_synthesis")
    build_toy_repository(tmp_path, "other")
    (tmp_path / "other_synthesis" / "1" / "model.onnx").write_bytes(b"torn")
    async with LocalServices(settings(tmp_path)) as local:
        samples = await shown(local)
    ready = {
        labels["model"]: value for labels, value in samples["keypoint", "motioncast_model_ready"]
    }
    assert (ready["other_synthesis"], ready["toy_synthesis"]) == (0, 1)
    served = {labels["model"] for labels, _ in samples["keypoint", "motioncast_model_info"]}
    assert "other_synthesis" not in served


async def test_observed_frames_are_timed_from_their_arrival(toy_repository: Path) -> None:
    async with LocalServices(settings(toy_repository)) as local:
        requests = [config(predicted_frames=1), source(IMAGE), frame(0, IMAGE), frame(2, IMAGE)]
        assert (await cast(local.target, requests)).origins == "OPOP"
        samples = await shown(local)
    name = "motioncast_arrival_to_result_seconds"
    assert samples["orchestrator", f"{name}_count"] == [({}, 2)]
    [(_, total)] = samples["orchestrator", f"{name}_sum"]
    stages = samples["orchestrator", "motioncast_stage_seconds_sum"]
    assert total >= sum(value for labels, value in stages if labels["stage"] == "total") / 2


async def test_sessions_admitted_and_refused_are_counted(
    toy_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "_SILENT_SECONDS", 600.0)  # tolerates a slow machine
    async with (
        LocalServices(settings(toy_repository, max_sessions=1)) as local,
        open_stub(local.target) as stub,
    ):
        seated = stub.Stream()
        for request in (config(), source(IMAGE), frame(0, IMAGE)):
            await seated.write(request)
        responses = aiter(seated)
        assert (await anext(responses)).HasField("config")
        assert (await anext(responses)).HasField("frame")
        with pytest.raises(grpc.aio.AioRpcError, match="the limit"):
            [response async for response in stub.Stream()]
        samples = await shown(local)
    assert samples["orchestrator", "motioncast_sessions_limit"] == [({}, 1)]
    assert samples["orchestrator", "motioncast_sessions"] == [({}, 1)]
    assert samples["orchestrator", "motioncast_sessions_admitted_total"] == [({}, 1)]
    refused = [
        (labels["reason"], value)
        for labels, value in samples["orchestrator", "motioncast_sessions_refused_total"]
        if value
    ]
    assert refused == [("places", 1)]
