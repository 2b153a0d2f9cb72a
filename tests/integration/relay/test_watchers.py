"""Watchers: late ones, slow ones, many of them, and how they learn that the sender has left."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_models import image_with_points, toy_frame

from motioncast.client import (
    Crop,
    Ending,
    Keypoints,
    Opening,
    Origin,
    Publication,
    ReceivedFrame,
    ReceiverModels,
    Service,
    UnknownRoomError,
    connect,
)
from motioncast.local import LocalServices
from motioncast.timeline.pattern import Pattern

IMAGE = image_with_points((3, 4), (9, 7))
AT_SOURCE = np.array([[0.25, -0.5, 0.5], [-0.125, 0.75, 0.25]], np.float32)
ROOT = Path(__file__).parents[3]


class _BrokeOffError(Exception):
    """A sender left while others watched."""

    def __init__(self, watching: asyncio.Task[Any]) -> None:
        super().__init__()
        self.watching = watching


def points(index: int) -> Keypoints:
    x = 0.9 * np.sin(0.3 * index)
    return np.array([[x, 0.1, 0.5], [-x, 0.9, 0.2]], np.float32)


async def opening(service: Service, **options: Any) -> Opening:
    (model,) = (await service.server_info()).models
    return Opening.of(model, **options)


async def until(published: Publication, watchers: int) -> None:
    while published.feedback.watchers != watchers:
        await asyncio.sleep(0.01)


async def arrived(service: Service, published: Publication, index: int) -> None:
    """Joins the room repeatedly until all frames before `index` have arrived, then leaves it."""
    next_index = 0
    while next_index < index:
        async with service.watch(published.room, published.token) as watching:
            next_index = watching.next_index
    await until(published, 0)


async def watched(
    target: str, published: Publication, models: ReceiverModels
) -> tuple[list[ReceivedFrame], Any]:
    async with (
        connect(target) as service,
        service.watch(published.room, published.token) as watching,
    ):
        return [frame async for frame in watching.frames(models)], watching


async def test_who_comes_late_gets_the_sources_and_goes_on_from_an_anchor(
    target: str, models: ReceiverModels
) -> None:
    crop = Crop(2, 3, 40)
    async with connect(target) as service:
        said = await opening(service, pattern=Pattern(3, 2))
        async with service.publish(said) as published, connect(target) as other:
            await published.set_source(0, IMAGE, AT_SOURCE)
            for index in range(0, 70_001, 1000):  # past the 65536 indices of a packet's counter
                await published.push(index, points(index), crop)
            await arrived(service, published, 70_001)
            async with other.watch(published.room, published.token) as watching:
                await until(published, 1)
                for index in range(70_001, 70_050):
                    await published.push(index, points(index), crop)
                await published.end(70_050)
                frames = [frame async for frame in watching.frames(models)]
    assert watching.next_index == 70_001
    assert [frame.index for frame in frames] == list(range(frames[0].index, 70_050))
    assert frames[0].index < 70_020
    assert frames[0].origin is Origin.OBSERVED
    for frame in frames:
        assert frame.crop == crop
        np.testing.assert_array_equal(frame.image, toy_frame(frame.keypoints))
        if frame.origin is Origin.OBSERVED:
            # A coefficient errs by at most 0.7 of its step, 57; 6 of them rotate to 6 values.
            error = np.abs(frame.keypoints - points(frame.index)).max()
            assert error <= 0.7 * 57 * 6**0.5 / 16384


async def test_one_who_stands_still_misses_packets_and_keeps_nobody_waiting(
    local: LocalServices, models: ReceiverModels
) -> None:
    target, count = local.target, 300
    async with connect(target) as service:
        said = await opening(service, frame_count=count)
        async with (
            service.publish(said) as published,
            connect(target) as other,
            other.watch(published.room, published.token) as quick,
            service.watch(published.room, published.token) as slow,
        ):
            await until(published, 2)
            await published.set_source(0, IMAGE, AT_SOURCE)
            frames = []
            arriving = aiter(quick.frames(models))
            for index in range(count):  # the quick watcher receives each before the next is sent
                await published.push(index, points(index))
                frames.append(await anext(arriving))
            await published.end()
            frames += [frame async for frame in arriving]
            made = [frame async for frame in slow.frames(models)]
    assert [frame.origin for frame in frames] == [Origin.OBSERVED] * count
    observed = [frame.index for frame in made if frame.origin is Origin.OBSERVED]
    assert 64 <= len(observed) < count
    assert [frame.index for frame in made] == list(range(count))
    registry = local.servers["orchestrator"].metrics.registry
    missed = registry.get_sample_value("motioncast_relay_packets_total", {"direction": "missed"})
    sent = registry.get_sample_value("motioncast_relay_packets_total", {"direction": "sent"})
    assert missed is not None
    assert missed > 0
    assert sent == count + len(observed)


async def test_as_many_watch_as_may_and_another_is_refused(
    target: str, models: ReceiverModels
) -> None:
    async with connect(target) as service:
        async with service.publish(await opening(service)) as published:
            watching = [asyncio.create_task(watched(target, published, models)) for _ in range(16)]
            await until(published, 16)
            with pytest.raises(Exception, match="it has 16 watchers, the limit is 16"):
                await watched(target, published, models)
            await published.set_source(0, IMAGE, AT_SOURCE)
            for index in range(30):
                await published.push(index, points(index))
            await published.end(30)
        results = [frames for frames, _ in await asyncio.gather(*watching)]
    for frames in results:
        assert [frame.index for frame in frames] == list(range(30))
        for ours, theirs in zip(frames, results[0], strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)


async def test_a_sender_that_fails_is_lost_and_its_room_is_no_more(
    target: str, models: ReceiverModels
) -> None:
    async with connect(target) as service:
        published = service.publish(await opening(service))

        async def fail() -> None:
            async with published:
                watching = asyncio.create_task(watched(target, published, models))
                await until(published, 1)
                await published.set_source(0, IMAGE, AT_SOURCE)
                await published.push(0, points(0))
                raise _BrokeOffError(watching)

        with pytest.raises(_BrokeOffError) as failed:
            await fail()
        frames, how = await failed.value.watching
        assert how.ending is Ending.LOST
        assert len(frames) <= 1
        with pytest.raises(UnknownRoomError):
            await watched(target, published, models)


async def test_a_watcher_that_leaves_is_counted_no_more(
    target: str, models: ReceiverModels
) -> None:
    async with connect(target) as service, service.publish(await opening(service)) as published:
        async with service.watch(published.room, published.token):
            await until(published, 1)
        await until(published, 0)


async def test_what_is_acknowledged_is_told_to_the_sender(
    target: str, models: ReceiverModels
) -> None:
    async with connect(target) as service:
        async with service.publish(await opening(service)) as published:
            both = [asyncio.create_task(watched(target, published, models)) for _ in range(2)]
            await until(published, 2)
            await published.set_source(0, IMAGE, AT_SOURCE)
            for index in range(10):
                await published.push(index, points(index))
            while published.feedback.newest_acknowledged != 9:
                await asyncio.sleep(0.01)
            assert not published.feedback.anchor_wanted
        await asyncio.gather(*both)


async def test_processes_with_other_numbers_of_threads_make_the_same_frames(
    target: str, repository: Path
) -> None:
    pattern, program = Pattern(2, 3), [sys.executable, "-m", "support.receiving"]
    async with connect(target) as service:
        said = await opening(service, pattern=pattern, frame_count=50)
        async with service.publish(said) as published:
            programs = [
                subprocess.Popen(
                    [*program, target, published.room, published.token, repository, str(threads)],
                    cwd=ROOT / "tests",
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for threads in (1, 2)
            ]
            await until(published, 2)
            await published.set_source(0, IMAGE, AT_SOURCE)
            for index in range(50):
                await published.push(index, points(index))
            await published.end()
        outputs = [(await asyncio.to_thread(one.communicate))[0] for one in programs]
    first, second = (output.splitlines() for output in outputs)
    assert len(first) == 52
    assert (first[0], first[-1]) == ("watches", "ended")
    assert first == second
