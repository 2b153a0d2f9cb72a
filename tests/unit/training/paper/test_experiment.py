"""Running a protocol: what entrants see, what they show, and what it is compared with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.random_networks import random_motion_transfer, random_vrnn
from torch import Tensor
from torch.testing import assert_close

from motioncast.models.configurations import LITE64
from motioncast.models.motion_transfer import MotionTransfer
from motioncast.models.predictors.checkpoint import save_predictor
from motioncast.models.predictors.recurrent import PredictorSizes
from motioncast.models.predictors.registry import RULES
from motioncast.paper.entrants import Entrant, EntrantsError, load_entrants
from motioncast.paper.experiment import (
    COPIED_SOURCE,
    ModeResult,
    ProtocolClips,
    forecast_all,
    run_mode,
)
from motioncast.paper.protocols import Mode, Protocol

FRAMES = 6
SHORT = Protocol("short", 2, 4, FRAMES, 5, "2 observed, 4 predicted", "")
COMPLETE = Protocol("complete", FRAMES, 0, FRAMES, 5, "all observed", "")
ENTRANTS = [Entrant(kind, None, RULES[kind]) for kind in ("damped", "hold")]


@pytest.fixture(scope="module")
def model() -> MotionTransfer:
    return random_motion_transfer(LITE64)


@pytest.fixture(scope="module")
def clips(model: MotionTransfer) -> ProtocolClips:
    """Three clips of three videos: a bright square on a ramp with a different motion in each."""
    ramp = np.broadcast_to(np.linspace(20, 120, 64, dtype=np.uint8)[None, :, None], (64, 64, 3))
    frames = np.stack([np.stack([ramp] * FRAMES)] * 3).copy()
    for clip, (right, down) in enumerate(((3, 0), (0, 3), (2, 2))):
        for frame in range(FRAMES):
            top, left = 10 + down * frame, 10 + 8 * clip + right * frame
            frames[clip, frame, top : top + 16, left : left + 16] = 230
    images = torch.from_numpy(frames).flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        keypoints = model.detect(images).clone().view(3, FRAMES, -1, 3)
    return ProtocolClips(("a", "b", "c"), ("a", "b", "c"), lambda clip: frames[clip], keypoints)


def run(
    mode: Mode,
    model: MotionTransfer,
    clips: ProtocolClips,
    protocol: Protocol = SHORT,
    entrants: list[Entrant] = ENTRANTS,
    relative: bool = False,
) -> ModeResult:
    filled = forecast_all(entrants, clips.keypoints, protocol.mask())
    return run_mode(mode, protocol, model, clips, entrants, filled, relative=relative)


def test_what_is_not_observed_reaches_no_entrant(clips: ProtocolClips) -> None:
    def echo(keypoints: Tensor, observed: Tensor) -> Tensor:
        return keypoints

    filled = forecast_all([Entrant("echo", None, echo)], clips.keypoints, SHORT.mask())

    assert_close(filled[0, :, :2], clips.keypoints[:, :2])
    assert filled[0, :, 2:].isnan().all()


def test_an_entrant_for_other_keypoints_is_named(clips: ProtocolClips, tmp_path: Path) -> None:
    save_predictor(random_vrnn(PredictorSizes(keypoints=4, hidden=8)), tmp_path / "vrnn_3.pt")

    with pytest.raises(EntrantsError, match=r"vrnn_3\.pt cannot forecast 10 keypoints"):
        forecast_all(load_entrants(tmp_path), clips.keypoints, SHORT.mask())


def test_where_every_frame_is_observed_all_entrants_show_what_all_keypoints_show(
    model: MotionTransfer, clips: ProtocolClips
) -> None:
    result = run("reconstruction", model, clips, COMPLETE)

    kinds = [row.kind for row in result.rows]
    assert kinds == ["damped", "hold", "all keypoints", "copied source"]
    for values in result.values.values():
        assert_array_equal(values[0], values[2])
        assert_array_equal(values[1], values[2])


def test_the_error_of_hold_is_that_of_its_frames_synthesised_at_once(
    model: MotionTransfer, clips: ProtocolClips
) -> None:
    result = run("reconstruction", model, clips)

    for clip in range(3):
        keypoints = clips.keypoints[clip]
        held = keypoints[[0, 1, 1, 1, 1, 1]]
        frames = torch.from_numpy(clips.frames(clip)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            images = model.synthesise(frames[:1], keypoints[:1], held[None])[0]
        shown = (images.clamp(0, 1) * 255).round() / 255
        expected = (shown - frames).double().square().mean(dim=(1, 2, 3))
        assert_allclose(result.values["mse"][1, clip], expected, rtol=1e-3)


def test_the_error_of_a_copied_source_needs_no_network(
    model: MotionTransfer, clips: ProtocolClips
) -> None:
    result = run("reconstruction", model, clips)

    row = [row.kind for row in result.rows].index(COPIED_SOURCE)
    frames = clips.frames(2) / 255.0
    expected = np.square(frames - frames[:1]).mean(axis=(1, 2, 3))
    assert_allclose(result.values["mse"][row, 2], expected)
    assert result.values["psnr"][row, 2, 0] == pytest.approx(10 * np.log10(12 * 255**2))


@pytest.mark.parametrize("relative", [False, True])
def test_a_transfer_by_whoever_knows_the_truth_has_no_error(
    model: MotionTransfer, clips: ProtocolClips, relative: bool
) -> None:
    def oracle(keypoints: Tensor, observed: Tensor) -> Tensor:
        return clips.keypoints

    entrants = [Entrant("oracle", None, oracle), *ENTRANTS]
    result = run("transfer", model, clips, SHORT, entrants, relative)

    # Frames are rendered in different batches, so sums may round differently.
    assert_allclose(result.values["mse"][0], 0, atol=1e-7)
    assert (result.values["mse"][2, :, 2:] > 1e-6).all()
    assert_array_equal(result.values["mse"][:3, :, :2], 0)


def test_the_source_of_a_transfer_is_another_clip_and_changes_what_is_shown(
    model: MotionTransfer, clips: ProtocolClips
) -> None:
    result = run("transfer", model, clips)

    assert all(source != name for source, name in zip(result.sources, clips.names, strict=True))
    assert [row.kind for row in result.rows] == ["damped", "hold", "copied source"]


def test_a_rerun_gives_the_same_values(model: MotionTransfer, clips: ProtocolClips) -> None:
    first, second = run("transfer", model, clips), run("transfer", model, clips)

    for measure, values in first.values.items():
        assert_array_equal(values, second.values[measure])


def test_entrants_are_the_initialisations_asked_for_and_the_simple_predictors(
    tmp_path: Path,
) -> None:
    for seed in (0, 1, 10):
        model = random_vrnn(PredictorSizes(keypoints=4, hidden=8), seed)
        save_predictor(model, tmp_path / f"vrnn_{seed}.pt")

    names = [entrant.name for entrant in load_entrants(tmp_path, 2)]

    assert names == ["vrnn_0", "vrnn_1", "damped", "hold", "linear"]
    with pytest.raises(EntrantsError, match="contains 3 initialisations of vrnn \\(4 requested"):
        load_entrants(tmp_path, 4)
