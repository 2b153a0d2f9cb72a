"""The paper's protocols: which frames are observed, and which clip provides the first frame."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from motioncast.paper.protocols import PROTOCOLS, relative_motion, transfer_sources
from motioncast.timeline.motion import RelativeMotion
from motioncast.timeline.origin import Origin


def test_m1_observes_5_frames_and_predicts_27() -> None:
    assert PROTOCOLS["m1"].mask().tolist() == [True] * 5 + [False] * 27
    assert PROTOCOLS["m1"].horizons() == [0] * 5 + list(range(1, 28))
    assert PROTOCOLS["m1"].initialisations == 10


def test_m2_observes_every_other_of_32_frames() -> None:
    assert PROTOCOLS["m2"].mask().tolist() == [True, False] * 16
    assert PROTOCOLS["m2"].horizons() == [0, 1] * 16
    assert PROTOCOLS["m2"].initialisations == 5


def test_bair_observes_5_frames_and_predicts_25() -> None:
    assert PROTOCOLS["bair"].mask().tolist() == [True] * 5 + [False] * 25
    assert PROTOCOLS["bair"].initialisations == 5


@given(
    videos=st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1),
    seed=st.integers(0, 1000),
)
def test_the_source_of_a_transfer_is_always_of_another_video(
    videos: Sequence[int], seed: int
) -> None:
    sources = transfer_sources(videos, torch.Generator().manual_seed(seed))
    assert len(sources) == len(videos)
    assert all(videos[source] != videos[clip] for clip, source in enumerate(sources))


@given(
    videos=st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(
        lambda v: 2 * max(v.count(x) for x in v) <= len(v)
    ),
    seed=st.integers(0, 1000),
)
def test_every_clip_is_a_source_once_where_that_is_possible(
    videos: Sequence[int], seed: int
) -> None:
    sources = transfer_sources(videos, torch.Generator().manual_seed(seed))
    assert sorted(sources) == list(range(len(videos)))


def test_sources_are_drawn_by_the_seed_alone() -> None:
    videos = [clip // 2 for clip in range(40)]

    def draw(seed: int) -> list[int]:
        return transfer_sources(videos, torch.Generator().manual_seed(seed))

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_one_video_alone_has_no_source_for_a_transfer() -> None:
    with pytest.raises(ValueError, match="two videos"):
        transfer_sources(["a", "a"], torch.Generator())


def test_relative_motion_adds_the_displacement_since_the_first_frame_to_the_source() -> None:
    source = torch.tensor([[0.5, -0.5, 0.6]])
    driving = torch.tensor([[[0.0, 0.0, 0.2]], [[0.1, 0.2, 0.1]], [[0.9, 0.0, 0.2]]])

    moved = relative_motion(driving, source)

    assert_close(moved[:, 0, :2], torch.tensor([[0.5, -0.5], [0.6, -0.3], [1.0, -0.5]]))
    assert_close(moved[:, 0, 2], torch.tensor([0.6, 0.5, 0.6]))


def test_relative_motion_is_that_of_a_session_bit_by_bit() -> None:
    random = np.random.default_rng(4)
    source = random.uniform(-1, 1, (10, 3)).astype(np.float32)
    driving = random.uniform(-1, 1, (20, 10, 3)).astype(np.float32)
    served = RelativeMotion().move_all(source, driving, [Origin.OBSERVED] * 20)
    moved = relative_motion(torch.from_numpy(driving), torch.from_numpy(source))
    np.testing.assert_array_equal(moved.numpy(), served)
