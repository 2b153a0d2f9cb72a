"""Tracks of synthetic people share properties with the tracks they are made from."""

import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.other_people import as_other_people

UNIT = torch.full((3, 3), 1e-3)
BATCH = 2000


def windows() -> Tensor:
    """Returns windows (B, 6, 3, 3) of keypoints, each moving along its own line."""
    generator = torch.Generator().manual_seed(0)
    centre = 0.3 * torch.rand(BATCH, 1, 3, 3, generator=generator) + 0.2
    direction = 0.05 * torch.randn(BATCH, 1, 3, 3, generator=generator)
    time = torch.linspace(-1, 1, 6)[:, None, None]
    return centre + time * direction


def made(share: float, unit: Tensor = UNIT, seed: int = 1) -> Tensor:
    return as_other_people(windows(), unit, share, torch.Generator().manual_seed(seed))


def test_the_share_of_the_windows_is_changed_and_no_other_is_touched() -> None:
    assert_close(made(0.0), windows(), atol=0, rtol=0)
    untouched = (made(0.7) == windows()).flatten(1).all(dim=1).float().mean()
    assert abs(untouched - 0.3) < 4 * (0.7 * 0.3 / BATCH) ** 0.5
    assert_close(made(0.7), made(0.7), atol=0, rtol=0)


def test_keypoints_stay_where_they_are_on_average_and_within_their_range() -> None:
    changed = made(1.0, unit=torch.full((3, 3), 1e-9))
    assert_close(changed.mean(dim=1), windows().mean(dim=1), atol=1e-5, rtol=0)
    wild = made(1.0, unit=torch.ones(3, 3))
    assert wild[..., :2].abs().max() <= 1
    assert wild[..., 2].min() >= 0
    assert wild[..., 2].max() <= 1


def test_a_motion_along_a_line_is_one_along_another_line_without_noise() -> None:
    changed = made(1.0, unit=torch.zeros(3, 3))
    steps = changed.diff(dim=1)[..., :2]  # all equal: a linear map keeps lines straight
    assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-6, rtol=1e-4)
    before, after = windows().diff(dim=1)[:, 0, :, :2], steps[:, 0]
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    assert (cross.abs() > 1e-6).float().mean() > 0.9


def test_amounts_lie_between_a_third_and_twice_and_half_of_the_faces_are_mirrored() -> None:
    before, after = (each.diff(dim=1)[:, 0, :, :2] for each in (windows(), made(1.0, 0 * UNIT)))
    amount = torch.linalg.vector_norm(after, dim=-1) / torch.linalg.vector_norm(before, dim=-1)
    # the median of a log-uniform factor from 0.3 to 2; the other factors are around 1
    assert abs(amount.log().median() - 0.5 * torch.tensor(0.6).log()) < 0.1
    mirrored = (before[..., 0] * after[..., 0] < 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_half_of_the_windows_are_shaken_by_up_to_three_units() -> None:
    noise = made(1.0) - made(1.0, 0 * UNIT)
    shaken = noise.flatten(1).abs().amax(dim=1) > 1e-5
    assert abs(shaken.float().mean() - 0.5) < 0.05
    assert 1e-3 < noise.std(dim=1).amax() < 6e-3


def test_anchored_keypoints_move_in_their_own_company() -> None:
    # The second keypoint moves twice as far as the first, the third opposite to it. Every face made
    # from these keeps these ratios.
    together = windows()[:, :, :1] - windows()[:, :, :1].mean(dim=1, keepdim=True)
    face = 0.3 + together * torch.tensor([1.0, 2.0, -1.0])[:, None]
    generator = torch.Generator().manual_seed(1)
    made_of = as_other_people(face, 0 * UNIT, 1.0, generator, anchored=True)
    motion = (made_of - made_of.mean(dim=1, keepdim=True))[..., :2]
    assert_close(motion[:, :, 1], 2 * motion[:, :, 0], atol=1e-6, rtol=1e-4)
    assert_close(motion[:, :, 2], -motion[:, :, 0], atol=1e-6, rtol=1e-4)
    assert ((motion[:, -1, 0] - together[:, -1, 0, :2]).abs() > 1e-3).any(
        dim=-1
    ).float().mean() > 0.9
