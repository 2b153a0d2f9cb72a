"""Face samples: variations move pictures and keypoints alike."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from motioncast.data.face_variation import Variation
from motioncast.data.faces import FaceSampler, FaceSet, openings
from motioncast.models.face.keypoints import ANCHORED, GROUPS, MESH

SIDE = 64
NOSE_TIP = GROUPS[6].first + 2  # on the face's axis, so mirroring keeps it


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """A set of two people: a bright disc on black, with all keypoints on it."""
    random = np.random.default_rng(0)
    frames = np.zeros((12, SIDE, SIDE, 3), np.uint8)
    points = np.zeros((12, ANCHORED, 2), np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for index in range(12):
        x, y = random.uniform(24, 40, 2)
        frames[index][np.hypot(columns - x, rows - y) < 4] = 255
        points[index] = np.array([x, y]) / (SIDE - 1) * 2 - 1
    np.save(tmp_path / "frames.npy", frames)
    np.save(tmp_path / "points.npy", points)
    clips = [
        {"name": "a", "person": "one", "start": 0, "stop": 6},
        {"name": "b", "person": "two", "start": 6, "stop": 12},
    ]
    (tmp_path / "clips.json").write_text(json.dumps(clips))
    return tmp_path


def test_keypoints_stay_on_what_they_mark(spots: Path) -> None:
    sampler = FaceSampler([FaceSet(spots, 1.0)], batch_size=32, seed=0, side=SIDE)
    batch = sampler.draw(0)
    grid = torch.linspace(-1, 1, SIDE)
    for images, points in (
        (batch.source, batch.source_points),
        (batch.driving, batch.driving_points),
    ):
        bright = (images.mean(1) > 0.5).float()
        weight = bright.sum(dim=(1, 2))
        x = (bright.sum(1) * grid).sum(1) / weight
        y = (bright.sum(2) * grid).sum(1) / weight
        centre = torch.stack([x, y], dim=1)
        found = points[:, NOSE_TIP, :2]
        assert float((centre - found).abs().max()) < 1.2 * 2 / (SIDE - 1)  # noise included


def test_a_sample_depends_on_its_step_alone(spots: Path) -> None:
    first = FaceSampler([FaceSet(spots, 1.0)], batch_size=4, seed=3, side=SIDE)
    second = FaceSampler([FaceSet(spots, 1.0)], batch_size=4, seed=3, side=SIDE)
    for step in range(3):
        first.batch(step)
    for mine, other in zip(first.batch(3), second.batch(3), strict=True):
        assert torch.equal(mine, other)


def test_persons_that_are_left_out_are_never_drawn(spots: Path) -> None:
    one = FaceSet(spots, 1.0, frozenset({"two"}))
    random = np.random.default_rng(0)
    assert all(max(one.draw(random)) < 6 for _ in range(50))


def test_pairs_for_expression_differ_more_in_it_than_others(spots: Path) -> None:
    points = np.load(spots / "points.npy")
    eyes, lids = [MESH.index(p) for p in (33, 263)], [MESH.index(p) for p in (159, 386)]
    mouth = MESH.index(13)
    opened = np.linspace(0, 0.1, 12, dtype=np.float32)
    points[:, eyes[0], 0] -= 0.1
    points[:, eyes[1], 0] += 0.1  # 0.2 apart
    points[:, lids, 1] -= opened[:, None]
    points[:, mouth, 1] -= opened
    np.save(spots / "points.npy", points)
    assert_allclose(openings(points), np.stack([opened, opened], axis=1) / 0.2, atol=1e-5)
    drawn, random = FaceSet(spots, 1.0), np.random.default_rng(0)
    apart = {
        share: np.mean([abs(np.diff(drawn.draw(random, share))) for _ in range(200)])
        for share in (0.0, 1.0)
    }
    # In 6 equally spaced frames random pairs are 7/3 apart on average, the farthest of 8 almost 5.
    assert apart[0.0] == pytest.approx(7 / 3, abs=0.3)
    assert apart[1.0] > 4


def test_sources_are_first_frames_of_clips_as_often_as_asked(spots: Path) -> None:
    drawn, random = FaceSet(spots, 1.0), np.random.default_rng(0)
    pairs = [drawn.draw(random, first=0.5) for _ in range(600)]
    assert all(source != driving for source, driving in pairs)
    assert all((source < 6) == (driving < 6) for source, driving in pairs)
    share = np.mean([source in (0, 6) for source, driving in pairs if driving not in (0, 6)])
    # In half of the pairs, and in a fifth of the others: by chance, one of five frames.
    assert share == pytest.approx(0.5 + 0.5 / 5, abs=0.06)


def test_first_frames_are_sources_of_pairs_for_expression_too(spots: Path) -> None:
    drawn, random = FaceSet(spots, 1.0), np.random.default_rng(0)
    pairs = [drawn.draw(random, expressive=1.0, first=1.0) for _ in range(100)]
    assert all(source in (0, 6) for source, driving in pairs if driving not in (0, 6))


def test_only_the_source_is_damaged(spots: Path) -> None:
    """Noise is everywhere in the black around the disc; the other frame has none."""
    still = dict.fromkeys(("mirrored", "moved", "followed", "unseen", "elsewhere"), 0.0)
    variation = Variation(**still, colours=0, soft=0, noisy=1.0, coded=0.5)
    sampler = FaceSampler([FaceSet(spots, 1.0)], 8, seed=0, side=SIDE, variation=variation)
    batch = sampler.draw(0)
    assert ((batch.driving == 0) | (batch.driving == 1)).all()
    for source in batch.source:
        assert ((source > 0) & (source < 1)).any()
