"""Training of detector and synthesis network, and its checkpoints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motioncast.data.clip_cache import ClipCache
from motioncast.data.pairs import PairSampler, Pool
from motioncast.models.checkpoint import (
    CheckpointError,
    load_motion_transfer,
    save_motion_transfer,
)
from motioncast.models.configurations import LITE128, PAPER64
from motioncast.models.lite.detector import LiteKeypointDetector
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.train.adversarial import AdversarialTraining
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.settings import AdversarialSettings, SynthesisSettings, TrainingSettings
from motioncast.train.state import SynthesisTraining
from motioncast.train.synthesis import new_training, train


def square_sampler(size: int) -> PairSampler:
    """Draws batches of two from a bright square moving over a ramp."""
    ramp = np.broadcast_to(np.arange(size)[:, None, None], (size, size, 3))
    frames = np.stack([ramp] * 12).astype(np.uint8)
    for t, frame in enumerate(frames):
        frame[size // 4 + t : size // 2 + t, size // 3 : size // 2] = 220
    cache = ClipCache(names=("square.mkv",), starts=(0, 12), frames=frames)
    return PairSampler([Pool(cache, [0])], batch_size=2, seed=1)


@pytest.fixture(scope="module")
def sampler() -> PairSampler:
    return square_sampler(LITE128.image_size)


def training(settings: SynthesisSettings) -> SynthesisTraining:
    return new_training(LITE128 if isinstance(settings, TrainingSettings) else PAPER64, settings)


def assert_same(first: SynthesisTraining, second: SynthesisTraining) -> None:
    for network in ("model", "average"):
        ours, theirs = getattr(first, network), getattr(second, network)
        for name, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), f"{network}.{name}"


@pytest.mark.parametrize(
    "settings",
    [
        TrainingSettings(steps=3, freeze_detector=0.3),
        TrainingSettings(steps=3, freeze_detector=1.0),
        AdversarialSettings(steps=3),
    ],
    ids=["detector frozen", "detector trained", "adversarial"],
)
def test_a_resumed_training_goes_on_bit_for_bit(
    tmp_path: Path, settings: SynthesisSettings
) -> None:
    through = training(settings)
    sampler = square_sampler(through.model.configuration.image_size)
    for step in range(3):
        if step == 2:
            through.save(tmp_path / "training.pt")
        through.learn(sampler.batch(step))
    resumed = training(settings)
    resumed.resume(tmp_path / "training.pt")
    resumed.learn(sampler.batch(resumed.step))

    assert resumed.step == through.step == 3
    assert_same(resumed, through)
    if isinstance(resumed, AdversarialTraining) and isinstance(through, AdversarialTraining):
        theirs = through.adversary.discriminator.state_dict()
        for name, value in resumed.adversary.discriminator.state_dict().items():
            assert torch.equal(value, theirs[name]), name


def test_a_training_does_not_resume_another_configuration(tmp_path: Path) -> None:
    training(TrainingSettings(steps=1)).save(tmp_path / "training.pt")

    with pytest.raises(ValueError, match="is a training of lite128, not paper64"):
        training(AdversarialSettings(steps=1)).resume(tmp_path / "training.pt")


def test_the_discriminator_learns_to_tell_real_from_generated() -> None:
    state = training(AdversarialSettings(steps=100))
    batch = square_sampler(64).batch(0)

    scores = [state.learn(batch)["discriminator"] for _ in range(4)]

    assert scores[-1] < scores[0]


def test_the_weights_of_the_adversarial_terms_are_settings() -> None:
    image_alone = (1.0, 0.0, 0.0, 0.0, 0.0)
    plain = training(AdversarialSettings(steps=1, warped_weight=1.0))
    weighted = training(
        AdversarialSettings(
            steps=1, reconstruction_weights=image_alone, adversarial_weight=2.0, warped_weight=3.0
        )
    )
    batch = square_sampler(64).batch(0)
    with torch.no_grad():
        ones, terms = plain.losses(batch), weighted.losses(batch)

    assert isinstance(weighted, AdversarialTraining)
    assert weighted.adversary.judged is not None
    driving, image, _ = weighted.adversary.judged
    assert_close(terms["reconstruction"], (image - driving).abs().mean())
    assert_close(terms["adversarial"], 2 * ones["adversarial"])
    assert_close(terms["warped"], 3 * ones["warped"])


def test_a_frozen_detector_stays_as_it_is(sampler: PairSampler) -> None:
    state = training(TrainingSettings(steps=4, batch_size=2, freeze_detector=0.25))
    state.learn(sampler.batch(0))
    state.learn(sampler.batch(1))
    assert state.frozen
    before = {name: value.clone() for name, value in state.model.detector.state_dict().items()}
    state.learn(sampler.batch(2))

    for name, value in state.model.detector.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(value, state.average.detector.state_dict()[name])


def running_statistics(state: SynthesisTraining) -> dict[str, torch.Tensor]:
    """Returns the running means of all feature map normalisations."""
    return {
        name: layer.running_mean.clone()
        for name, layer in state.model.named_modules()
        if isinstance(layer, torch.nn.BatchNorm2d) and layer.running_mean is not None
    }


def test_fixed_statistics_stay_while_weights_and_heights_go_on(sampler: PairSampler) -> None:
    settings = TrainingSettings(steps=2, batch_size=2, freeze_detector=1.0, freeze_statistics=0.5)
    state = training(settings)
    untrained = running_statistics(state)
    state.learn(sampler.batch(0))
    before = running_statistics(state)
    assert all(not torch.equal(mean, untrained[name]) for name, mean in before.items())
    weights = {name: value.clone() for name, value in state.model.named_parameters()}
    detector = state.model.detector
    assert isinstance(detector, LiteKeypointDetector)
    heights = detector.normalise.num_batches_tracked
    assert heights is not None
    seen = int(heights)
    state.learn(sampler.batch(1))

    assert all(torch.equal(mean, before[name]) for name, mean in running_statistics(state).items())
    assert any(
        not torch.equal(value, weights[name]) for name, value in state.model.named_parameters()
    )
    assert int(heights) == seen + 1


def test_training_writes_its_networks_and_its_log(sampler: PairSampler, tmp_path: Path) -> None:
    state = training(TrainingSettings(steps=2, batch_size=2, freeze_detector=0.5))

    train(state, sampler, tmp_path, report_every=1)

    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    frozen = load_motion_transfer(tmp_path / "detector_frozen.pt")
    final = load_motion_transfer(tmp_path / "model.pt")
    for name, value in frozen.detector.state_dict().items():
        assert torch.equal(value, final.detector.state_dict()[name])


def test_the_loss_falls_on_a_single_batch(sampler: PairSampler) -> None:
    """The rate is small, as bfloat16 rounds differently from processor to processor."""
    settings = TrainingSettings(steps=1000, batch_size=2, warmup_steps=10, learning_rate=3e-4)
    state, batch = training(settings), sampler.batch(0)

    pixels = [state.learn(batch)["pixels"] for _ in range(50)]

    assert pixels[-1] < 0.5 * pixels[0]


def test_settings_give_exactly_one_length() -> None:
    with pytest.raises(ValueError, match="either in steps or in minutes"):
        ReconstructionTraining(MotionTransfer(LITE128), TrainingSettings())
    with pytest.raises(ValueError, match="length must be positive"):
        ReconstructionTraining(MotionTransfer(LITE128), TrainingSettings(steps=0))


def test_a_checkpoint_keeps_the_networks_to_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MotionTransfer(LITE128).eval()
    save_motion_transfer(model, tmp_path / "model.pt")

    loaded = load_motion_transfer(tmp_path / "model.pt")

    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert_close(loaded.detect(image), model.detect(image), atol=2e-3, rtol=0)
    assert loaded.configuration == LITE128
    assert not loaded.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 7}, "format version 7 \\(expected 1\\)"),
        ({"format": "motioncast.predictor"}, r"is not a motioncast\.motion_transfer checkpoint"),
        ({"configuration": "lite512"}, "config: 'lite512' is unknown"),
        ({"weights": {}}, "Missing key"),
    ],
)
def test_a_foreign_checkpoint_is_refused_with_its_reason(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "model.pt"
    save_motion_transfer(MotionTransfer(LITE128), path)
    torch.save({**torch.load(path, weights_only=True), **change}, path)

    with pytest.raises(CheckpointError, match=message):
        load_motion_transfer(path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x00\x01 no checkpoint")

    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_motion_transfer(tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        load_motion_transfer(tmp_path / "missing.pt")


def test_a_checkpoint_from_before_the_networks_were_deepened_computes_what_it_did(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    before = replace(LITE128, detector_blocks=None, motion_blocks=None, decoder_blocks=None)
    shallow = MotionTransfer(before).eval()
    shallow.load_state_dict({name: value.half() for name, value in shallow.state_dict().items()})
    save_motion_transfer(shallow, tmp_path / "model.pt")

    loaded = load_motion_transfer(tmp_path / "model.pt")

    image = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert loaded.configuration == LITE128
    with torch.inference_mode():
        points = shallow.detect(image)
        assert_close(loaded.detect(image), points, atol=1e-6, rtol=0)
        driving = points.flip(0).unsqueeze(1)
        theirs = shallow.synthesise(image, points, driving)
        assert_close(loaded.synthesise(image, points, driving), theirs, atol=1e-6, rtol=0)
    save_motion_transfer(loaded, tmp_path / "deep.pt")
    incomplete = torch.load(tmp_path / "deep.pt", weights_only=True)
    del incomplete["weights"]["detector.level16.2.body.1.weight"]  # a part of a block
    torch.save(incomplete, tmp_path / "deep.pt")
    with pytest.raises(CheckpointError, match=r"level16\.2\.body\.1\.weight"):
        load_motion_transfer(tmp_path / "deep.pt")
