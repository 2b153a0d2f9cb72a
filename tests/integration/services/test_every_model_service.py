"""Behaviour common to the three model services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from support.endless_models import build_endless_repository
from support.model_services import ModelsServed, refusal, serving_models
from support.toy_models import build_toy_repository, image_with_points

from motioncast import keypoint
from motioncast.inference import OnnxRuntimeEngine, OnnxRuntimeSettings
from motioncast.serving import Metrics
from motioncast.v1.common_pb2 import KeypointSet
from motioncast.v1.keypoint_pb2 import DetectRequest
from motioncast.v1.predictor_pb2 import ObservedFrame, PredictRequest
from motioncast.v1.synthesis_pb2 import SynthesizeRequest
from motioncast.wire.errors import UnknownModelError
from motioncast.wire.images import encode_image

_IMAGE = encode_image(image_with_points((1, 2), (3, 4)))
_POINTS = KeypointSet(x=[0, 0.5], y=[0, -0.5], intensity=[1, 0.5])

Call = Callable[..., Any]


def detect(served: ModelsServed, model: str, **options: Any) -> Any:
    return served.keypoint.Detect(DetectRequest(model=model, images=[_IMAGE]), **options)


def predict(served: ModelsServed, model: str, **options: Any) -> Any:
    observed = [ObservedFrame(index=0, keypoints=_POINTS)]
    request = PredictRequest(model=model, observed=observed, horizon=1)
    return served.predictor.Predict(request, **options)


def synthesise(served: ModelsServed, model: str, **options: Any) -> Any:
    request = SynthesizeRequest(
        model=model, source=_IMAGE, source_keypoints=_POINTS, driving_keypoints=[_POINTS]
    )
    return served.synthesis.Synthesize(request, **options)


every_service = pytest.mark.parametrize(
    ("call", "part"),
    [(detect, "keypoint"), (predict, "predictor"), (synthesise, "synthesis")],
    ids=["keypoint", "predictor", "synthesis"],
)


@every_service
async def test_an_unknown_model_is_told_with_those_that_are_served(
    served: ModelsServed, call: Call, part: str
) -> None:
    error = await refusal(call(served, "lite9"))
    assert isinstance(error, UnknownModelError)
    assert str(error) == "model: 'lite9' is not served; available: toy"
    assert error.field == "model"


@every_service
async def test_the_model_that_a_request_names_is_run_else_the_default(
    tmp_path: Path, call: Call, part: str
) -> None:
    for name in ("alpha", "beta"):
        build_toy_repository(tmp_path, name)
    async with serving_models(tmp_path, default_model="beta") as served:
        for name in ("", "", "", "alpha", "beta"):
            await call(served, name)
        counts = {
            name: served.metric("motioncast_inference_seconds_count", model=f"{name}_{part}")
            for name in ("alpha", "beta")
        }
    assert counts == {"alpha": 1, "beta": 4}


@every_service
async def test_inference_ms_is_the_time_that_the_metric_shows(
    served: ModelsServed, call: Call, part: str
) -> None:
    response = await call(served, "")
    seconds = served.metric("motioncast_inference_seconds_sum", model=f"toy_{part}")
    assert response.inference_ms == pytest.approx(1000 * (seconds or 0))


@every_service
async def test_calls_at_once_do_not_disturb_one_another(
    served: ModelsServed, call: Call, part: str
) -> None:
    alone = await call(served, "")
    responses = await asyncio.gather(*(call(served, "") for _ in range(30)))
    for response in responses:
        response.inference_ms = alone.inference_ms
    assert all(response == alone for response in responses)


async def test_each_service_is_healthy_while_its_engine_is_open(served: ModelsServed) -> None:
    health: Any = HealthStub(served.channel)  # the stubs lack the asynchronous API
    for name in ("KeypointService", "PredictorService", "SynthesisService"):
        request = HealthCheckRequest(service=f"motioncast.v1.{name}")
        assert (await health.Check(request)).status == HealthCheckResponse.SERVING


async def test_a_service_is_not_ready_once_its_engine_is_closed(toy_repository: Path) -> None:
    async with OnnxRuntimeEngine(toy_repository) as engine:
        registration = keypoint.registration(engine, metrics=Metrics())
        assert await registration.ready()
    assert not await registration.ready()


async def test_a_default_that_is_not_there_is_told_at_the_start(toy_repository: Path) -> None:
    async with OnnxRuntimeEngine(toy_repository) as engine:
        with pytest.raises(UnknownModelError, match=r"^model: 'lite9' is not served"):
            keypoint.registration(engine, default_model="lite9", metrics=Metrics())


async def test_a_call_whose_deadline_passes_leaves_the_engine_to_the_others(
    tmp_path: Path,
) -> None:
    one_thread = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    async with serving_models(build_endless_repository(tmp_path), one_thread) as served:
        with pytest.raises(grpc.aio.AioRpcError) as got:
            await detect(served, "", timeout=0.3)
        assert got.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert len((await predict(served, "")).predicted) == 1


async def test_a_call_that_its_client_cancels_leaves_the_engine_to_the_others(
    tmp_path: Path,
) -> None:
    one_thread = OnnxRuntimeSettings(intra_op_threads=1, max_concurrent_runs=1)
    async with serving_models(build_endless_repository(tmp_path), one_thread) as served:
        endless = asyncio.ensure_future(answer(detect(served, "")))
        await until_in_flight(served, 1)
        behind = asyncio.ensure_future(answer(predict(served, "")))
        await until_in_flight(served, 2)
        endless.cancel()
        assert len((await behind).predicted) == 1


async def answer(call: Any) -> Any:
    return await call


async def until_in_flight(served: ModelsServed, calls: int) -> None:
    """Waits until a number of calls are in flight; fails after a minute."""
    async with asyncio.timeout(60):
        while served.metric("motioncast_calls_in_flight") != calls:
            await asyncio.sleep(0)
