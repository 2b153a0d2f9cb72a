"""Mixed precision and devices in training, as far as a CPU can test them."""

from pathlib import Path

import pytest
import torch
from support.two_processes import TINY
from torch import nn
from torch.testing import assert_close

from motioncast.data.pairs import Batch
from motioncast.models.configurations import PAPER64
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.checkpoint import build_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.train.adversarial import AdversarialTraining
from motioncast.train.parallel import ALONE
from motioncast.train.precision import Stepper
from motioncast.train.predictor_loss import LossWeights, loss_terms
from motioncast.train.predictor_training import PredictorTraining
from motioncast.train.reconstruction import ReconstructionTraining
from motioncast.train.settings import (
    AdversarialSettings,
    Precision,
    Schedule,
    TrainingSettings,
)

META = torch.device("meta")  # tensors without values, which cannot be mixed with other devices


def noise_batch(size: int, seed: int) -> Batch:
    return Batch(*torch.rand(3, 2, 3, size, size, generator=torch.Generator().manual_seed(seed)))


def reconstruction(precision: Precision) -> ReconstructionTraining:
    torch.manual_seed(0)
    settings = TrainingSettings(steps=4, batch_size=2, precision=precision)
    return ReconstructionTraining(MotionTransfer(TINY), settings)


def test_a_step_is_that_of_the_unscaled_loss() -> None:
    weights = {}
    for precision in ("float32", "float16"):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.constant_(layer.weight, 1.0)
        stepper = Stepper(precision, ALONE, on_cpu="float32")
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
        with stepper.autocast():
            loss = layer(torch.tensor([[0.25]])).float().sum() / 8
        stepper.minimise(loss, optimiser, list(layer.parameters()), clip_norm=1.0)
        weights[precision] = layer.weight.item()
    # The loss is w / 32, so a step of 0.5 goes from 1 to 1 - 1 / 64.
    assert weights == {"float32": 1 - 1 / 64, "float16": 1 - 1 / 64}


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    weight = nn.Parameter(torch.ones(1))
    stepper = Stepper("float16", ALONE, on_cpu="float32")
    before = stepper.scaler.get_scale()
    loss = (weight * 1e38).sum()  # overflows float32 when scaled
    stepper.minimise(loss, torch.optim.SGD([weight], lr=1.0), [weight], clip_norm=1.0)
    assert weight.item() == 1.0
    assert stepper.scaler.get_scale() == before / 2


def test_a_resumed_float16_training_keeps_its_scale_and_goes_on_bit_for_bit(
    tmp_path: Path,
) -> None:
    schedule = Schedule(steps=4, batch=2, window_frames=6, precision="float16")
    clips = [torch.linspace(-0.5, 0.5, 8)[:, None, None].expand(8, 2, 3).contiguous()]

    def training() -> PredictorTraining:
        sizes = PredictorSizes(keypoints=2, hidden=4, latent=2, features=4)
        return PredictorTraining("vrnn", sizes, clips, schedule, LossWeights())

    through, resumed = training(), training()
    through.advance()
    through.stepper.scaler.update(1024.0)
    through.save(tmp_path / "last.pt")
    through.advance()
    resumed.resume(tmp_path / "last.pt")
    assert resumed.stepper.scaler.get_scale() == 1024.0
    resumed.advance()
    assert_close(resumed.model.state_dict(), through.model.state_dict(), atol=0, rtol=0)


def test_bfloat16_changes_the_losses_by_its_rounding_alone() -> None:
    batch = noise_batch(32, seed=0)
    exact, rounded = (reconstruction(each).learn(batch) for each in ("float32", "bfloat16"))
    assert exact != rounded
    for name, value in exact.items():
        assert rounded[name] == pytest.approx(value, rel=0.05, abs=1e-3)


def test_the_lite_networks_train_in_bfloat16_on_the_cpu_and_the_others_in_float32() -> None:
    assert reconstruction("auto").stepper.dtype == torch.bfloat16
    assert AdversarialTraining.precision_on_cpu == "float32"


def test_all_of_a_reconstruction_step_happens_on_the_device_of_its_networks() -> None:
    training = reconstruction("float32")
    training.model.to(META)
    terms = training.losses(Batch(*(frames.to(META) for frames in noise_batch(32, seed=0))))
    assert all(term.device == META for term in terms.values())


def test_all_of_an_adversarial_step_happens_on_the_device_of_its_networks() -> None:
    settings = AdversarialSettings(steps=1, warped_weight=1.0)
    training = AdversarialTraining(MotionTransfer(PAPER64), settings)
    training.model.to(META)
    training.adversary.discriminator.to(META)
    terms = training.descend(Batch(*torch.rand(3, 2, 3, 64, 64, device=META)))
    assert set(terms) == {"reconstruction", "adversarial", "warped", "discriminator"}
    assert all(term.device == META for term in terms.values())


@pytest.mark.parametrize("kind", ["vrnn", "gru", "rnn"])
def test_all_of_a_predictor_s_loss_happens_on_the_device_of_its_network(kind: str) -> None:
    model = build_predictor(kind, PredictorSizes(2, 4, 2, 4)).to(META)
    timeline = torch.ones(3, 6, device=META)
    weights = LossWeights(scheduled_sampling=0.5, best_of=2)
    terms = loss_terms(
        model,
        keypoints=torch.zeros(3, 6, 2, 3, device=META),
        observed=timeline,
        noise=torch.zeros(2, 3, 6, 2, device=META),
        weights=weights,
        progress=0.5,
        draws=timeline,
    )
    assert terms.total.device == META
