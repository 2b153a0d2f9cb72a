"""Ensembles return the same as the three services for all kinds of input."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from itertools import islice
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from support.raw_sessions import Session, cast, config, frame, packet, source
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points
from support.triton_server import skip_without_triton

from motioncast import orchestrator
from motioncast.client.video import read_video
from motioncast.inference import Engine, OnnxRuntimeEngine, default_repository
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings, ServiceAddresses
from motioncast.serving import Metrics, Server, ServerSettings
from motioncast.triton import TritonEngine, TritonSettings
from motioncast.v1.common_pb2 import IMAGE_ENCODING_PNG
from motioncast.v1.motion_transfer_pb2 import (
    TRANSFER_MODE_TRANSFER,
    StreamRequest,
    TransferMode,
)
from motioncast.wire.errors import InvalidInputError

LIMIT = OrchestratorSettings(call_timeout_seconds=20)


def picture(index: int) -> NDArray[np.uint8]:
    """Returns a frame whose two points move at varying speed."""
    return image_with_points((2 + index * index % 11, 3 + index % 9), (9 - index % 5, 7))


def points(index: int) -> NDArray[np.float32]:
    """Returns keypoints that move near the border, where forecasts overshoot."""
    x = 0.9 * np.sin(0.7 * index)
    return np.array([[x, 0.1 * (index % 7), 0.5], [-x, 0.9, 0.2]], np.float32)


def frames(*indices: int) -> list[StreamRequest]:
    return [frame(index, picture(index)) for index in indices]


def packets(*indices: int) -> list[StreamRequest]:
    return [packet(index, points(index)) for index in indices]


def session(
    sent: Iterable[StreamRequest],
    observed: int = 1,
    predicted: int = 0,
    mode: TransferMode.ValueType | None = None,
    **fields: bool | int,
) -> list[StreamRequest]:
    return [
        config(observed_frames=observed, predicted_frames=predicted, mode=mode, **fields),
        source(picture(0)),
        *sent,
    ]


MIXED = [*frames(0), *packets(1), *frames(2), *packets(6, 7), *frames(8), *packets(12)]
SESSIONS = {
    "frames": session(frames(0, 1, 2, 5, 6, 7, 10, 11), 3, 2),
    "keypoints": session(packets(0, 1, 4, 5, 8, 9), 2, 2),
    "every frame": session(frames(*range(9))),
    "every keypoint set": session(packets(*range(9))),
    "a mixture": session(MIXED, 3, 3),
    "lost frames": session(frames(0, 1, 2, 6, 7, 9), 4, 0),
    "a lost start": session(frames(2, 3, 6, 7), 4, 1),
    "nothing at first": session(packets(15, 21, 22), 2, 5),
    "a forecast of 80 frames": session(frames(0, 81, 162), 1, 80),
    "drawn paths": session(packets(0, 1, 2, 6, 7, 8), 3, 3, seed=7),
    "PNG": session(frames(0, 1, 4, 5), 2, 2, output_encoding=IMAGE_ENCODING_PNG),
    "relative motion": session(
        frames(1, 2, 3, 6, 7, 8), 4, 2, TRANSFER_MODE_TRANSFER, relative_motion=True
    ),
    "a gap after 300 frames": session(packets(*range(300), 303), frame_count=305),
}


# Moves to the right by 0.5 per frame and stops at the border of a keypoint's range.
STOPS_AT_THE_BORDER = [
    packet(t, np.array([[x, 0.5, 0.5], [0, 0, 0.5]], np.float32))
    for t, x in enumerate((0.0, 0.5, 1.0, 1.0))
]


@asynccontextmanager
async def orchestrate(behind: ServiceAddresses | Engine) -> AsyncIterator[Server]:
    metrics = Metrics()
    async with (
        orchestrator.registration(behind, LIMIT, metrics) as registered,
        Server(ServerSettings(drain_grace_seconds=0.5), [registered], metrics) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_joined_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
async def engine(repository: Path) -> AsyncIterator[Engine]:
    async with OnnxRuntimeEngine(repository) as engine:
        yield engine


@pytest.fixture
async def services(repository: Path) -> AsyncIterator[str]:
    async with LocalServices(
        LocalSettings(repository=repository, drain_grace_seconds=0.5)
    ) as local:
        yield local.target


def values(session: Session, field: str) -> NDArray[np.float32]:
    """Returns keypoints or half-widths of every frame; NaN if a frame has none."""
    sets = [getattr(one, field) for one in session.frames]
    none = np.full((3, session.config.keypoints), np.nan)
    return np.array([[one.x, one.y, one.intensity] if one.x else none for one in sets], np.float32)


def pixels(session: Session) -> NDArray[np.int64]:
    """Returns the first pixel of every frame; toy frames are uniform."""
    if session.config.output_encoding == IMAGE_ENCODING_PNG:
        return np.array([len(one.image.data) > 0 for one in session.frames], np.int64)
    return np.array([image[0, 0] for image in session.images()], np.int64)


def check_same(got: Session, expected: Session, atol: float = 0) -> None:
    """Checks that two sessions gave equal frames and reports, bit-identical unless atol > 0."""
    assert got.origins == expected.origins
    assert got.config == expected.config
    for field in ("keypoints", "half_width90"):
        np.testing.assert_allclose(values(got, field), values(expected, field), rtol=0, atol=atol)
    for kind in ("config", "source", "frames", "keypoints"):
        assert getattr(got.report.bytes, kind) == getattr(expected.report.bytes, kind)
    for field in ("observed_frames", "predicted_frames", "concealed_frames", "bits_per_second"):
        assert getattr(got.report, field) == getattr(expected.report, field)
    errors = got.report.forecast_error, expected.report.forecast_error
    assert errors[0] == pytest.approx(errors[1], rel=0, abs=atol)


@pytest.mark.parametrize("name", SESSIONS)
async def test_both_give_the_same_frames_and_the_same_report(
    name: str, engine: Engine, services: str
) -> None:
    expected = await cast(services, SESSIONS[name])
    async with orchestrate(engine) as server:
        got = await cast(server.address, SESSIONS[name])
    check_same(got, expected)
    assert np.abs(pixels(got) - pixels(expected)).max() <= 1


@pytest.mark.parametrize("behind", ["services", "ensembles"])
async def test_a_forecast_past_the_border_is_used_and_measured_at_the_border(
    behind: str, engine: Engine, services: str
) -> None:
    lost = session(STOPS_AT_THE_BORDER[:3], frame_count=4)  # x is forecast as 1.5
    stopped = session(STOPS_AT_THE_BORDER, frame_count=5)
    async with orchestrate(engine) as server:
        target = services if behind == "services" else server.address
        of_lost, of_stopped = await cast(target, lost), await cast(target, stopped)
    assert values(of_lost, "keypoints")[3].tolist() == [[1, 0], [0.5, 0], [0.5, 0.5]]
    # Frame 1: held, 0.5 off. Frame 2: forecast at 1; frame 3: at 1.5, clamped to 1; both exact.
    assert of_stopped.report.forecast_error == pytest.approx((0.5 + 0 + 0) / 2 / 3, abs=1e-6)


async def test_the_real_triton_gives_the_same_too(repository: Path, services: str) -> None:
    skip_without_triton()
    async with (
        TritonEngine(TritonSettings(repository, drain_seconds=1)) as triton,
        orchestrate(triton) as server,
    ):
        for name in ("frames", "keypoints", "every frame", "a mixture", "a lost start"):
            got = await cast(server.address, SESSIONS[name])
            expected = await cast(services, SESSIONS[name])
            check_same(got, expected, atol=1e-5)  # another build of ONNX Runtime
            assert np.abs(pixels(got) - pixels(expected)).max() <= 1


async def test_the_shipped_models_give_the_same_images_to_the_declared_tolerance() -> None:
    clip = Path(str(resources.files("motioncast.cli").joinpath("assets/grid_sbwu5s.mp4")))
    with read_video(clip, 128) as video:
        sent = list(islice(video.frames, 12))
    requests = [
        config(model="lite128", observed_frames=3, predicted_frames=3),
        source(sent[0]),
        *(frame(index, sent[index]) for index in (0, 1, 2, 6, 7, 8)),
    ]
    async with LocalServices() as local:
        expected = await cast(local.target, requests)
        async with OnnxRuntimeEngine(default_repository()) as engine, orchestrate(engine) as server:
            got = await cast(server.address, requests)
    check_same(got, expected)
    ours, theirs = np.stack(list(got.images())), np.stack(list(expected.images()))
    difference = np.abs(ours.astype(int) - theirs)
    assert ours.std() > 10  # not a uniform colour
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.002


async def test_frames_before_the_first_observed_one_show_the_source(engine: Engine) -> None:
    async with orchestrate(engine) as server:
        got = await cast(server.address, SESSIONS["a lost start"])
    assert got.origins == "CCOOPCOOCP"
    keypoints = values(got, "keypoints")
    np.testing.assert_array_equal(keypoints[0], keypoints[1])
    assert np.isnan(values(got, "half_width90")[:2]).all()


async def test_a_group_is_one_call_of_an_ensemble(engine: Engine) -> None:
    async with orchestrate(engine) as server:
        sent = await cast(server.address, SESSIONS["frames"])
        received = await cast(server.address, SESSIONS["keypoints"])
        registry = server.metrics.registry

        def calls(model: str) -> float | None:
            name = "motioncast_inference_seconds_count"
            return registry.get_sample_value(name, {"model": model})

        assert 1 <= (calls("toy_motion_transfer") or 0) <= 3
        assert 1 <= (calls("toy_forecast") or 0) <= 3
        assert calls("toy_keypoint") == 2  # for the sources
        assert calls("toy_predictor") is calls("toy_synthesis") is None
        stages = registry.get_sample_value("motioncast_stage_seconds_count", {"stage": "ensemble"})
    for one in (*sent.frames, *received.frames):
        timings = one.timings
        assert 0 < timings.ensemble_inference_ms <= timings.ensemble_ms <= timings.total_ms
        assert timings.keypoint_ms == timings.predictor_ms == timings.synthesis_ms == 0
    counts = {stage.stage: stage.count for stage in sent.report.latency}
    assert counts["ensemble"] == counts["total"] > 0
    assert stages == sum(
        stage.count
        for one in (sent, received)
        for stage in one.report.latency
        if stage.stage == "ensemble"
    )


async def test_what_no_ensemble_can_do_is_told_stage_by_stage(engine: Engine) -> None:
    async with orchestrate(engine) as server:
        got = await cast(server.address, SESSIONS["relative motion"])
    for one in got.frames:
        assert one.timings.ensemble_ms == 0
        assert one.timings.synthesis_ms > 0


async def test_models_without_ensembles_are_refused_at_the_start(tmp_path: Path) -> None:
    repository = build_joined_repository(tmp_path)
    async with OnnxRuntimeEngine(repository) as engine:
        await engine.unload("toy_forecast")
        with pytest.raises(InvalidInputError, match="needs toy_forecast, which is not served"):
            async with orchestrate(engine):
                pass


async def test_a_model_that_goes_is_named_to_the_client(engine: Engine) -> None:
    assert isinstance(engine, OnnxRuntimeEngine)
    async with orchestrate(engine) as server:
        await engine.unload("toy_path")
        with pytest.raises(grpc.RpcError) as failed:
            await cast(server.address, SESSIONS["frames"])
        await engine.load("toy_path")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "toy_path is not served" in str(failed.value.details())
