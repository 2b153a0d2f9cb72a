"""Calls of the KServe v2 server that end early: unknown, late, cancelled, or during draining."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.endless_models import build_endless_repository
from support.kserve_requests import refusal, request, runs
from support.kserve_server import KServeServed, serving_kserve
from tritonclient.grpc import service_pb2

from motioncast.inference import OnnxRuntimeSettings
from motioncast.serving import ServerSettings


async def test_what_the_server_has_not_is_unimplemented(served: KServeServed) -> None:
    asked = service_pb2.TraceSettingRequest()
    assert await refusal(served.stub.TraceSetting(asked)) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "inference.GRPCInferenceService/TraceSetting is not served here",
    )


async def test_a_deadline_or_a_cancellation_ends_the_run(tmp_path: Path) -> None:
    one = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    repository = build_endless_repository(tmp_path)
    async with serving_kserve(repository, engine_settings=one) as served:
        status, _ = await refusal(served.stub.ModelInfer(request(), timeout=0.3))
        assert status is grpc.StatusCode.DEADLINE_EXCEEDED
        call = served.stub.ModelInfer(request())
        await runs(served, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        state = np.zeros((1, 13), np.float32)
        inputs = {"observed": state[:, :1], "noise": state[:, None, :2], "state": state}
        inputs["keypoints"] = np.zeros((1, 1, 2, 3), np.float32)
        # There is one thread, so this runs only if the endless runs were stopped.
        await served.engine.infer("toy_predictor", inputs)


async def test_draining_is_told_and_refuses_runs_with_a_hint(tmp_path: Path) -> None:
    one = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    settings = ServerSettings(drain_grace_seconds=30)
    repository = build_endless_repository(tmp_path)
    async with serving_kserve(repository, settings, one) as served:
        running = served.stub.ModelInfer(request())
        await runs(served, 1)
        draining = asyncio.ensure_future(served.server.drain())
        await asyncio.sleep(0)
        ready = await served.stub.ServerReady(service_pb2.ServerReadyRequest())
        assert not ready.ready
        refused = served.stub.ModelInfer(request())
        status, _ = await refusal(refused)
        assert status is grpc.StatusCode.UNAVAILABLE
        details = await rpc_status.aio.from_call(refused)
        assert details is not None
        retry = error_details_pb2.RetryInfo()
        assert any(each.Unpack(retry) for each in details.details)
        assert retry.retry_delay.ToSeconds() == 1
        running.cancel()
        await draining
