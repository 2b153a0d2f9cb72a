"""Sessions resume on another orchestrator from every token they received.

Two sets of services share a key. After a token, the second returns the same frames as the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from numpy.typing import NDArray
from support.raw_sessions import Session, cast, config, frame, packet, source
from support.toy_ensembles import build_joined_repository
from support.toy_models import image_with_points, keypoints_of_points

from motioncast.local import LocalServices, LocalSettings
from motioncast.local.services import Pipeline
from motioncast.orchestrator import OrchestratorSettings
from motioncast.timeline.pattern import Pattern
from motioncast.v1.motion_transfer_pb2 import StreamEnd, StreamRequest
from motioncast.v1.resume_pb2 import ResumeState

KEY = "sixteen characters, and more"


def image(t: int) -> NDArray[np.uint8]:
    return image_with_points((t * t % 16, (3 * t) % 16), ((5 * t) % 16, t % 16))


def points(t: int) -> NDArray[np.float32]:
    return keypoints_of_points((t * t % 16, (3 * t) % 16), ((5 * t) % 16, t % 16))


def last_index(request: StreamRequest) -> int | None:
    """Returns the last frame index in a message; None for other messages."""
    match request.WhichOneof("message"):
        case "frame":
            return request.frame.index
        case "keypoints":
            return request.keypoints.index
    return None


def going_on(requests: list[StreamRequest], token: bytes, start: int) -> list[StreamRequest]:
    """Returns a client's messages for resuming from a token before frame `start`."""
    opening = StreamRequest()
    opening.CopyFrom(requests[0])
    opening.config.resume_token = token
    pattern = Pattern(requests[0].config.observed_frames or 1, requests[0].config.predicted_frames)
    in_force: dict[int, StreamRequest] = {}
    rest, newest = [], -1
    for request in requests[1:]:
        index = last_index(request)
        if request.HasField("source"):
            since = pattern.next_expected(newest + 1) if newest >= 0 else 0
            if since < start:
                in_force[request.source.index] = request
                continue
        elif index is not None:
            newest = index
            if index < start:
                continue
        rest.append(request)
    return [opening, *(one for _, one in sorted(in_force.items())), *rest]


def sent(count: int, pattern: Pattern, lost: frozenset[int] = frozenset()) -> list[StreamRequest]:
    return [frame(t, image(t)) for t in range(count) if pattern.expects(t) and t not in lost]


def other_source(index: int) -> StreamRequest:
    request = source(image(7), points(7))
    request.source.index = index
    return request


def end(count: int) -> StreamRequest:
    return StreamRequest(end=StreamEnd(frame_count=count))


def long_group() -> list[StreamRequest]:
    requests = sent(130, Pattern(5, 60))
    return [config(observed_frames=5, predicted_frames=60), source(image(0)), *requests]


def every_frame() -> list[StreamRequest]:
    return [config(), source(image(0)), *sent(21, Pattern(1, 0)), end(21)]


def losses() -> list[StreamRequest]:
    requests = sent(24, Pattern(2, 1), frozenset({0, 1, 6, 7, 9, 10, 15}))
    return [config(observed_frames=2, predicted_frames=1), source(image(3)), *requests, end(24)]


def moved_and_drawn() -> list[StreamRequest]:
    opening = config(
        observed_frames=2, predicted_frames=2, mode=2, relative_motion=True, seed=7, frame_count=16
    )
    return [opening, source(image(5)), *sent(16, Pattern(2, 2))]


def several_sources() -> list[StreamRequest]:
    frames = sent(24, Pattern(1, 1))
    opening = config(predicted_frames=1, frame_count=24)
    return [
        opening,
        source(image(2)),
        *frames[:3],
        other_source(1),
        *frames[3:7],
        other_source(2),
        *frames[7:9],
        other_source(1),
        *frames[9:],
    ]


def keypoints() -> list[StreamRequest]:
    packets = [packet(t, points(t)) for t in range(30) if Pattern(3, 2).expects(t)]
    return [config(observed_frames=3, predicted_frames=2), source(image(0), points(0)), *packets]


@pytest.fixture(params=["services", "ensemble"])
async def both(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[LocalServices, LocalServices]]:
    pipeline: Pipeline = request.param
    repository = build_joined_repository(tmp_path / "models")
    key = tmp_path / "key"
    key.write_text(KEY)
    settings = LocalSettings(
        repository=repository,
        pipeline=pipeline,
        drain_grace_seconds=0.5,
        orchestrator=OrchestratorSettings(resume_key=key),
    )
    async with AsyncExitStack() as exits:
        one = await exits.enter_async_context(LocalServices(settings))
        other = await exits.enter_async_context(LocalServices(replace(settings)))
        yield one, other


def same(session: Session, undisturbed: Session, start: int) -> None:
    expected = undisturbed.frames[start:]
    assert [one.index for one in session.frames] == [one.index for one in expected]
    for got, wanted in zip(session.frames, expected, strict=True):
        assert got.origin == wanted.origin
        assert got.keypoints == wanted.keypoints  # bit for bit
        assert got.half_width90 == wanted.half_width90
        assert got.image == wanted.image
        assert got.source_index == wanted.source_index


@pytest.mark.parametrize(
    "requests",
    [every_frame, losses, moved_and_drawn, several_sources, keypoints, long_group],
)
async def test_from_every_token_the_session_goes_on_as_if_nothing_had_happened(
    both: tuple[LocalServices, LocalServices], requests: Callable[[], list[StreamRequest]]
) -> None:
    one, other = both
    messages = requests()
    undisturbed = await cast(one.target, messages)
    tokens = [
        (each.index + 1, each.resume_token) for each in undisturbed.frames if each.resume_token
    ]
    assert len(tokens) >= 2
    gaps = np.diff([0, *(start for start, _ in tokens)])
    assert gaps.max() <= 32
    for start, token in tokens:
        session = await cast(other.target, going_on(messages, token, start))
        same(session, undisturbed, start)
        for field in ("observed_frames", "predicted_frames", "concealed_frames", "source_frames"):
            assert getattr(session.report, field) == getattr(undisturbed.report, field)
        assert session.report.forecast_error == pytest.approx(undisturbed.report.forecast_error)
    resumed = other.servers["orchestrator"].metrics.registry.get_sample_value(
        "motioncast_session_resumes_total", {"result": "resumed"}
    )
    assert resumed == len(tokens)


@pytest.fixture
async def token(local: LocalServices) -> bytes:
    session = await cast(local.target, keypoints())
    return session.frames[4].resume_token


async def refusal(target: str, requests: list[StreamRequest]) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.RpcError) as failed:
        await cast(target, requests)
    return failed.value.code(), failed.value.details() or ""


async def test_a_token_that_was_changed_is_refused(local: LocalServices, token: bytes) -> None:
    for place in (1, 20, 40, len(token) - 1):
        forged = bytearray(token)
        forged[place] ^= 1
        code, details = await refusal(local.target, going_on(keypoints(), bytes(forged), 5))
        assert code is StatusCode.INVALID_ARGUMENT
        assert "it was not signed with this server's key" in details
    refused = local.servers["orchestrator"].metrics.registry.get_sample_value(
        "motioncast_session_resumes_total", {"result": "refused"}
    )
    assert refused == 4


async def test_a_token_of_another_key_is_refused(
    local: LocalServices, token: bytes, toy_repository: Path
) -> None:
    async with LocalServices(LocalSettings(repository=toy_repository)) as other:
        code, details = await refusal(other.target, going_on(keypoints(), token, 5))
    assert code is StatusCode.INVALID_ARGUMENT
    assert "--resume-key" in details


@pytest.mark.parametrize(
    ("given", "code", "problem"),
    [
        (b"\x02" + bytes(60), StatusCode.FAILED_PRECONDITION, "it has version 2"),
        (b"", StatusCode.INVALID_ARGUMENT, "0 bytes are too short for a token"),
        (bytes(65537), StatusCode.INVALID_ARGUMENT, "65537 bytes exceed the limit of 65536"),
    ],
)
async def test_what_is_no_token_is_refused(
    local: LocalServices, given: bytes, code: StatusCode, problem: str
) -> None:
    got, details = await refusal(local.target, going_on(keypoints(), given, 5))
    assert got is code
    assert details.startswith("config.resume_token: ")
    assert problem in details


async def test_a_token_of_another_configuration_is_refused(
    local: LocalServices, token: bytes
) -> None:
    requests = going_on(keypoints(), token, 5)
    requests[0].config.seed = 1
    code, details = await refusal(local.target, requests)
    assert code is StatusCode.FAILED_PRECONDITION
    assert "another configuration" in details


async def test_another_source_is_refused(local: LocalServices, token: bytes) -> None:
    requests = going_on(keypoints(), token, 5)
    requests[1] = source(image(9), points(0))
    code, details = await refusal(local.target, requests)
    assert code is StatusCode.FAILED_PRECONDITION
    assert "source 0 differs from the original one" in details


async def test_a_frame_that_was_answered_is_refused_after_a_token(
    local: LocalServices, token: bytes
) -> None:
    requests = going_on(keypoints(), token, 5)
    requests.insert(2, packet(2, points(2)))
    code, details = await refusal(local.target, requests)
    assert code is StatusCode.FAILED_PRECONDITION
    assert "2 is out of order" in details


async def test_a_token_tells_nothing_but_its_session(token: bytes) -> None:
    state = ResumeState.FromString(token[33:])
    assert state.next_index == 5
    assert state.model == "toy"
    assert len(token) < 1024  # 13 numbers of state, four digests, the counts


async def test_with_a_delay_there_are_no_tokens(local: LocalServices) -> None:
    requests = keypoints()
    requests[0].config.delay_frames = 2
    session = await cast(local.target, requests)
    assert not any(one.resume_token for one in session.frames)
