"""Training configurations: files, refusals, and overrides by options."""

import math
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from motioncast.data.augmentation import BAIR, LITE, NEMO
from motioncast.models.configurations import PAPER64, PAPER64_BAIR
from motioncast.models.dense_motion import Movement
from motioncast.train.configuration import (
    configuration_names,
    load_configuration,
    override,
    override_schedule,
)
from motioncast.train.fields import ConfigurationError
from motioncast.train.settings import (
    AdversarialSettings,
    LiteAdversarialSettings,
    Schedule,
    TrainingSettings,
)
from motioncast.train.synthesis import in_steps

ALL = {"lite64", "paper64", "lite128", "lite64_grid", "lite64_bridge"}


def written(tmp_path: Path, content: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    return str(path)


def test_every_shipped_file_and_every_network_is_a_configuration() -> None:
    assert set(configuration_names()) >= ALL | {"paper64_nemo", "paper64_bair"}
    for name in configuration_names():
        chosen = load_configuration(name)
        assert chosen.name == name
        assert all(
            plan.sizes.keypoints == chosen.network.keypoints for plan in chosen.plans.values()
        )


def test_the_paper_s_configurations_are_those_of_monkey_net() -> None:
    nemo, bair = load_configuration("paper64_nemo"), load_configuration("paper64_bair")
    for chosen, epochs, milestone, warped in ((nemo, 750, 500, 0.0), (bair, 15, 10, 10.0)):
        settings = chosen.synthesis
        assert isinstance(settings, AdversarialSettings)
        assert settings.epochs == epochs
        assert settings.milestone * epochs == pytest.approx(milestone, abs=0.05)
        assert settings.reconstruction_weights == (10, 10, 10, 10, 1)
        assert (settings.adversarial_weight, settings.discriminator_weight) == (1, 1)
        assert (settings.warped_weight, settings.batch_size) == (warped, 32)
        assert (settings.learning_rate, settings.final_learning_rate) == (2e-4, 2e-5)
        assert chosen.plans["rnn"].sizes.hidden == 1024
        assert chosen.plans["vrnn"].sizes.hidden == 512
    assert (nemo.network, nemo.augmentation) == (PAPER64, NEMO)
    assert (bair.network, bair.augmentation) == (PAPER64_BAIR, BAIR)
    assert not bair.plans["vrnn"].schedule.time_flip


def test_heatmaps_of_bair_sum_to_one_and_those_of_nemo_have_a_height_of_a_hundredth() -> None:
    centre, corner = torch.zeros(1, 1, 3), torch.tensor([[[-1.0, -1.0, 0.0]]])
    unit, plain = Movement(PAPER64_BAIR)(corner, centre), Movement(PAPER64)(corner, centre)
    assert_close(unit.clamp(min=0).sum(), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert_close(unit.clamp(max=0).sum(), torch.tensor(-1.0), atol=1e-3, rtol=0)
    assert_close(plain.min(), torch.tensor(-0.01))


def test_a_lite_network_is_trained_adversarially_when_its_file_says_so(tmp_path: Path) -> None:
    fine_tuning = 'network = "lite64"\n[synthesis]\nadversarial = true\nadversarial_share = 2'
    chosen = load_configuration(written(tmp_path, fine_tuning))
    assert chosen.synthesis == LiteAdversarialSettings(adversarial_share=2.0)
    assert chosen.synthesis.freeze_detector == 0


def test_monkey_net_is_trained_adversarially_or_not_at_all(tmp_path: Path) -> None:
    start = 'network = "paper64"\n[synthesis]\nadversarial = '
    plain = load_configuration(written(tmp_path, start + "true"))
    assert plain.synthesis == AdversarialSettings()
    with pytest.raises(ConfigurationError, match=r"is False \(expected true, as paper64 is tr"):
        load_configuration(written(tmp_path, start + "false"))


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    chosen = load_configuration(written(tmp_path, 'network = "lite64"\n[synthesis]\nseed = 3'))
    assert chosen.synthesis == TrainingSettings(seed=3)
    assert (chosen.name, chosen.kind, chosen.augmentation) == ("mine", "vrnn", LITE)
    assert chosen.plans["gru"].schedule == Schedule()


def test_a_kind_s_own_sections_come_over_the_common_ones(tmp_path: Path) -> None:
    content = """
        network = "lite64"
        [predictor.schedule]
        batch = 8
        steps = 7
        [predictor.rnn.schedule]
        epochs = 2
        [predictor.rnn.sizes]
        hidden = 32
    """
    plans = load_configuration(written(tmp_path, content)).plans
    assert plans["vrnn"].schedule == Schedule(batch=8, steps=7)
    assert plans["rnn"].schedule == Schedule(batch=8, steps=7, epochs=2)
    assert (plans["rnn"].sizes.hidden, plans["vrnn"].sizes.hidden) == (32, 256)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[synthesis]\nbatch_sise = 3", r"synthesis\.batch_sise is unknown \(expected one of"),
        ("[synthesis]\nbatch_size = 0", r"batch_size is 0 \(expected a whole number of at least 1"),
        ("[synthesis]\nbatch_size = 1.5", r"batch_size is 1\.5 \(expected a whole number"),
        ("[synthesis]\nbatch_size = true", r"batch_size is True \(expected a whole number"),
        ("[synthesis]\nlearning_rate = 0", r"learning_rate is 0 \(expected a number above 0\)"),
        ("[synthesis]\nlearning_rate = nan", r"learning_rate is nan \(expected"),
        ("[synthesis]\nfreeze_detector = 2", r"freeze_detector is 2 \(expected a number from 0 to"),
        ("[synthesis]\npixel_weight = -1", r"pixel_weight is -1 \(expected a number of at least 0"),
        ('[synthesis]\nprecision = "half"', r"precision is 'half' \(expected one of auto, float32"),
        ("[synthesis]\nadversarial = 1", r"adversarial is 1 \(expected true or false\)"),
        ("[synthesis]\nadversarial_share = 1", r"adversarial_share is unknown"),
        ('[synthesis]\naugmentation = "x"', r"augmentation is 'x' \(expected one of lite, people"),
        ("[synthesis]\nsteps = 1\nminutes = 2", r"synthesis sets steps and minutes"),
        ("[synthesis]\nmilestone = 0.5", r"synthesis\.milestone is unknown"),
        ("synthesis = 3", r"synthesis is 3 \(expected a section\)"),
        ("[syntesis]", r"syntesis is unknown \(expected one of network, synthesis, predictor\)"),
        ('[predictor]\nkind = "lstm"', r"predictor\.kind is 'lstm' \(expected one of vrnn"),
        ("[predictor.schedule]\ntime_flip = 1", r"time_flip is 1 \(expected true or false\)"),
        ("[predictor.schedule]\nsteps = 2\nepochs = 1", r"predictor\.schedule sets steps and ep"),
        ("[predictor.sizes]\nhidden = 0", r"predictor\.sizes\.hidden is 0"),
        ("[predictor.sizes]\nkeypoints = 4", r"keypoints is 4 \(expected 10, as in lite64\)"),
        ("[predictor.gru.size]", r"predictor\.gru\.size is unknown"),
        ("[predictor.loss]\nbest_of = 0", r"predictor\.loss\.best_of is 0"),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_key(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"mine\.toml: .*{message}"):
        load_configuration(written(tmp_path, f'network = "lite64"\n{line}'))


def test_adversarial_weights_are_one_for_the_image_and_one_for_each_feature_map(
    tmp_path: Path,
) -> None:
    short = 'network = "paper64"\n[synthesis]\nreconstruction_weights = [1.0, 2.0]'
    with pytest.raises(ConfigurationError, match=r"is \[1\.0, 2\.0\] \(expected a list of 5\)"):
        load_configuration(written(tmp_path, short))


def test_a_network_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"network is None \(expected one of .*lite128"):
        load_configuration(written(tmp_path, ""))


def test_files_that_are_missing_or_no_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: no such configuration"):
        load_configuration(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match=r"mine\.toml: cannot be read as TOML"):
        load_configuration(written(tmp_path, "network ="))
    with pytest.raises(ConfigurationError, match=r"config: 'lite63' is unknown \(expected one of"):
        load_configuration("lite63")


def test_options_come_over_the_file_and_a_length_replaces_its_length() -> None:
    grid = load_configuration("lite64_grid")
    changed = override(grid.synthesis, {"steps": 5, "batch_size": None, "seed": 2})
    assert (changed.steps, changed.minutes, changed.seed) == (5, None, 2)
    assert changed.batch_size == grid.synthesis.batch_size
    with pytest.raises(ConfigurationError, match="command line: batch_size is 0"):
        override(grid.synthesis, {"batch_size": 0})
    assert override_schedule(Schedule(epochs=2.0), {"steps": 5}) == Schedule(steps=5)


def test_an_epoch_is_one_sample_per_clip() -> None:
    settings = AdversarialSettings(epochs=750.0, batch_size=32)
    assert in_steps(settings, clips=1110).steps == math.ceil(750 * 1110 / 32) == 26016
