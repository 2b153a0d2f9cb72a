"""Cost and properties of the networks of both configurations."""

import pytest
import torch
from torch.testing import assert_close

from motioncast.models.configurations import (
    LITE128,
    PAPER64,
    Configuration,
    configuration,
)
from motioncast.models.cost import macs, parameters
from motioncast.models.dense_motion import compose_flow
from motioncast.models.discriminator import Discriminator
from motioncast.models.geometry import identity_grid
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.synthesis import repeat_frames


def network(chosen: Configuration, seed: int = 0) -> MotionTransfer:
    torch.manual_seed(seed)
    return MotionTransfer(chosen).eval()


def images(chosen: Configuration, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, chosen.image_size, chosen.image_size, generator=generator)


def keypoints(chosen: Configuration, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(*shape, chosen.keypoints, 3, generator=generator)


def test_paper64_costs_what_monkey_net_costs() -> None:
    model, discriminator = network(PAPER64), Discriminator(PAPER64)
    image, points = images(PAPER64, 1), keypoints(PAPER64, 1)

    assert parameters(model.detector) / 1e6 == pytest.approx(9.4, abs=0.05)
    assert parameters(model.synthesis) / 1e6 == pytest.approx(19.1, abs=0.05)
    assert parameters(discriminator) / 1e6 == pytest.approx(1.7, abs=0.05)
    assert macs(lambda: model.detect(image), model) / 1e9 == pytest.approx(0.93, abs=0.005)
    synthesis = macs(lambda: model.synthesise(image, points, points.unsqueeze(1)), model)
    assert synthesis / 1e9 == pytest.approx(2.58, abs=0.005)


def test_lite128_keeps_its_budget_even_for_a_single_frame() -> None:
    model = network(LITE128)
    image, points = images(LITE128, 1), keypoints(LITE128, 1)

    def one_frame() -> None:
        model.detect(image)
        model.synthesise(image, points, points.unsqueeze(1))

    assert parameters(model) <= 2_400_000
    assert macs(one_frame, model) <= 950_000_000


def test_lite128_encodes_the_source_once_for_all_frames() -> None:
    model = network(LITE128)
    image = images(LITE128, 1)

    def cost(frames: int) -> int:
        driving = keypoints(LITE128, 1, frames)
        return macs(lambda: model.synthesise(image, driving[:, 0], driving), model)

    encoder = macs(lambda: model.synthesis.encode(image), model)
    assert cost(5) - encoder == 5 * (cost(1) - encoder)


@pytest.mark.parametrize("chosen", [PAPER64, LITE128], ids=lambda chosen: chosen.name)
def test_keypoints_and_images_have_their_shapes_and_ranges(chosen: Configuration) -> None:
    model = network(chosen)
    source = images(chosen, 2)

    with torch.inference_mode():
        found = model.detect(source)
        made = model.synthesise(source, found, keypoints(chosen, 2, 3))

    assert found.shape == (2, chosen.keypoints, 3)
    assert found[..., :2].abs().max() <= 1
    assert found[..., 2].min() >= 0
    assert_close(found[..., 2].amax(dim=-1), torch.ones(2))
    assert made.shape == (2, 3, 3, chosen.image_size, chosen.image_size)
    assert made.min() >= 0
    assert made.max() <= 1


@pytest.mark.parametrize("chosen", [PAPER64, LITE128], ids=lambda chosen: chosen.name)
def test_frames_of_a_batch_do_not_depend_on_each_other(chosen: Configuration) -> None:
    model = network(chosen)
    source, driving = images(chosen, 2), keypoints(chosen, 2, 3)
    of_source = keypoints(chosen, 2)

    with torch.inference_mode():
        together = model.synthesise(source, of_source, driving)
        alone = model.synthesise(source[1:], of_source[1:], driving[1:, 2:])

    assert_close(together[1, 2], alone[0, 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("chosen", [PAPER64, LITE128], ids=lambda chosen: chosen.name)
def test_an_untrained_flow_at_zero_displacement_is_the_identity(chosen: Configuration) -> None:
    model = network(chosen)
    source, points = images(chosen, 1), keypoints(chosen, 1)

    with torch.inference_mode():
        output = model.synthesis.decode(model.synthesis.encode(source), points, points.unsqueeze(1))

    side = output.flow.shape[-1]
    assert_close(output.flow[0], identity_grid(side, side))
    # Near a sample point, rounding of the position becomes rounding of the interpolation weight.
    assert_close(output.warped, source, atol=1e-4, rtol=0)


def test_flow_is_the_mask_weighted_displacement_plus_correction() -> None:
    identity = identity_grid(4, 4)
    estimate = torch.zeros(1, 2 + 1 + 2, 4, 4)
    estimate[:, 1] = 100.0  # the first keypoint's mask dominates
    estimate[:, 3] = 0.125  # a correction along x
    shift = torch.tensor([[[0.25, -0.5], [1.0, 1.0]]])

    flow = compose_flow(estimate, shift, identity)

    expected = identity + torch.tensor([0.25 + 0.125, -0.5]).view(2, 1, 1)
    assert_close(flow[0], expected)


def test_repeated_parts_stay_beside_their_source() -> None:
    assert repeat_frames(torch.tensor([[1], [2]]), 3).flatten().tolist() == [1, 1, 1, 2, 2, 2]


def test_discriminator_returns_the_image_four_maps_and_a_score() -> None:
    maps, score = Discriminator(PAPER64)(images(PAPER64, 2), keypoints(PAPER64, 2))

    assert [part.shape[1] for part in maps] == [3, 64, 128, 256, 256]
    assert score.shape[:2] == (2, 1)


def test_an_unknown_configuration_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"config: 'lite256' is unknown .*lite128, lite64, paper64"
    ):
        configuration("lite256")
