"""A changed shape: keypoints stay on what they mark, and both frames show the same new face."""

import numpy as np
import pytest
import torch

from motioncast.data.face_shapes import Shape, ShapedFrame, draw_shape
from motioncast.models.face.keypoints import ANCHORED

SIDE = 129  # places lie on whole pixels where they are multiples of 1 / 64


def some_face(seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.uniform(-0.4, 0.4, (ANCHORED, 2)).astype(np.float32)


def test_a_keypoint_stays_on_what_it_marks() -> None:
    """A spot that is painted at a keypoint is found again where the changed keypoint says."""
    points = some_face()
    shaped = ShapedFrame(draw_shape(np.random.default_rng(5), points), points, points)
    moved = shaped.points(points)
    assert np.linalg.norm(moved - points, axis=1).max() > 0.02  # it is another shape
    y, x = np.mgrid[0:SIDE, 0:SIDE] * 2 / (SIDE - 1) - 1
    for mark, found in zip(points[:5], moved[:5], strict=True):
        spot = 200 * np.exp(-((x - mark[0]) ** 2 + (y - mark[1]) ** 2) / (2 * 0.04**2))
        image = np.repeat(spot[..., None], 3, -1).round().astype(np.uint8)
        changed = shaped.image(image)[..., 0].astype(float)
        top, left = np.unravel_index(changed.argmax(), changed.shape)
        seen = np.array([left, top]) * 2 / (SIDE - 1) - 1
        np.testing.assert_allclose(seen, found, atol=1.5 * 2 / (SIDE - 1))


def test_a_head_that_moved_has_the_same_new_shape() -> None:
    """Frames that differ by an affine map still differ by it when both have changed."""
    first = some_face()
    linear, shift = np.array([[0.9, -0.2], [0.15, 1.05]]), np.array([0.1, -0.05])
    second = (first @ linear.T + shift).astype(np.float32)
    shape = draw_shape(np.random.default_rng(8), first)
    one = ShapedFrame(shape, first, first).points(first)
    other = ShapedFrame(shape, first, second).points(second)
    np.testing.assert_allclose(other, one @ linear.T + shift, atol=2e-3)  # of a ridge in the fit


@pytest.mark.parametrize("seed", range(20))
def test_nothing_folds(seed: int) -> None:
    """The Jacobian of what a changed frame shows is positive everywhere."""
    points = some_face(seed)
    shaped = ShapedFrame(draw_shape(np.random.default_rng(seed), points), points, points)
    grid = torch.cartesian_prod(torch.linspace(-1, 1, 41), torch.linspace(-1, 1, 41))
    step = 1e-2
    along_x = shaped.seen(grid + torch.tensor([step, 0])) - shaped.seen(grid)
    along_y = shaped.seen(grid + torch.tensor([0, step])) - shaped.seen(grid)
    area = (along_x[:, 0] * along_y[:, 1] - along_x[:, 1] * along_y[:, 0]) / step**2
    assert area.min() > 0


def test_no_displacement_changes_nothing() -> None:
    points = some_face()
    still = Shape(torch.zeros(1, 2), torch.ones(1), torch.zeros(1, 2))
    shaped = ShapedFrame(still, points, points)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_allclose(shaped.points(points), points, atol=1e-6)
    apart = np.abs(shaped.image(image).astype(int) - image)
    assert apart.max() <= 1
