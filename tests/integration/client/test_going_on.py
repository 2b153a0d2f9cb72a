"""Sessions of either client resume on a second server when the first one stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.codec_tables import add_tables, turned_tables
from support.tiny_services import serving
from support.toy_finder import picture_with_faces, write_toy_finder
from support.toy_models import build_toy_repository, image_with_points

from motioncast.client import (
    ConnectError,
    Frame,
    InvalidRequestError,
    Keypoints,
    Pixels,
    Source,
    UnavailableError,
    connect,
    connect_sync,
)
from motioncast.local import LocalServices, LocalSettings
from motioncast.orchestrator import OrchestratorSettings
from motioncast.serving import Context
from motioncast.v1.motion_transfer_pb2 import StreamConfig, StreamRequest, StreamResponse

FRAMES = 40
STOPS_AT = 20  # element of the video before which the first server stops
TOKEN_BEFORE = 9
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)


@dataclass(frozen=True)
class Kind:
    """A kind of session: its video and the call that opens it."""

    elements: Callable[[], list[Any]]
    options: dict[str, Any]
    keypoints: bool = False

    def open(self, service: Any, watched: Callable[[list[Any]], Iterator[Any]]) -> Any:
        method = service.stream_keypoints if self.keypoints else service.stream
        return method(watched(self.elements()), timeout=120, **self.options)


def image(t: int) -> Pixels:
    return image_with_points((t * t % 16, 3 * t % 16), (5 * t % 16, t % 16))


def points(t: int) -> Keypoints:
    x = 0.9 * np.sin(0.3 * t)
    return np.array([[x, 0.1, 0.5], [-x, 0.9, 0.2]], np.float32)


def pictures() -> list[Any]:
    faces = [(80 + 3 * t, 60 + t, 130 + 3 * t, 122 + t) for t in range(FRAMES)]
    return [picture_with_faces(320, 240, face) for face in faces]


def with_sources() -> list[Any]:
    elements: list[Any] = [image(t) for t in range(FRAMES)]
    elements.insert(28, Source(image(2), 1, points(2)))
    elements.insert(7, Source(image(9), 2))
    elements.insert(3, Source(image(5), 1))
    return elements


def with_losses() -> list[Any]:
    return [None if t % 7 == 3 or 8 <= t < 12 else image(t) for t in range(FRAMES)]


KINDS = {
    "every frame": Kind(lambda: [image(t) for t in range(FRAMES)], {}),
    "half forecast": Kind(
        lambda: [image(t) for t in range(FRAMES)], {"observed": 3, "predicted": 3, "seed": 5}
    ),
    "losses": Kind(with_losses, {"observed": 2, "predicted": 1}),
    "moved": Kind(
        lambda: [image(t) for t in range(FRAMES)],
        {"source": image(3), "relative_motion": True, "observed": 1, "predicted": 1},
    ),
    "several sources": Kind(with_sources, {"observed": 2, "predicted": 2}),
    "framed": Kind(pictures, {"frame": "auto", "observed": 2, "predicted": 2}),
    "coded in packets": Kind(
        lambda: [points(t) for t in range(FRAMES)],
        {
            "source": image(0),
            "source_keypoints": AT_SOURCE,
            "keypoint_encoding": "coded",
            "packet_frames": 3,
            "observed": 5,
            "predicted": 3,
        },
        keypoints=True,
    ),
    "every frame coded": Kind(
        lambda: [points(t) for t in range(FRAMES)],
        {
            "source": image(0),
            "source_keypoints": AT_SOURCE,
            "keypoint_encoding": "coded",
            "packet_frames": 5,
        },
        keypoints=True,
    ),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LocalSettings:
    folder = tmp_path_factory.mktemp("going_on")
    repository = build_toy_repository(folder / "models")
    add_tables(repository, turned_tables(2, 6))
    write_toy_finder(repository)
    key = folder / "key"
    key.write_text("a key of both servers")
    return LocalSettings(
        repository=repository,
        drain_grace_seconds=0.0,
        orchestrator=OrchestratorSettings(resume_key=key),
    )


@dataclass
class Two:
    """Two servers; the first can be stopped."""

    first: str
    second: str
    stop: Callable[[], Awaitable[None]]


@pytest.fixture
async def two(settings: LocalSettings) -> AsyncIterator[Two]:
    async with AsyncExitStack() as exits:
        second = await exits.enter_async_context(LocalServices(settings))
        stack = await exits.enter_async_context(AsyncExitStack())
        first = await stack.enter_async_context(LocalServices(settings))
        yield Two(first.target, second.target, stack.aclose)


CAME = threading.Event()  # set when a frame after the first token arrives


def came(frame: Frame) -> Frame:
    if frame.index == TOKEN_BEFORE:
        CAME.set()
    return frame


async def by_asyncio(target: Any, kind: Kind, watched: Any, **how: Any) -> Any:
    async with connect(target, **how) as service:
        stream = kind.open(service, watched)
        return [came(frame) async for frame in stream], stream


async def by_blocking(target: Any, kind: Kind, watched: Any, **how: Any) -> Any:
    def block() -> Any:
        with connect_sync(target, **how) as service:
            stream = kind.open(service, watched)
            return [came(frame) for frame in stream], stream

    return await asyncio.to_thread(block)


@pytest.fixture(params=[by_asyncio, by_blocking], ids=["async", "sync"])
def cast(request: pytest.FixtureRequest) -> Any:
    return request.param


def told(frames: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (
            frame.index,
            frame.origin,
            frame.keypoints.tobytes(),
            frame.image.tobytes(),
            frame.crop,
            frame.source_index,
        )
        for frame in frames
    ]


def stopping(two: Two) -> Callable[[list[Any]], Iterator[Any]]:
    """Returns a function that reads a video and stops the first server before element STOPS_AT."""
    loop = asyncio.get_running_loop()
    CAME.clear()

    def read(elements: list[Any]) -> Iterator[Any]:
        for number, element in enumerate(elements):
            if number == STOPS_AT:
                assert CAME.wait(60)
                asyncio.run_coroutine_threadsafe(two.stop(), loop).result()  # type: ignore[arg-type]
            yield element

    return read


@pytest.mark.parametrize("name", KINDS)
async def test_the_frames_are_those_of_a_session_that_nothing_happened_to(
    cast: Any, two: Two, name: str
) -> None:
    kind = KINDS[name]
    expected, before = await cast(two.second, kind, iter)
    patient = {"stall_seconds": 300, "resume_seconds": 60}  # tolerates a slow machine
    frames, stream = await cast([two.first, two.second], kind, stopping(two), **patient)
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert told(frames) == told(expected)
    assert stream.resumes == 1
    assert before.resumes == 0
    for count in ("observed_frames", "predicted_frames", "concealed_frames"):
        assert getattr(stream.report, count) == getattr(before.report, count)


async def test_a_session_that_is_not_to_go_on_ends(cast: Any, two: Two) -> None:
    kind = KINDS["half forecast"]
    with pytest.raises(UnavailableError):
        await cast([two.first, two.second], kind, stopping(two), resume_seconds=0)


async def test_with_one_server_it_is_tried_for_so_long(cast: Any, two: Two) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(UnavailableError):
        await cast(two.first, KINDS["every frame"], stopping(two), resume_seconds=1.0)
    assert asyncio.get_running_loop().time() - started > 0.5


async def test_a_server_with_another_key_cannot_go_on(
    cast: Any, two: Two, settings: LocalSettings
) -> None:
    async with LocalServices(LocalSettings(repository=settings.repository)) as stranger:
        with pytest.raises(UnavailableError, match=r"cannot be resumed elsewhere: .*key"):
            await cast([two.first, stranger.target], KINDS["half forecast"], stopping(two))


async def test_a_server_that_says_nothing_is_left(cast: Any, two: Two) -> None:
    """Like a server that hangs behind a proxy, which answers PINGs in its place."""

    async def silent(
        requests: AsyncIterator[StreamRequest], context: Context
    ) -> AsyncIterator[StreamResponse]:
        async for _ in requests:
            await asyncio.Event().wait()
        yield StreamResponse(config=StreamConfig())

    kind = KINDS["half forecast"]
    expected, _ = await cast(two.second, kind, iter)
    async with serving(stream=silent) as hanging:
        frames, stream = await cast(
            [hanging.server.address, two.second], kind, iter, stall_seconds=0.5
        )
    assert told(frames) == told(expected)
    assert stream.resumes >= 1  # on a busy machine the other may be silent as long


async def test_the_first_server_that_answers_is_taken(cast: Any, two: Two) -> None:
    await two.stop()
    frames, stream = await cast(f"{two.first},{two.second}", KINDS["losses"], iter, timeout=6)
    assert len(frames) == FRAMES
    assert stream.resumes == 0


async def test_addresses_are_one_to_sixteen() -> None:
    for targets in ([], ["localhost:1"] * 17):
        with pytest.raises(ConnectError, match="expected 1 to 16"):
            async with connect(targets):
                pass


async def test_how_long_it_is_tried_has_a_range() -> None:
    for how in ({"stall_seconds": 0.0}, {"resume_seconds": -1.0}):
        with pytest.raises(InvalidRequestError, match=next(iter(how))):
            async with connect("localhost:1", **how):  # type: ignore[arg-type]
                pass
