"""Adversarial fine-tuning of the lite networks: close-ups, discriminator, training steps."""

from pathlib import Path

import pytest
import torch
from support.videos import gradient_frames, write_video
from torch.testing import assert_close

from motioncast.data.pairs import Batch
from motioncast.models.checkpoint import load_motion_transfer, save_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.patch_discriminator import PatchDiscriminator, details
from motioncast.train import synthesis as train
from motioncast.train.adversarial_fine_tuning import AdversarialFineTuning, gradient_ratio
from motioncast.train.close_up import crop, strongest_motion
from motioncast.train.settings import LiteAdversarialSettings


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def batch() -> Batch:
    return Batch(*noise(3, 2, 3, 64, 64))


def training(share: float = 0.5) -> AdversarialFineTuning:
    torch.manual_seed(0)
    settings = LiteAdversarialSettings(
        steps=10,
        warmup_steps=1,
        close_up_pixels=32,
        precision="float32",
        adversarial_share=share,
    )
    return AdversarialFineTuning(MotionTransfer(LITE64), settings)


def test_a_close_up_is_taken_where_most_moves() -> None:
    weights = torch.ones(2, 1, 64, 64)
    weights[0, :, 12:28, 40:56] = 7.0
    weights[1, :, 48:, :16] = 7.0

    assert strongest_motion(weights, 16).tolist() == [[40, 12], [0, 48]]


def test_a_close_up_of_what_stands_still_is_its_middle() -> None:
    assert strongest_motion(torch.ones(1, 1, 64, 64), 32).tolist() == [[16, 16]]


def test_a_crop_is_the_slice_at_its_place() -> None:
    images = noise(2, 3, 16, 16)

    cut = crop(images, torch.tensor([[4, 0], [1, 7]]), 8)

    assert torch.equal(cut[0], images[0, :, 0:8, 4:12])
    assert torch.equal(cut[1], images[1, :, 7:15, 1:9])


def test_a_ramp_has_no_details_and_a_lone_pixel_all_but_a_ninth_of_its_height() -> None:
    ramp = torch.linspace(0, 1, 9).expand(1, 1, 9, 9)
    pixel = torch.zeros(1, 1, 9, 9)
    pixel[..., 4, 4] = 1.0

    assert_close(details(ramp)[..., 1:-1], torch.zeros(1, 1, 9, 7))
    assert_close(details(pixel)[0, 0, 4, 3:6], torch.tensor([-1.0, 8.0, -1.0]) / 9)


def test_a_score_sees_26_by_26_pixels() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(keypoints=2).eval()
    images = noise(1, 3, 64, 64).requires_grad_(True)

    _, scores = discriminator(images, torch.zeros(1, 2, 32, 32))
    (gradient,) = torch.autograd.grad(scores[0, 0, 4, 4], images)

    seen = gradient.abs().sum(dim=(0, 1)) > 0
    assert scores.shape == (1, 1, 8, 8)
    assert seen.any(dim=0).sum() <= 26
    assert seen.any(dim=1).sum() <= 26


def test_no_feature_map_of_the_discriminator_amplifies_its_input() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(keypoints=2)
    for step in range(100):  # each pass does one step of the power iteration
        discriminator(noise(1, 3, 16, 16, seed=step), torch.zeros(1, 2, 8, 8))

    for block in discriminator.eval().blocks:
        assert isinstance(block, torch.nn.Conv2d)
        largest = torch.linalg.svdvals(block.weight.flatten(1))[0]
        assert_close(largest, torch.tensor(1.0), atol=1e-2, rtol=0)


def test_terms_are_compared_by_the_norms_of_their_gradients() -> None:
    image = noise(1, 3, 8, 8).requires_grad_(True)
    terms = {"all": 3 * image.sum(), "none": torch.tensor(5.0)}
    against = {"row": 2 * image[..., 0, :].sum()}

    # 3 for each of 192 numbers, and 2 for each of 24.
    expected = 3 * 192**0.5 / (2 * 24**0.5)
    assert_close(gradient_ratio(terms, against, image), torch.tensor(expected))


def test_the_share_weighs_the_adversarial_terms_alone() -> None:
    plain, strong = training(share=0.5), training(share=1.5)
    for state in (plain, strong):
        state.freeze_detector()
    ones, terms = plain.losses(batch()), strong.losses(batch())

    for name in ("adversarial", "features"):
        assert_close(terms[name], 3 * ones[name])
    for name in ("pixels", "decibels", "gradient", "warped"):
        assert_close(terms[name], ones[name])


def test_generator_and_discriminator_learn_and_the_detector_does_not() -> None:
    state = training()
    before = [value.clone() for value in state.model.detector.state_dict().values()]
    painter = state.model.synthesis.state_dict()["to_rgb_and_mask.weight"].clone()

    scores = [state.learn(batch())["discriminator"] for _ in range(8)]

    assert scores[-1] < scores[0]
    assert not torch.equal(state.model.synthesis.state_dict()["to_rgb_and_mask.weight"], painter)
    for value, was in zip(state.model.detector.state_dict().values(), before, strict=True):
        assert torch.equal(value, was)


def test_close_ups_that_do_not_fit_are_refused() -> None:
    for side in (20, 72):
        with pytest.raises(ValueError, match=rf"close_up_pixels: {side} is not a multiple of 8 up"):
            AdversarialFineTuning(
                MotionTransfer(LITE64), LiteAdversarialSettings(steps=1, close_up_pixels=side)
            )


def test_all_of_a_step_happens_on_the_device_of_its_networks() -> None:
    meta = torch.device("meta")
    state = training()
    state.freeze_detector()
    state.model.to(meta)
    state.adversary.discriminator.to(meta)

    terms = state.losses(Batch(*torch.rand(3, 2, 3, 64, 64, device=meta)))

    assert set(terms) == {"pixels", "decibels", "gradient", "warped", "adversarial", "features"}
    assert all(term.device == meta for term in terms.values())


def test_fine_tuning_starts_from_trained_networks_and_keeps_their_detector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mkv", gradient_frames(4, 32, 32))
    torch.manual_seed(3)
    save_motion_transfer(MotionTransfer(LITE64), tmp_path / "trained.pt")
    configuration = tmp_path / "mine.toml"
    configuration.write_text('network = "lite64"\n[synthesis]\nadversarial = true\nsteps = 2\n')
    command = ["--config", str(configuration), "--data", str(tmp_path / "videos")]
    command += ["--batch-size", "2", "--cache", str(tmp_path / "cache")]
    command += ["--out", str(tmp_path / "run")]

    with pytest.raises(SystemExit):
        train.main(command)
    assert "mine: freezes the detector from the start (use --from" in capsys.readouterr().err

    train.main([*command, "--from", str(tmp_path / "trained.pt")])
    start = load_motion_transfer(tmp_path / "trained.pt")
    tuned = load_motion_transfer(tmp_path / "run" / "model.pt")
    for name, value in tuned.detector.state_dict().items():
        assert torch.equal(value, start.detector.state_dict()[name]), name
    assert any(
        not torch.equal(value, start.synthesis.state_dict()[name])
        for name, value in tuned.synthesis.state_dict().items()
    )
