"""Traces of real services, as received by a real collector."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from support.collector import Collector, Tree, collecting
from support.raw_sessions import cast, config, frame, open_stub, source
from support.tiny_services import KEYPOINT_SERVICE, serving
from support.toy_ensembles import build_joined_repository

from motioncast.local import LocalServices, LocalSettings
from motioncast.serving.logs import JsonFormatter
from motioncast.serving.sessions import SessionFilter
from motioncast.tracing import (
    Parts,
    TraceSettings,
    ids,
    span,
    traced_channel,
    tracing,
)
from motioncast.tracing.parts import FIRST
from motioncast.v1.keypoint_pb2 import DetectRequest, DetectResponse
from motioncast.v1.keypoint_pb2_grpc import KeypointServiceStub

IMAGE = np.full((16, 16, 3), 100, np.uint8)
SESSION = [config(predicted_frames=1), source(IMAGE), frame(0, IMAGE), frame(2, IMAGE)]
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # from W3C's recommendation


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def call(method: str, model: str) -> Tree:
    """Returns the span tree of a call to a service that runs one model."""
    return f"client {method}", ((f"server {method}", ((f"internal infer {model}", ()),)),)


async def test_a_session_is_a_tree_from_the_stream_to_the_models(
    toy_repository: Path, collector: Collector
) -> None:
    with tracing(TraceSettings(collector.endpoint)):
        async with LocalServices(LocalSettings(repository=toy_repository)) as local:
            assert (await cast(local.target, SESSION)).origins == "OPOP"
            ports = {name: server.port for name, server in local.servers.items()}
    group: Tree = (
        "internal group",
        (
            call("Detect", "toy_keypoint"),
            call("Predict", "toy_predictor"),
            call("Synthesize", "toy_synthesis"),
        ),
    )
    [root] = [one for one in collector.spans if not one.parent_id]
    assert collector.tree(root) == (
        "server Stream",
        (
            ("client ListModels", (("server ListModels", ()),)),
            call("Detect", "toy_keypoint"),  # for the source
            group,
            group,
        ),
    )
    assert {one.trace_id for one in collector.spans} == {root.trace_id}
    session = root.attributes["motioncast.session.id"]
    assert root.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "motioncast.v1.MotionTransferService/Stream",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": ports["orchestrator"],
        "client.address": "127.0.0.1",
        "motioncast.session.id": session,
        "motioncast.model.name": "toy",
        "motioncast.pattern": "1:1",
        "motioncast.frame_rate": 25.0,
    }
    client, server = collector.named("KeypointService/Detect")[:2]
    known = {
        "rpc.system.name": "grpc",
        "rpc.method": "motioncast.v1.KeypointService/Detect",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": ports["keypoint"],
    }
    assert client.attributes == known
    of_the_server = {"client.address": "127.0.0.1", "motioncast.session.id": session}
    assert server.attributes == known | of_the_server
    counts = [one.attributes for one in collector.named("group")]
    assert [one["motioncast.group.start"] for one in counts] == [0, 2]
    for kind, count in (("observed", 1), ("predicted", 1), ("concealed", 0)):
        assert {one[f"motioncast.group.{kind}_frames"] for one in counts} == {count}
    assert root.resource["service.name"] == "motioncast"


async def test_runs_on_a_model_server_are_parts_of_the_session(
    tmp_path: Path, collector: Collector
) -> None:
    build_joined_repository(tmp_path)
    with tracing(TraceSettings(collector.endpoint)):
        settings = LocalSettings(repository=tmp_path, pipeline="ensemble")
        async with LocalServices(settings) as local:
            assert (await cast(local.target, SESSION)).origins == "OPOP"

    def run(model: str) -> Tree:
        inside = (f"internal infer {model}", ())
        return (
            f"internal infer {model}",
            (("client ModelInfer", (("server ModelInfer", (inside,)),)),),
        )

    [root] = [one for one in collector.spans if not one.parent_id]
    group: Tree = ("internal group", (run("toy_motion_transfer"),))
    assert collector.tree(root) == ("server Stream", (run("toy_keypoint"), group, group))


@pytest.mark.parametrize("callers", [False, True])
async def test_who_calls_from_outside_continues_a_trace_only_where_that_is_allowed(
    toy_repository: Path, collector: Collector, callers: bool
) -> None:
    with tracing(TraceSettings(collector.endpoint, callers=callers)):
        async with (
            LocalServices(LocalSettings(repository=toy_repository)) as local,
            open_stub(local.target) as stub,
        ):
            requests = iter(SESSION)
            stream = stub.Stream(requests, metadata=(("traceparent", CALLER),))
            assert [one async for one in stream][-1].HasField("report")
    _, trace_id, span_id, _ = CALLER.split("-")
    [root] = [one for one in collector.named("Stream") if one.kind == "server"]
    links = [(one.trace_id.hex(), one.span_id.hex()) for one in root.message.links]
    if callers:
        assert (root.trace_id, root.parent_id, links) == (trace_id, span_id, [])
    else:
        assert root.parent_id == ""
        assert root.trace_id != trace_id
        assert links == [(trace_id, span_id)]


async def test_what_is_not_sampled_is_traced_nowhere(
    toy_repository: Path, collector: Collector
) -> None:
    with tracing(TraceSettings(collector.endpoint, ratio=0.0)):
        async with LocalServices(LocalSettings(repository=toy_repository)) as local:
            await cast(local.target, SESSION)
    assert collector.spans == []


async def test_an_inner_service_follows_whoever_calls_it(collector: Collector) -> None:
    async def detect(request: DetectRequest, context: Any) -> DetectResponse:
        raise RuntimeError("a bug")

    with tracing(TraceSettings(collector.endpoint)):
        async with serving(detect=detect) as served:
            stub = KeypointServiceStub(served.channel)
            with pytest.raises(grpc.aio.AioRpcError, match="internal error"):
                await stub.Detect(DetectRequest(), metadata=(("traceparent", CALLER),))
    [one] = collector.named(f"{KEYPOINT_SERVICE}/Detect")
    assert (one.trace_id, one.parent_id) == tuple(CALLER.split("-")[1:3])
    assert one.attributes["rpc.response.status_code"] == "INTERNAL"
    assert one.attributes["error.type"] == "INTERNAL"
    assert one.message.status.code == one.message.status.STATUS_CODE_ERROR


async def test_a_run_that_its_caller_gives_up_is_a_span_that_was_cancelled(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def detect(request: DetectRequest, context: Any) -> DetectResponse:
        begun.set()
        await never.wait()
        return DetectResponse()

    with tracing(TraceSettings(collector.endpoint)):
        async with serving(detect=detect) as served:
            target = served.server.address
            async with grpc.aio.insecure_channel(target) as plain:
                channel = traced_channel(plain, target)
                with span("outside", {}):
                    call = asyncio.ensure_future(
                        KeypointServiceStub(channel).Detect(DetectRequest())
                    )
                    await begun.wait()
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
    client = next(one for one in collector.named("Detect") if one.kind == "client")
    server = next(one for one in collector.named("Detect") if one.kind == "server")
    assert client.attributes["rpc.response.status_code"] == "CANCELLED"
    assert server.attributes["rpc.response.status_code"] == "CANCELLED"
    assert server.parent_id == client.span_id
    assert [one for one in caplog.records if one.name.startswith("opentelemetry")] == []


def test_of_an_endless_row_of_parts_the_first_are_traced(collector: Collector) -> None:
    parts = Parts("part")
    with tracing(TraceSettings(collector.endpoint)), span("all", {}):
        for number in range(FIRST + 5):
            part = parts.begin(partial(dict, number=number), time.perf_counter())
            with part.within(), span("inside", {}):
                assert bool(ids()) == (number < FIRST)
            part.end()
    [root] = [one for one in collector.spans if not one.parent_id]
    inside: Tree = ("internal part", (("internal inside", ()),))
    assert collector.tree(root) == ("internal all", (inside,) * FIRST)
    numbers = [one.attributes["number"] for one in collector.named("part")]
    assert numbers == list(range(FIRST))


async def test_lines_of_the_log_name_session_trace_and_span(
    toy_repository: Path, collector: Collector
) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(SessionFilter())
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("motioncast.access")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        with tracing(TraceSettings(collector.endpoint)):
            async with LocalServices(LocalSettings(repository=toy_repository)) as local:
                await cast(local.target, SESSION)
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert {line["method"].rpartition("/")[2] for line in lines} == {
        "Stream",
        "ListModels",
        "Detect",
        "Predict",
        "Synthesize",
    }
    for line in lines:
        spans = [one for one in collector.named(line["method"]) if one.kind == "server"]
        assert (line["trace_id"], line["span_id"]) in {(one.trace_id, one.span_id) for one in spans}
        assert {one.attributes["motioncast.session.id"] for one in spans} == {line["session"]}
