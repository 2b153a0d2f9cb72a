"""Fine-tuning on one person's videos: best weights, early stopping, resuming."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.random_networks import random_motion_transfer, random_vrnn
from support.videos import gradient_frames
from torch.testing import assert_close

from motioncast.data.clip_cache import ClipCache
from motioncast.data.keypoints import Tracks
from motioncast.data.own_videos import OwnVideos
from motioncast.data.windows import every_window
from motioncast.models.checkpoint import load_motion_transfer
from motioncast.models.configurations import LITE64
from motioncast.models.predictors.checkpoint import build_predictor, kind_of, load_predictor
from motioncast.models.predictors.gap_filling import continue_free, free_running
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.vrnn import VRNN
from motioncast.models.shipped import shipped_checkpoint
from motioncast.train.journal import read_log
from motioncast.train.personal import PersonalError, check_name
from motioncast.train.personal_options import SHIPPED
from motioncast.train.personal_predictor import SCHEDULE, SETTING, choose_predictor, holding
from motioncast.train.personal_synthesis import SETTINGS, Stopping, Tails, fine_tune

SIZES = PredictorSizes(keypoints=3, hidden=8, latent=2, features=8)


@pytest.fixture
def videos() -> OwnVideos:
    """One video of 48 + 12 frames of 64 x 64 pixels, each a little brighter than the last."""
    ramp = gradient_frames(1, 64, 64)[0].astype(int)
    frames = np.stack([ramp + t for t in range(60)]).astype(np.uint8)
    whole = ClipCache(("a",), (0, 60), frames)
    return OwnVideos(whole, ClipCache(("learned", "held out"), (0, 48, 60), frames))


def test_the_tail_is_reconstructed_from_the_first_frame_and_from_its_own(
    videos: OwnVideos,
) -> None:
    tails = Tails(videos.sources_and_tails())
    # Frames 49..59 are 49..59 levels brighter than frame 0, and 1..11 brighter than frame 48.
    brighter = [*range(49, 60), *range(1, 12)]
    expected = np.mean([20 * math.log10(255 / levels) for levels in brighter])
    assert tails.copied_psnr_db() == pytest.approx(expected, abs=1e-3)


def test_what_does_the_tails_no_good_is_given_up_for_what_it_began_with(
    videos: OwnVideos, tmp_path: Path
) -> None:
    start = random_motion_transfer(LITE64)
    before = {name: value.half() for name, value in start.state_dict().items()}
    settings = replace(SETTINGS, steps=8, batch_size=2, learning_rate=1e3, warmup_steps=1)
    tails = Tails(videos.sources_and_tails())
    seen = fine_tune(start, videos, tails, tmp_path, settings, Stopping(1, patience=2))
    assert max(seen) == seen[0]
    assert len(seen) == 3  # the start, and two evaluations without improvement
    for name, value in load_motion_transfer(tmp_path / "model.pt").state_dict().items():
        if value.is_floating_point():
            assert_close(value.half(), before[name], rtol=0, atol=0)


def test_fine_tuning_goes_on_where_it_stopped(videos: OwnVideos, tmp_path: Path) -> None:
    tails, stopping = Tails(videos.sources_and_tails()), Stopping(2, patience=9)
    for steps in (2, 5):
        settings = replace(SETTINGS, steps=steps, batch_size=2)
        seen = fine_tune(
            random_motion_transfer(LITE64), videos, tails, tmp_path, settings, stopping
        )
    assert [entry["step"] for entry in read_log(tmp_path / "log.jsonl")] == [0, 2, 4, 5]
    best = Tails(videos.sources_and_tails()).psnr_db(load_motion_transfer(tmp_path / "model.pt"))
    assert best == pytest.approx(max(seen), abs=0.05)  # saved weights are float16


def test_a_silenced_predictor_holds_still() -> None:
    observed = 0.2 * torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(0)) + 0.4
    observed = observed.clamp(0, 1)
    forecast = continue_free(free_running(holding(random_vrnn(SIZES))), observed, 4)
    assert_close(forecast, observed[:, -1:].expand(-1, 4, -1, -1))


@pytest.mark.parametrize("kind", ["vrnn", "windowed"])
def test_the_predictor_with_the_least_error_on_the_tails_is_taken(
    kind: str, tmp_path: Path
) -> None:
    time = torch.arange(120.0)[:, None, None]
    phases = torch.arange(9.0).view(3, 3)
    keypoints = 0.5 + 0.3 * torch.sin(0.2 * time + phases)
    tracks = Tracks(("learned", "held out"), (0, 96, 120), keypoints, (False, False))
    shipped = build_predictor(kind, SIZES).eval()
    assert isinstance(shipped, VRNN)
    chosen = choose_predictor(shipped, tracks, tmp_path, replace(SCHEDULE, steps=60))
    assert kind_of(chosen.model) == kind
    assert set(chosen.errors) == {"shipped", "adapted", "fine-tuned", "holding"}
    assert chosen.errors["holding"] == pytest.approx(1, abs=1e-4)
    assert chosen.errors[chosen.name] == min(chosen.errors.values())
    windows = every_window([keypoints[86:]], SETTING.length, 1)
    forecast = continue_free(free_running(chosen.model), windows[:, :10], 12)
    error = (forecast - windows[:, 10:])[..., :2].norm(dim=-1).mean(dim=(0, 2))
    held = (windows[:, 9:10] - windows[:, 10:])[..., :2].norm(dim=-1).mean(dim=(0, 2))
    assert float((error / held).mean()) == pytest.approx(chosen.errors[chosen.name], rel=1e-3)


@pytest.mark.parametrize("name", ["", "Ada", "a b", "../x", "_a", "a-"])
def test_a_name_is_what_a_folder_and_an_option_can_be_called(name: str, tmp_path: Path) -> None:
    with pytest.raises(PersonalError, match=r"^name: "):
        check_name(name, tmp_path, replace_models=False)


def test_the_shipped_name_and_a_taken_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonalError, match="'lite128' is the name of a configuration"):
        check_name("lite128", tmp_path, replace_models=True)
    (tmp_path / "ada_predictor").mkdir()
    with pytest.raises(PersonalError, match=r"has a model ada_predictor \(choose another"):
        check_name("ada", tmp_path, replace_models=False)
    check_name("ada", tmp_path, replace_models=True)
    check_name("ada_2", tmp_path, replace_models=False)


@pytest.mark.parametrize("configuration", SHIPPED)
def test_the_shipped_checkpoints_fit_one_another(configuration: str) -> None:
    networks = load_motion_transfer(shipped_checkpoint("synthesis", configuration))
    predictor = load_predictor(shipped_checkpoint("predictor", configuration))
    assert isinstance(predictor, VRNN)
    assert networks.configuration.name == configuration
    assert networks.configuration.keypoints == predictor.sizes.keypoints
    with pytest.raises(FileNotFoundError, match=rf"{configuration}_voice\.pt: this installation"):
        shipped_checkpoint("voice", configuration)
