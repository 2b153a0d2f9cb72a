"""People are cut out from a plain wall and placed in front of something else."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motioncast.data.augmentation import Augmentation, augment
from motioncast.data.rooms import cut_out, made_up_wall

SIDE = 96


def positions() -> tuple[Tensor, Tensor]:
    along = torch.linspace(-1, 1, SIDE)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return x, y


def wall() -> Tensor:
    """Returns a blue wall (3, S, S), lit from one side and darker towards its corners."""
    x, y = positions()
    return torch.stack([0.2 + 0.1 * x, 0.5 - 0.05 * x * y, 0.8 - 0.1 * (x * x + y * y)])


def inside(left: float) -> Tensor:
    """Returns the person's mask (S, S): a body standing on the frame's lower edge."""
    x, y = positions()
    return ((x - left).abs() < 0.4) & (y > -0.5)


def person(left: float = 0.0) -> Tensor:
    """Returns a frame (3, S, S) of an orange person in front of the wall."""
    orange = torch.tensor([0.9, 0.5, 0.1])[:, None, None]
    return torch.where(inside(left), orange, wall())


def test_a_wall_that_the_light_varies_over_is_found_whole() -> None:
    matte = cut_out(torch.stack([person(0.0), person(0.1)]))

    assert matte is not None
    assert_close(matte.wall, wall().unsqueeze(0), atol=1e-3, rtol=0)


def test_whoever_stands_before_it_is_cut_out_along_the_outline() -> None:
    matte = cut_out(torch.stack([person(0.0), person(0.1)]))

    assert matte is not None
    for alpha, left in zip(matte.alpha[:, 0], (0.0, 0.1), strict=True):
        assert torch.equal(alpha > 0.5, inside(left))


def test_what_has_the_colour_of_the_wall_but_is_enclosed_belongs_to_the_person() -> None:
    frame = person()
    badge = slice(SIDE // 2, SIDE // 2 + 20), slice(SIDE // 2 - 10, SIDE // 2 + 10)
    frame[:, badge[0], badge[1]] = wall()[:, badge[0], badge[1]]

    matte = cut_out(frame.unsqueeze(0))

    assert matte is not None
    middle = slice(SIDE // 2 + 6, SIDE // 2 + 14), slice(SIDE // 2 - 4, SIDE // 2 + 4)
    assert (matte.alpha[0, 0, middle[0], middle[1]] == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_room_full_of_things_is_no_plain_wall(seed: int) -> None:
    room = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(seed))
    frame = room.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)

    assert cut_out(frame.unsqueeze(0)) is None


def test_an_empty_wall_has_nobody_to_cut_out() -> None:
    assert cut_out(wall().unsqueeze(0)) is None


def test_the_other_room_stands_still_while_the_person_moves() -> None:
    frames = torch.stack([person(-0.15), person(0.15), person(0.12)])
    drawn = []

    def room(random: np.random.Generator, side: int) -> Tensor:
        drawn.append(side)
        return made_up_wall(random, side)

    elsewhere = Augmentation(other_people=1.0, other_rooms=1.0, zoom=0.0)
    source, driving, _ = augment(frames, elsewhere, np.random.default_rng(1), room=room)
    alone = augment(frames, Augmentation(other_people=1.0, zoom=0.0), np.random.default_rng(1))

    same = ((source - driving).abs().amax(dim=0) < 1e-5).float()
    assert drawn == [SIDE]
    assert 0.4 < float(same.mean()) < 1.0  # only the person's edges have moved
    assert float((source - alone[0]).abs().mean()) > 0.05


def test_where_there_is_no_plain_wall_a_sample_keeps_its_room() -> None:
    frames = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def room(random: np.random.Generator, side: int) -> Tensor:
        raise AssertionError("no room is drawn")

    elsewhere = Augmentation(other_people=1.0, other_rooms=1.0)
    varied = augment(frames, elsewhere, np.random.default_rng(1), room=room)
    alone = augment(frames, Augmentation(other_people=1.0), np.random.default_rng(1))

    assert torch.equal(varied, alone)


@pytest.mark.parametrize("seed", range(5))
def test_a_made_up_wall_is_an_image(seed: int) -> None:
    made = made_up_wall(np.random.default_rng(seed), SIDE)

    assert made.shape == (3, SIDE, SIDE)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    assert float(made.std()) > 0
